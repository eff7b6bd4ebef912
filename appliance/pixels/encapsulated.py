"""Where the frames of encapsulated Pixel Data lie (PS3.5 A.4), found by walking the item headers once."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.encaps import get_frame

from appliance.pixels.errors import DamagedPixelsError, TooLargeError
from appliance.words import say

ITEM = b"\xfe\xff\x00\xe0"
MAX_FRAGMENTS = 1_000_000
# what a frame begins with (ITU-T T.81, T.87, T.800), by the end of the transfer syntax
_SYNTAX = "1.2.840.10008.1.2.4."
_STARTS = (
    (("50", "51", "53", "55", "57", "70", "80", "81"), (b"\xff\xd8",)),
    # some keep the codestream in its JP2 file (ITU-T T.800 Annex I), which PS3.5 A.4.4 forbids and decoders read
    (("110", "111", "112"), (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")),  # ISO/IEC 18181-2: bare, or in its file
    (("90", "91", "92", "93", "201", "202", "203"), (b"\xff\x4f", b"\x00\x00\x00\x0cjP  ")),
)


@dataclass(frozen=True, kw_only=True)
class Fragments:
    """The fragments of one Pixel Data element and which frame each belongs to."""

    start: int  # offset of the Basic Offset Table's item in the file
    places: tuple[tuple[int, int], ...]  # (offset of the value, length) of each fragment
    firsts: tuple[int, ...]  # index of each frame's first fragment; empty: not known from the offsets


def find(file: BinaryIO, frames: int, extended: bytes = b"") -> Fragments:
    """Walk the items from the file's present place.

    frames
        Number of Frames.
    extended
        Value of Extended Offset Table (7FE0,0001), 64-bit offsets; empty when absent.
    """
    start = file.tell()
    offset, length = _item(file)
    if offset < 0:
        raise DamagedPixelsError(say("The compressed pixel data does not begin with an offset table."))
    table = file.read(length)
    places = []
    while (item := _item(file))[0] >= 0:
        places.append(item)
        file.seek(item[1], 1)
        if len(places) > MAX_FRAGMENTS:
            raise TooLargeError(
                say("The pixel data is in more than %(max_fragments)s fragments.", max_fragments=MAX_FRAGMENTS)
            )
    offsets = struct.unpack(f"<{len(extended) // 8}Q", extended[: len(extended) // 8 * 8])
    if not offsets:
        offsets = struct.unpack(f"<{length // 4}L", table[: length // 4 * 4])
    return Fragments(start=start, places=tuple(places), firsts=_firsts(places, offsets, frames))


def _item(file: BinaryIO) -> tuple[int, int]:
    header = file.read(8)
    if len(header) < 8 or header[:4] != ITEM:
        return -1, 0
    return file.tell(), int.from_bytes(header[4:], "little")


def _firsts(places: list[tuple[int, int]], offsets: tuple[int, ...], frames: int) -> tuple[int, ...]:
    """Index of each frame's first fragment."""
    if len(offsets) == frames and places:
        begins = [offset - places[0][0] for offset, _ in places]
        firsts = tuple(bisect_left(begins, offset) for offset in offsets)
        if all(k < len(begins) and begins[k] == offset for k, offset in zip(firsts, offsets, strict=True)):
            return firsts
    if frames == 1:
        return (0,)
    return tuple(range(frames)) if len(places) == frames else ()


def read(file: BinaryIO, fragments: Fragments, index: int, frames: int) -> bytes:
    """The compressed bytes of frame `index` (from 0)."""
    if not fragments.firsts:
        # neither offsets nor one fragment a frame: the frames' own end markers have to tell
        file.seek(fragments.start)
        return bytes(get_frame(file, index, number_of_frames=frames))
    ends = (*fragments.firsts[1:], len(fragments.places))
    parts = []
    for offset, length in fragments.places[fragments.firsts[index] : ends[index]]:
        file.seek(offset)
        part = file.read(length)
        if len(part) != length:
            raise DamagedPixelsError(say("The file ends within its pixel data."))
        parts.append(part)
    return b"".join(parts)


def glance(file: BinaryIO, fragments: Fragments, transfer_syntax: str) -> None:
    """Raise DamagedPixelsError naming the first frame that does not begin as its transfer syntax wants.

    Nothing is known, so nothing said, where neither offsets nor fragments tell where frames begin.
    """
    wanted = next((starts for syntaxes, starts in _STARTS if transfer_syntax.removeprefix(_SYNTAX) in syntaxes), (b"",))
    longest = max(map(len, wanted))
    for number, first in enumerate(fragments.firsts, 1):
        offset, length = fragments.places[first] if first < len(fragments.places) else (0, 0)
        file.seek(offset)
        if not file.read(min(length, longest)).startswith(wanted):
            raise DamagedPixelsError(
                say("Frame %(index)s can't be decoded: %(why)s", index=number, why=say("it does not begin as one"))
            )


def wrap(encoded: bytes) -> bytes:
    """One compressed frame as the value of an encapsulated Pixel Data of its own."""
    encoded += bytes(len(encoded) % 2)
    delimiter = b"\xfe\xff\xdd\xe0" + bytes(4)
    return ITEM + bytes(4) + ITEM + len(encoded).to_bytes(4, "little") + encoded + delimiter
