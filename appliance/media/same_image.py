"""Two contents under one UID: are they the same image, compressed in two ways? Then nobody has to choose."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from appliance.errors import DamagedError
from appliance.media.plan import Plan
from appliance.media.source import SourceInstance
from appliance.pixels import Decoder, PixelError
from appliance.studies.bounds import check_items
from appliance.words import say

SECONDS = 4.0
# what says how pixels lie, not what they are: Photometric Interpretation, Planar Configuration, the pixels themselves
_OF_THE_CODING = (0x00280004, 0x00280006, 0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009, 0x7FE00010)
Signature = tuple[object, ...]


def same_images(plan: Plan, sources: Iterable[SourceInstance], seconds: float = SECONDS) -> frozenset[str]:
    """SOP Instance UIDs in conflict all of whose contents decode to the same pixels and say the same besides.

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
    with Decoder() as decoder:
        return frozenset(uid for uid, group in groups.items() if time.monotonic() < end and _are_same(group, decoder))


def _are_same(group: list[SourceInstance], decoder: Decoder) -> bool:
    if len({each.keys.TransferSyntaxUID for each in group}) < len(group) or not all(each.keys.Rows for each in group):
        return False
    try:
        return len({_pixels(each, decoder) for each in group}) == 1 and _say_the_same(group)
    except (PixelError, DamagedError):
        return False


def _pixels(source: SourceInstance, decoder: Decoder) -> Signature:
    raw = decoder.raw(Path(source.path))
    digest = hashlib.sha256()
    for frame in raw.frames:
        digest.update(frame)
    return (
        raw.Rows,
        raw.Columns,
        raw.BitsStored,
        raw.PixelRepresentation,
        raw.PhotometricInterpretation,
        digest.digest(),
    )


def _say_the_same(group: list[SourceInstance]) -> bool:
    first, *others = (_elements(each) for each in group)
    return all(first == other for other in others)


def _elements(source: SourceInstance) -> Dataset:
    """The data set but for what belongs to its coding."""
    check_items(Path(source.path), source.data_set_offset, source.keys.NumberOfFrames)
    try:
        found = dcmread(source.path, stop_before_pixels=True)
    except Exception as error:  # readers of damaged files raise whatever they like
        raise DamagedError(say("it can't be read (%(name)s)", name=type(error).__name__)) from error
    for tag in [*_OF_THE_CODING, *(each for each in found.keys() if each & 0xFFFF == 0)]:  # noqa: SIM118  (reads values)
        found.pop(tag, None)
    return found
