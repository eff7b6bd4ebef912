"""Whether what must be changed for a disc can be: tried on the first frame or a video's beginning, while planning."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydicom.uid import UID

from appliance.errors import DamagedError
from appliance.media.plan import Plan
from appliance.media.profiles import VIDEO_SYNTAXES
from appliance.media.source import SourceInstance
from appliance.media.video import probed
from appliance.pixels import Decoder, PixelError

SECONDS = 4.0
"""How long somebody who looks at a plan is kept waiting; what was not tried by then is found when the disc is built."""
_MOST_KNOWN = 20_000
_known: OrderedDict[tuple[str, str], str] = OrderedDict()


def undecodable(plan: Plan, seconds: float = SECONDS) -> dict[str, str]:
    """SOP Instance UID -> why its image can't be decompressed. What was tried before is remembered."""
    wanted = {source.keys.SOPInstanceUID: source for source in _to_decompress(plan)}
    new = [source for source in wanted.values() if _name(source) not in _known]
    if new:
        end = time.monotonic() + seconds
        with Decoder() as decoder, ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda source: _try(source, decoder, end), new))
    reasons = {uid: _known.get(_name(source), "") for uid, source in wanted.items()}
    return {uid: reason for uid, reason in reasons.items() if reason}


def _to_decompress(plan: Plan) -> Iterator[SourceInstance]:
    for volume in plan.volumes:
        for source in (placed.source for placed in volume.placed if placed.decompress):
            if UID(source.keys.TransferSyntaxUID).is_encapsulated and source.keys.Rows:
                yield source
        yield from (placed.source for placed in volume.videos)


def _name(source: SourceInstance) -> tuple[str, str]:
    return str(source.path), source.sha256


def _try(source: SourceInstance, decoder: Decoder, end: float) -> None:
    if time.monotonic() > end:
        return
    try:
        reason = ""
        if source.keys.TransferSyntaxUID in VIDEO_SYNTAXES:
            reason = probed(source)
        else:
            next(decoder.raw(Path(source.path)).frames)
    except (PixelError, DamagedError) as error:
        reason = str(error)
    _known[_name(source)] = reason
    while len(_known) > _MOST_KNOWN:
        _known.popitem(last=False)
