"""DICOM data elements read from bytes: enough to walk to the end of an instance and to read a DICOMDIR (PS3.5 chapter
7)."""

from __future__ import annotations

import mmap
import struct
import tempfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from appliance.words import say

IMPLICIT_LE = "1.2.840.10008.1.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"

UNDEFINED = 0xFFFFFFFF
PADDING = 0
_MOST_PADDING = 1 << 16
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_MOST_DEPTH = 64
_MOST_INFLATED = 4 << 30
_BLOCK = 1 << 20


class TruncatedError(Exception):
    """The bytes end before the data set does."""


class MalformedError(Exception):
    """The bytes are no data set."""


class Element(NamedTuple):
    """Where one element lies."""

    tag: int
    vr: bytes  # b"" in Implicit VR
    start: int  # of the value
    length: int  # UNDEFINED for sequences and encapsulated pixels of undefined length
    end: int  # of the whole element


class Encoding(NamedTuple):
    """How elements are written."""

    explicit: bool = True
    order: str = "<"


class Head(NamedTuple):
    """The head of a DICOM file."""

    values: dict[int, str]  # group 0002 by element number
    data_set: int  # offset of the data set


def is_dicom(data: memoryview) -> bool:
    """Whether it has the DICM prefix (PS3.10 7.1)."""
    return len(data) > 132 and bytes(data[128:132]) == b"DICM"


def read_head(data: memoryview) -> Head:
    """The file meta information. Raises TruncatedError or MalformedError."""
    values: dict[int, str] = {}
    position = 132
    while position + 8 <= len(data) and data[position] == 2 and data[position + 1] == 0:
        element = read_element(data, position, len(data), Encoding())
        if element.length > 1024 and element.tag != 0x00020102:
            raise MalformedError(say("a file meta element is too long"))
        values[element.tag & 0xFFFF] = bytes(data[element.start : element.end][:1024]).rstrip(b"\0 ").decode("latin-1")
        position = element.end
    return Head(values, position)


def encoding_of(transfer_syntax: str) -> Encoding:
    """How data sets of a transfer syntax are written."""
    return Encoding(explicit=transfer_syntax != IMPLICIT_LE, order=">" if transfer_syntax == EXPLICIT_BE else "<")


def whole_number(value: bytes, encoding: Encoding) -> int:
    """A binary value without sign."""
    return int.from_bytes(value, "little" if encoding.order == "<" else "big")


def inflated(data: memoryview) -> memoryview:
    """The data set of a Deflated instance, laid out in a file without a name: it may be larger than memory.

    Raises TruncatedError or MalformedError.
    """
    machine, size = zlib.decompressobj(-15), 0
    with tempfile.TemporaryFile() as file:
        try:
            for start in range(0, len(data), _BLOCK):
                rest = bytes(data[start : start + _BLOCK])
                while rest and not machine.eof:
                    size += file.write(machine.decompress(rest, _BLOCK))
                    rest = machine.unconsumed_tail
                    if size > _MOST_INFLATED:
                        raise MalformedError("its deflated data set is larger than 4 GiB")
        except zlib.error as error:
            raise MalformedError("it can't be inflated") from error
        if not machine.eof or not size:
            raise TruncatedError
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def read_element(data: memoryview, position: int, end: int, encoding: Encoding, depth: int = 0) -> Element:
    """The element at `position`. Raises TruncatedError if it does not end before `end`."""
    if position + 8 > end:
        raise TruncatedError
    order = encoding.order
    group, number = struct.unpack_from(order + "HH", data, position)
    tag, vr = group << 16 | number, b""
    if not encoding.explicit or group == 0xFFFE:
        start, length = position + 8, struct.unpack_from(order + "L", data, position + 4)[0]
    else:
        vr = bytes(data[position + 4 : position + 6])
        if vr in _LONG:
            if position + 12 > end:
                raise TruncatedError
            start, length = position + 12, struct.unpack_from(order + "L", data, position + 8)[0]
        elif vr.isalpha() and vr.isupper():
            start, length = position + 8, struct.unpack_from(order + "H", data, position + 6)[0]
        else:
            raise MalformedError(
                say("(%(group)s,%(number)s) has no value representation", group=f"{group:04X}", number=f"{number:04X}")
            )
    if length == UNDEFINED:
        inner = Encoding(explicit=False) if vr == b"UN" else encoding
        return Element(tag, vr, start, length, _end_of_sequence(data, start, end, inner, depth + 1))
    if start + length > end:
        raise TruncatedError
    return Element(tag, vr, start, length, start + length)


def elements(data: memoryview, position: int, end: int, encoding: Encoding) -> Iterator[Element]:
    """The elements of a data set, as they come. Raises TruncatedError or MalformedError.

    Zeros to the end, as some writers fill a sector, come as one element with the tag PADDING.
    """
    while position < end:
        rest = end - position
        if rest <= _MOST_PADDING and not any(data[position : position + 4]) and not any(data[position:end]):
            yield Element(PADDING, b"", position, rest, end)
            return
        element = read_element(data, position, end, encoding)
        yield element
        position = element.end


def items(data: memoryview, element: Element, encoding: Encoding) -> Iterator[tuple[int, int]]:
    """(start, end) of the content of each item of a sequence of explicit or undefined length."""
    position = element.start
    end = element.end
    while position + 8 <= end:
        tag, length = _tag_and_length(data, position, encoding)
        if tag == _SEQUENCE_END:
            return
        if tag != _ITEM:
            raise MalformedError(say("a sequence holds something that is no item"))
        start = position + 8
        stop = _end_of_item(data, start, end, encoding, 1) if length == UNDEFINED else start + length
        if stop > end:
            raise TruncatedError
        yield start, stop - (8 if length == UNDEFINED else 0)
        position = stop


def _tag_and_length(data: memoryview, position: int, encoding: Encoding) -> tuple[int, int]:
    group, number, length = struct.unpack_from(encoding.order + "HHL", data, position)
    return group << 16 | number, length


def _end_of_sequence(data: memoryview, position: int, end: int, encoding: Encoding, depth: int) -> int:
    """Behind the delimiter of a sequence (or of encapsulated pixels) of undefined length."""
    if depth > _MOST_DEPTH:
        raise MalformedError(say("sequences are nested too deep"))
    while position + 8 <= end:
        tag, length = _tag_and_length(data, position, encoding)
        position += 8
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise MalformedError(say("a sequence holds something that is no item"))
        position = _end_of_item(data, position, end, encoding, depth) if length == UNDEFINED else position + length
    raise TruncatedError


def _end_of_item(data: memoryview, position: int, end: int, encoding: Encoding, depth: int) -> int:
    """Behind the delimiter of an item of undefined length."""
    while position + 8 <= end:
        if _tag_and_length(data, position, encoding)[0] == _ITEM_END:
            return position + 8
        position = read_element(data, position, end, encoding, depth).end
    raise TruncatedError
