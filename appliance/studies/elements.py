"""Data elements as bytes: taken from a data set as they were received, written in Explicit VR Little Endian (PS3.5
7.1).

Values are copied, not interpreted: what the modality wrote is what stands in the directory, in its own character set.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element

LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""VRs with two reserved bytes and a length of four (PS3.5 Table 7.1-1)."""

_WORD_BYTES = {
    "US": 2,
    "SS": 2,
    "OW": 2,
    "AT": 2,
    "UL": 4,
    "SL": 4,
    "FL": 4,
    "OF": 4,
    "OL": 4,
    "FD": 8,
    "OD": 8,
    "UV": 8,
    "SV": 8,
}
NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
"""VRs of binary numbers -> what struct calls them."""
_PAD = {"UI": b"\0", "OB": b"\0", "UN": b"\0"}
_TRIMMED = frozenset({"UI"})  # whose padding is not ours to keep: some pad with blanks
_ITEM = b"\xfe\xff\x00\xe0"
_SHORT = struct.Struct("<HH2sH")
_LONG = struct.Struct("<HH2sHL")


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One element with `value`, padded to an even length."""
    if len(value) % 2:
        value += _PAD.get(vr, b" ")
    code = vr.encode("ascii")
    if vr in LONG_VRS:
        return _LONG.pack(tag >> 16, tag & 0xFFFF, code, 0, len(value)) + value
    if len(value) > 0xFFFE:
        value = value[:0xFFFE]  # no such value is legal in a short VR; the directory can't say more
    return _SHORT.pack(tag >> 16, tag & 0xFFFF, code, len(value)) + value


def item(body: bytes) -> bytes:
    """A sequence item of explicit length."""
    return _ITEM + struct.pack("<L", len(body)) + body


def sequence(tag: int, bodies: Iterable[bytes]) -> bytes:
    """A sequence of explicit length whose items have these bodies."""
    return element(tag, "SQ", b"".join(item(body) for body in bodies))


def value_bytes(dataset: Dataset, tag: int, vr: str, encodings: list[str] | None = None) -> bytes:
    """The value of a non-sequence element as Explicit VR Little Endian has it, without padding; b"" if absent."""
    value = whole_value(dataset, tag, vr, encodings)
    return value if vr in _WORD_BYTES else value.strip(b" \0")


def whole_value(dataset: Dataset, tag: int, vr: str, encodings: list[str] | None = None) -> bytes:
    """The same with its padding, as it was written."""
    found: Any = dataset.get_item(tag)
    if found is None:
        return b""
    if not getattr(found, "is_raw", False):
        return written(found, encodings)
    value: bytes = found.value or b""
    if found.VR and vr != found.VR and (found.VR in NUMBERS or vr in NUMBERS):
        return _converted(value, found.VR, vr, found.is_little_endian)
    return swapped(value, _WORD_BYTES[vr]) if not found.is_little_endian and vr in _WORD_BYTES else value


def _converted(value: bytes, own: str, vr: str, is_little_endian: bool) -> bytes:
    """A number written under another VR than the dictionary's, as that has it; b"" where it can't be that."""
    if not own.isalpha() or own == "UN" or own[0] == "O" or vr[0] == "O":
        return value
    order = "<" if is_little_endian else ">"
    try:
        numbers = _numbers(value, own, order)
        if vr not in NUMBERS:
            return b"\\".join(str(number).encode("ascii") for number in numbers)
        kind = float if vr in ("FL", "FD") else int
        return b"".join(struct.pack("<" + NUMBERS[vr], kind(number)) for number in numbers)
    except (ValueError, OverflowError, struct.error):
        return b""


def _numbers(value: bytes, vr: str, order: str = "<") -> list[int | float]:
    """The numbers of a value. Raises ValueError, struct.error where it has none."""
    if vr in NUMBERS:
        return [number for (number,) in struct.iter_unpack(order + NUMBERS[vr], value)]
    return [
        float(part) if b"." in part or b"e" in part.lower() else int(part) for part in value.strip(b" \0").split(b"\\")
    ]


def number_text(value: bytes, vr: str) -> str:
    """A value in Little Endian of a VR of numbers as text; "" where it is none."""
    try:
        return "\\".join(str(number) for number in _numbers(value, vr))
    except struct.error:
        return ""


def swapped(value: bytes, width: int) -> bytes:
    """Words of `width` bytes in the other byte order; a rest that is no whole word stays."""
    whole = len(value) // width * width
    turned = bytearray(value)
    for place in range(width):
        turned[place:whole:width] = value[width - 1 - place : whole : width]
    return bytes(turned)


def written(found: Any, encodings: list[str] | None = None) -> bytes:
    """The value part of an already converted element."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_data_element(buffer, found, encodings)
    return buffer.getvalue()[8:]


def copied(dataset: Dataset, tag: int, encodings: list[str] | None = None, signed: bool = False) -> bytes:
    """A whole element of any VR, sequences and all in them, in Explicit VR Little Endian; b"" if absent.

    `signed` decides what Implicit VR leaves open (US or SS).
    """
    found: Any = dataset.get_item(tag)
    if found is None:
        return b""
    vr = known_vr(tag, found.VR, signed)
    if vr == "SQ":
        return sequence(tag, (copied_all(each, encodings, signed) for each in items(dataset, tag)))
    value = value_bytes(dataset, tag, vr, encodings) if vr in _TRIMMED else whole_value(dataset, tag, vr, encodings)
    if len(value) > 0xFFFE and vr not in LONG_VRS:
        vr = "UN"  # PS3.5 6.2.2: what is too long for its VR
    return element(tag, vr, value)


def copied_all(dataset: Dataset, encodings: list[str] | None = None, signed: bool = False) -> bytes:
    """All elements of a data set that is small (a sequence item)."""
    return b"".join(copied(dataset, int(tag), encodings, signed) for tag in sorted(dataset.keys()))


def items(dataset: Dataset, tag: int) -> list[Dataset]:
    """The items of a sequence; none if it is absent, empty, or no sequence."""
    if dataset.get_item(tag) is None:
        return []
    found = dataset[tag].value
    return list(found) if found and not isinstance(found, (bytes, str)) else []


def known_vr(tag: int, vr: str | None, signed: bool = False) -> str:
    """The VR an element is written with: its own, or the dictionary's, or UN."""
    if vr and vr != "UN" and len(vr) == 2:
        return vr
    try:
        found = dictionary_VR(tag)
    except KeyError:
        return "UN"
    if len(found) == 2:
        return found
    return "OW" if "OW" in found else "SS" if signed else "US"


def walk(body: bytes) -> Iterator[tuple[int, str, bytes]]:
    """(tag, VR, value) of a flat run of explicit-length elements, as this module writes them."""
    position = 0
    while position < len(body):
        group, number, code = struct.unpack_from("<HH2s", body, position)
        vr = code.decode("ascii")
        if vr in LONG_VRS:
            start, length = position + 12, struct.unpack_from("<L", body, position + 8)[0]
        else:
            start, length = position + 8, struct.unpack_from("<H", body, position + 6)[0]
        yield group << 16 | number, vr, body[start : start + length]
        position = start + length
