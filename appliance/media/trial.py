"""Whether what must be changed for a disc can be: tried on the first frame or a video's beginning, while planning."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import UID

from appliance.errors import DamagedError
from appliance.media.plan import Plan
from appliance.media.profiles import VIDEO_SYNTAXES
from appliance.media.source import SourceInstance
from appliance.media.transcode import ICON, has_coded_icon
from appliance.media.video import probed
from appliance.pixels import DEFAULT_LIMITS, Decoder, Limits, PixelError
from appliance.studies.bounds import check_items

SECONDS = 4.0
"""How long somebody who looks at a plan is kept waiting; what was not tried by then is found when the disc is built."""
FRAME_SECONDS = 2.0
"""Of these, for further frames than the first; the next plan goes on where this one stopped."""
_MOST_KNOWN = 20_000


@dataclass
class _Tried:
    """What is known of one file."""

    reason: str = ""  # why it can't be changed
    frames: int = 1  # tried so far, in the order of _spread
    loses_icon: bool = False  # when it is decompressed


_known: OrderedDict[tuple[str, str], _Tried] = OrderedDict()


def undecodable(plan: Plan, limits: Limits = DEFAULT_LIMITS) -> dict[str, str]:
    """SOP Instance UID -> why its image can't be decompressed. What was tried before is remembered."""
    wanted = {source.keys.SOPInstanceUID: source for source in _to_decompress(plan)}
    new = [source for source in wanted.values() if _name(source) not in _known]
    if new or any(map(_is_left, wanted.values())):
        end = time.monotonic() + SECONDS
        with Decoder(limits=limits) as decoder, ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda source: _try(source, decoder, end), new))
            end = min(end, time.monotonic() + FRAME_SECONDS)
            list(threads.map(lambda source: _try_frames(source, decoder, end), filter(_is_left, wanted.values())))
    reasons = {uid: tried.reason for uid, source in wanted.items() if (tried := _known.get(_name(source)))}
    return {uid: reason for uid, reason in reasons.items() if reason}


def losing_icons(plan: Plan) -> set[str]:
    """SOP Instance UIDs of those that :func:`undecodable` tried and that have a compressed icon."""
    found = ((source, _known.get(_name(source))) for source in _to_decompress(plan))
    return {source.keys.SOPInstanceUID for source, tried in found if tried and tried.loses_icon}


def _to_decompress(plan: Plan) -> Iterator[SourceInstance]:
    for volume in plan.volumes:
        for source in (placed.source for placed in volume.placed if placed.decompress):
            if UID(source.keys.TransferSyntaxUID).is_encapsulated and source.keys.Rows:
                yield source
        yield from (placed.source for placed in volume.videos)


def _name(source: SourceInstance) -> tuple[str, str]:
    return str(source.path), source.sha256


def _is_left(source: SourceInstance) -> bool:
    """Whether some of its frames may still be tried."""
    tried = _known.get(_name(source))
    video = source.keys.TransferSyntaxUID in VIDEO_SYNTAXES
    return tried is not None and not tried.reason and not video and tried.frames < source.keys.NumberOfFrames


def _try(source: SourceInstance, decoder: Decoder, end: float) -> None:
    """Its first frame, or its video's beginning; and where each frame begins."""
    if time.monotonic() > end:
        return
    tried = _Tried()
    try:
        if source.keys.TransferSyntaxUID in VIDEO_SYNTAXES:
            tried.reason = probed(source)
        else:
            next(decoder.raw(Path(source.path)).frames)
            decoder.glance(Path(source.path))
            tried.loses_icon = _loses_icon(source)
    except (PixelError, DamagedError) as error:
        tried.reason = str(error)
    _known[_name(source)] = tried
    while len(_known) > _MOST_KNOWN:
        _known.popitem(last=False)


def _loses_icon(source: SourceInstance) -> bool:
    check_items(Path(source.path), source.data_set_offset, source.keys.NumberOfFrames)
    try:
        return has_coded_icon(dcmread(source.path, force=True, specific_tags=[ICON], stop_before_pixels=True))
    except Exception:  # readers of damaged files raise whatever they like; the build says what is wrong
        return False


def _try_frames(source: SourceInstance, decoder: Decoder, end: float) -> None:
    tried = _known.get(_name(source)) or _Tried()
    try:
        for number in islice(_spread(source.keys.NumberOfFrames), tried.frames, None):
            if time.monotonic() > end:
                return
            decoder.raw_frame(Path(source.path), number)
            tried.frames += 1
    except (PixelError, DamagedError) as error:
        tried.reason = str(error)


def _spread(count: int) -> Iterator[int]:
    """1..count, each once: the ends, then the middle, and so on, ever closer."""
    seen, step = {1, count}, count
    yield from sorted(seen)
    while step > 1:
        step = (step + 1) // 2
        for number in range(step, count, step):
            if number not in seen:
                seen.add(number)
                yield number
