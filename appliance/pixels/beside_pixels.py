"""What lies in Pixel Data beside the pixels: bytes behind them, and comments and metadata of compressed frames.

A camera's EXIF says when and where, a comment may say who; no attribute names either. Told as ranges of the file, so
that a copy can have zeros there and keep every length and offset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pydicom.uid import UID

from appliance.newer_uids import JPEG_XLS
from appliance.pixels import codestream
from appliance.pixels.errors import DamagedPixelsError
from appliance.pixels.source import Source
from appliance.words import say

Range = tuple[int, int]
"""Begin and end."""

# how many bytes of an application segment a decoder goes by (colours), by what it begins with: JFIF and SPIFF (ITU-T
# T.871, T.84), Adobe's, and HP's of JPEG-LS; the rest of it is a thumbnail
_USED = {b"JFIF\0": 14, b"SPIFF\0": 30, b"Adobe": 12, b"mrfx": 5}
# boxes of JP2 and JPEG XL files that decoders go by (ITU-T T.800 Annex I, ISO/IEC 18181-2)
_BOXES = {b"jP  ", b"ftyp", b"jp2h", b"JXL ", b"jxll", b"jxlc", b"jxlp", b"jxli"}
_STARTS = (b"\xff\xd8", b"\xff\x4f", b"\xff\x0a", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")
# what ends the coded data of a scan: neither stuffed, nor a restart
_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


def ranges(source: Source) -> list[Range]:
    """Where, in the file of a source whose pixels were entered. Raises DamagedPixelsError."""
    if not source.encapsulated:
        return _behind_native(source)
    find = _finder(source.transfer_syntax)
    return [found for places in _streams(source) for found in _placed(source, places, find)] if find else []


def _behind_native(source: Source) -> list[Range]:
    needed = (source.native_frame_bits * source.frames + 7) // 8
    # some say YBR_FULL_422 of pixels that have all their samples
    whole = source.frame_bytes * source.frames
    if needed < whole <= source.length and source.bits_allocated >= 8:
        needed = whole
    needed += needed % 2  # in big endian words the odd last byte lies behind its padding
    return [(source.start + needed, source.start + source.length)] if needed < source.length else []


def _finder(syntax: UID) -> Callable[[bytes], Iterator[Range]] | None:
    """How metadata is found in a frame; None for transfer syntaxes that have none."""
    if syntax in codestream.JPEG:
        return _of_jpeg
    if syntax in codestream.JPEG_2000:
        return _of_jpeg_2000
    return _of_boxes if syntax in JPEG_XLS else None


def _streams(source: Source) -> Iterator[list[Range]]:
    """The fragments of each compressed frame: a frame begins where one begins as a frame does."""
    places: list[Range] = []
    for offset, length in source.fragments.places:
        source.file.seek(offset)
        if places and source.file.read(min(length, 12)).startswith(_STARTS):
            yield places
            places = []
        places.append((offset, offset + length))
    if places:
        yield places


def _placed(source: Source, places: list[Range], find: Callable[[bytes], Iterator[Range]]) -> Iterator[Range]:
    """Ranges of the frame as ranges of the file, whose fragments may part them."""
    parts = []
    for start, end in places:
        source.file.seek(start)
        parts.append(source.file.read(end - start))
    for first, last in find(b"".join(parts)):
        at = 0
        for start, end in places:
            low, high = max(first - at, 0), min(last - at, end - start)
            if low < high:
                yield start + low, start + high
            at += end - start


def _of_jpeg(data: bytes) -> Iterator[Range]:
    """Comments, application segments, and what lies behind the end (ITU-T T.81 annex B; JPEG-LS has the same)."""
    at = data.find(b"\xff\xd8", 0, 64)
    if at < 0:
        raise DamagedPixelsError(say("The compressed frame has no JPEG header."))
    while at < len(data) - 1:
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise DamagedPixelsError(say("The compressed frame has no JPEG header."))
        if marker == 0xD9:
            yield at + 2, len(data)
            return
        if marker == 0xFF or marker in codestream.WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + _number(data, at + 2, 2)
        if marker == 0xFE or 0xE0 <= marker <= 0xEF:
            yield at + 4 + _used(data[at + 4 : end]), end
        at = _next_marker(data, end) if marker == 0xDA else end


def _used(segment: bytes) -> int:
    return next((length for start, length in _USED.items() if segment.startswith(start)), 0)


def _next_marker(data: bytes, at: int) -> int:
    found = _MARKER.search(data, at)
    return found.start() if found else len(data)


def _of_jpeg_2000(data: bytes) -> Iterator[Range]:
    """Comments of the headers, and what lies behind the end (ITU-T T.800 annex A), in a JP2 file or bare."""
    if data.startswith(_STARTS[3]):
        yield from _of_boxes(data)
        return
    if not data.startswith(_STARTS[1]):
        raise DamagedPixelsError(say("The compressed frame has no JPEG 2000 header."))
    at, tile = 2, 0
    while at < len(data) - 1:
        marker = data[at : at + 2]
        if marker == b"\xff\xd9":
            yield at + 2, len(data)
            return
        if marker == b"\xff\x93":  # the tile's data: as long as its header says, else to the end
            if tile <= at:
                return
            at = tile
            continue
        end = at + 2 + _number(data, at + 2, 2)
        if marker[:1] != b"\xff" or end < at + 4:
            raise DamagedPixelsError(say("The compressed frame has no JPEG 2000 header."))
        if marker == b"\xff\x90":
            tile = at + _number(data, at + 6, 4)
        if marker == b"\xff\x64":
            yield at + 6, end
        at = end


def _of_boxes(data: bytes) -> Iterator[Range]:
    """Boxes decoders do not need, and comments within the codestream of a JP2 file."""
    if not data.startswith((_STARTS[3], _STARTS[4])):
        return
    at = 0
    while at < len(data):
        length, kind, head = _number(data, at, 4), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = _number(data, at + 8, 8), 16
        end = min(at + length, len(data)) if length else len(data)
        if end < at + head:
            yield at, len(data)
            return
        if kind == b"jp2c":
            yield from ((at + head + low, at + head + high) for low, high in _of_jpeg_2000(data[at + head : end]))
        elif kind not in _BOXES:
            yield at + head, end
        at = end


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")
