"""Two contents under one UID: do they say the same, encoded or compressed in two ways? Then nobody has to choose."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Container, Iterable
from pathlib import Path

from appliance.errors import DamagedError
from appliance.media.plan import Plan
from appliance.media.source import SourceInstance
from appliance.pixels import DEFAULT_LIMITS, Decoder, Limits, PixelError
from appliance.studies.same_content import digest

SECONDS = 4.0
# what says how pixels lie, not what they are: Photometric Interpretation, Planar Configuration, the pixels themselves
_OF_THE_CODING = (0x00280004, 0x00280006, 0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009, 0x7FE00010)
Signature = tuple[object, ...]


def same_images(
    plan: Plan, sources: Iterable[SourceInstance], limits: Limits = DEFAULT_LIMITS, seconds: float = SECONDS
) -> frozenset[str]:
    """SOP Instance UIDs in conflict all of whose contents say the same, their pixels as they are or once decoded.

    What can't be found out in `seconds`, or is damaged, stays a conflict.
    """
    asked = {conflict.subject for conflict in plan.conflicts if conflict.kind == "instance"}
    if not asked:
        return frozenset()
    groups: dict[str, list[SourceInstance]] = {}
    for source in sources:
        if source.keys.SOPInstanceUID in asked:
            groups.setdefault(source.keys.SOPInstanceUID, []).append(source)
    end = time.monotonic() + seconds
    with Decoder(limits=limits) as decoder:
        return frozenset(uid for uid, group in groups.items() if time.monotonic() < end and _are_same(group, decoder))


def _are_same(group: list[SourceInstance], decoder: Decoder) -> bool:
    try:
        if len({_content(each, _OF_THE_CODING) for each in group}) > 1:
            return False
        if len({_content(each) for each in group}) == 1:
            return True
        return all(each.keys.Rows for each in group) and len({_pixels(each, decoder) for each in group}) == 1
    except (PixelError, DamagedError):
        return False


def _content(source: SourceInstance, leave: Container[int] = ()) -> bytes:
    return digest(Path(source.path), source.data_set_offset, source.keys.NumberOfFrames, leave)


def _pixels(source: SourceInstance, decoder: Decoder) -> Signature:
    raw = decoder.raw(Path(source.path))
    found = hashlib.sha256()
    for frame in raw.frames:
        found.update(frame)
    return (
        raw.Rows,
        raw.Columns,
        raw.BitsStored,
        raw.PixelRepresentation,
        raw.PhotometricInterpretation,
        found.digest(),
    )
