"""Icons in the directory by choice (PS3.3 F.7): one small grey picture for each IMAGE record, all of one size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from appliance.pixels import ICON_EDGE, Decoder, PixelError
from appliance.studies import elements
from appliance.studies.records import DirectoryRecords

from .dicomdir import Entry
from .file_id import FileID
from .source import Placed

_ICON = 0x00880200


def icon_element(pixels: bytes) -> bytes:
    """Icon Image Sequence with one item of 8-bit grey, ICON_EDGE pixels square."""
    words = {
        0x00280002: 1,  # Samples per Pixel
        0x00280010: ICON_EDGE,  # Rows
        0x00280011: ICON_EDGE,  # Columns
        0x00280100: 8,  # Bits Allocated
        0x00280101: 8,  # Bits Stored
        0x00280102: 7,  # High Bit
        0x00280103: 0,  # Pixel Representation
    }
    parts = {tag: elements.element(tag, "US", value.to_bytes(2, "little")) for tag, value in words.items()}
    parts[0x00280004] = elements.element(0x00280004, "CS", b"MONOCHROME2")
    parts[0x7FE00010] = elements.element(0x7FE00010, "OB", pixels)
    return elements.sequence(_ICON, [b"".join(parts[tag] for tag in sorted(parts))])


BLANK = icon_element(bytes(ICON_EDGE * ICON_EDGE))
"""As large as any: a plan with it knows the size of its directory."""


def with_room(records: DirectoryRecords) -> DirectoryRecords:
    """The records of an instance with room for its icon, if it is an image: it sorts behind all keys of IMAGE."""
    return replace(records, instance=records.instance + BLANK) if records.record_type == "IMAGE" else records


def with_icons(
    entries: Iterable[Entry], placed: Iterable[Placed], made: Callable[[int], None] = lambda done: None
) -> tuple[Entry, ...]:
    """The entries with icons in the room kept for them; an image that can't be shown has none."""
    entries = tuple(entries)
    by_id = {each.file_id: each for each in placed}
    drawn = _drawn([by_id[file_id] for file_id in _with_room(entries)], made)
    return tuple(_filled(entry, drawn) for entry in entries)


def _with_room(entries: Iterable[Entry]) -> Iterator[FileID]:
    for entry in entries:
        if entry.reference is not None and entry.body.endswith(BLANK):
            yield entry.reference.file_id


def _drawn(images: list[Placed], made: Callable[[int], None]) -> dict[FileID, bytes]:
    """File ID -> icon element; two at a time, as the decoder has two children."""
    drawn, done = {}, 0
    with Decoder() as decoder, ThreadPoolExecutor(2) as threads:
        for each, icon in zip(images, threads.map(lambda each: _icon(each, decoder), images), strict=True):
            drawn[each.file_id] = icon
            done += each.size
            made(done)
    return drawn


def _icon(placed: Placed, decoder: Decoder) -> bytes:
    frames = max(1, placed.source.keys.NumberOfFrames)
    try:
        return icon_element(decoder.icon(Path(placed.source.path), (frames + 1) // 2))
    except PixelError:
        return b""


def _filled(entry: Entry, drawn: dict[FileID, bytes]) -> Entry:
    if entry.reference is None or entry.reference.file_id not in drawn:
        return entry
    return replace(entry, body=entry.body[: -len(BLANK)] + drawn[entry.reference.file_id])
