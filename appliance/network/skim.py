"""One bounded pass over an encoded data set in a file: the small values as a pydicom Dataset, the large ones by place.

For data sets from anyone: every length is checked against what is there, nesting and number of elements are limited,
nothing large is read, and nothing waits to fail later when a value is looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pydicom.charset import convert_encodings, default_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.filewriter import correct_ambiguous_vr_element
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

import appliance.pydicom_bounds  # noqa: F401  pydicom within bounds
from appliance.config import LimitsSettings
from appliance.errors import RefusedError
from appliance.network.uids import is_valid_uid
from appliance.words import say

__all__ = ["Bulk", "Skim", "SkimLimits", "Unreadable", "is_valid_uid", "skim", "skim_stream"]

Place = tuple[int, ...]

_MALFORMED = 0x0110
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_ALWAYS_BULK = frozenset({_PIXEL_DATA, 0x7FE00008, 0x7FE00009})
_CHARACTER_SET = 0x00080005
_LONGEST_CHARACTER_SET = 1024
"""Bytes, twice what all defined terms take together. To look up 60,000 bytes of others took half a second each time."""
_LONG_FORM = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT_FORM = frozenset(
    {
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    }
)


@dataclass(frozen=True, kw_only=True)
class SkimLimits:
    """How far a data set may go."""

    depth: int = LimitsSettings().sequence_depth  # sequences within sequences
    elements: int = 100_000  # elements and items in all; about 20 us each
    value: int = 64 * 1024  # bytes of a value that is read; longer ones are bulk
    kept: int = 64 * 1024 * 1024  # bytes of all values read
    fragments: int = 100_000  # of encapsulated Pixel Data


DEFAULT_LIMITS = SkimLimits()


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """A value that was not read: one longer than the limit, and Pixel Data of any length."""

    path: Place  # tags, with item numbers from 0 between them: (0x20200110, 0, 0x7FE00010)
    offset: int  # of the value's first byte in the file; encapsulated: of its first item
    length: int  # bytes; encapsulated: up to the sequence delimiter
    VR: str  # "OW" for Pixel Data in implicit VR, "UN" where unknown
    fragments: tuple[tuple[int, int], ...] = ()  # (offset, length) of each fragment, the Basic Offset Table first


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A small value that is not what its VR asks for. It is left out of the Dataset."""

    path: Place
    message: str


@dataclass(frozen=True, kw_only=True)
class Skim:
    """What a data set holds."""

    dataset: Dataset  # all small values, decoded by their character set
    bulk: tuple[Bulk, ...]
    unreadable: tuple[Unreadable, ...] = ()

    def find(self, *path: int) -> Bulk | None:
        """The bulk value at this path, if there is one."""
        return next((bulk for bulk in self.bulk if bulk.path == path), None)


def skim(path: Path, transfer_syntax: str, *, offset: int = 0, limits: SkimLimits = DEFAULT_LIMITS) -> Skim:
    """Walk the data set that begins at `offset` of the file and ends with it.

    Raises RefusedError 0110 saying what is wrong and where, when it is truncated, malformed or beyond `limits`, and
    when it is deflated.
    """
    with path.open("rb") as file:
        return skim_stream(file, transfer_syntax, offset=offset, limits=limits)


def skim_stream(file: BinaryIO, transfer_syntax: str, *, offset: int = 0, limits: SkimLimits = DEFAULT_LIMITS) -> Skim:
    """As :func:`skim`, of a data set in memory or in an open file."""
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        raise RefusedError(_MALFORMED, say("a deflated data set is not read here"))
    coding = Coding(implicit=transfer_syntax == ImplicitVRLittleEndian, little=transfer_syntax != ExplicitVRBigEndian)
    end = file.seek(0, 2)
    file.seek(offset)
    walk = _Walk(file, limits)
    dataset = walk.dataset(end, (), coding, default_encoding, delimited=False)
    return Skim(dataset=dataset, bulk=tuple(walk.bulk), unreadable=tuple(walk.unreadable))


class Coding:
    """How elements are encoded."""

    def __init__(self, *, implicit: bool, little: bool) -> None:
        order = "<" if little else ">"
        self.implicit = implicit
        self.little = little
        self.tag_and_length = struct.Struct(order + "HHL").unpack
        self.tag = struct.Struct(order + "HH").unpack_from
        self.short = struct.Struct(order + "H").unpack_from
        self.long = struct.Struct(order + "L").unpack


# A sequence that came as UN with undefined length is in Implicit VR Little Endian (PS3.5 6.2.2, note 2).
_UNKNOWN_SEQUENCE = Coding(implicit=True, little=True)


@dataclass
class _Walk:
    file: BinaryIO
    limits: SkimLimits
    bulk: list[Bulk] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    seen: int = 0
    kept: int = 0

    # Bytes and bounds

    def read(self, length: int, end: int, place: Place) -> bytes:
        position = self.file.tell()
        self.check(position, length, end, place)
        data = self.file.read(length)
        if len(data) < length:
            raise malformed("is truncated", place, position)
        return data

    @staticmethod
    def check(position: int, length: int, end: int, place: Place) -> None:
        if length > end - position:
            raise malformed(f"is truncated: {length} bytes announced, {max(0, end - position)} there", place, position)

    def count(self, place: Place) -> None:
        self.seen += 1
        if self.seen > self.limits.elements:
            raise malformed(f"has more than {self.limits.elements} elements", place, self.file.tell())

    # Structure

    def dataset(self, end: int, place: Place, coding: Coding, encoding: str | list[str], *, delimited: bool) -> Dataset:
        """The elements up to `end`; of an item of undefined length, up to its delimiter before `end`."""
        dataset = Dataset()
        seen: set[int] = set()
        while delimited or self.file.tell() < end:
            self.count(place)
            position = self.file.tell()
            tag, vr, length = self.header(end, place, coding)
            if tag == _ITEM_END and delimited:
                break
            if tag >> 16 == 0xFFFE or tag in seen:
                raise malformed(f"has ({tag >> 16:04X},{tag & 0xFFFF:04X}) out of place or twice", place, position)
            seen.add(tag)
            self.element(dataset, tag, vr, length, end, (*place, tag), coding, encoding)
            if tag == _CHARACTER_SET:
                if not _is_text(dataset.get(_CHARACTER_SET)):  # pydicom, which reads it again, falls over it
                    raise malformed("has a Specific Character Set that is no text", (*place, tag), self.file.tell())
                encoding = _encoding(dataset, encoding)
        dataset.set_original_encoding(coding.implicit, coding.little, encoding)
        _settle_ambiguous(dataset, coding.little)
        return dataset

    def header(self, end: int, place: Place, coding: Coding) -> tuple[int, bytes, int]:
        """Tag, VR (empty for delimiters) and length of the next element or delimiter."""
        data = self.read(8, end, place)
        group, number = coding.tag(data)
        tag = group << 16 | number
        if coding.implicit or group == 0xFFFE:
            return tag, b"" if group == 0xFFFE else _dictionary_vr(tag), coding.long(data[4:])[0]
        vr = data[4:6]
        if vr in _SHORT_FORM:
            return tag, vr, coding.short(data, 6)[0]
        if vr not in _LONG_FORM and not (vr.isalpha() and vr.isupper()):
            raise malformed(f"has an element with the VR {vr!r}", (*place, tag), self.file.tell() - 8)
        return tag, vr, coding.long(self.read(4, end, place))[0]

    def element(
        self,
        dataset: Dataset,
        tag: int,
        vr: bytes,
        length: int,
        end: int,
        place: Place,
        coding: Coding,
        encoding: str | list[str],
    ) -> None:
        if tag == _CHARACTER_SET and length > _LONGEST_CHARACTER_SET:
            raise malformed(f"has a Specific Character Set of {length} bytes", place, self.file.tell())
        if vr == b"SQ" or (length == _UNDEFINED and vr == b"UN" and tag != _PIXEL_DATA):
            inner = coding if vr == b"SQ" else _UNKNOWN_SEQUENCE
            items = self.sequence(length, end, place, inner, encoding)
            dataset[Tag(tag)] = DataElement(Tag(tag), "SQ", Sequence(items))
        elif length == _UNDEFINED:
            self.encapsulated(tag, vr, end, place, coding)
        elif length > self.limits.value or tag in _ALWAYS_BULK:
            self.skip(tag, vr, length, end, place)
        else:
            self.value(dataset, tag, vr, self.read(length, end, place), place, coding, encoding)

    def skip(self, tag: int, vr: bytes, length: int, end: int, place: Place) -> None:
        position = self.file.tell()
        self.check(position, length, end, place)
        self.file.seek(position + length)
        self.bulk.append(Bulk(path=place, offset=position, length=length, VR=_bulk_vr(tag, vr)))

    def sequence(self, length: int, end: int, place: Place, coding: Coding, encoding: str | list[str]) -> list[Dataset]:
        if len(place) // 2 >= self.limits.depth:
            raise malformed(f"is nested deeper than {self.limits.depth}", place, self.file.tell())
        delimited = length == _UNDEFINED
        if not delimited:
            self.check(self.file.tell(), length, end, place)
            end = self.file.tell() + length
        items: list[Dataset] = []
        while delimited or self.file.tell() < end:
            self.count(place)
            group, number, item_length = coding.tag_and_length(self.read(8, end, place))
            tag = group << 16 | number
            if tag == _SEQUENCE_END and delimited:
                break
            if tag != _ITEM:
                raise malformed(f"has ({group:04X},{number:04X}) where an item should be", place, self.file.tell() - 8)
            items.append(self.item(item_length, end, (*place, len(items)), coding, encoding))
        return items

    def item(self, length: int, end: int, place: Place, coding: Coding, encoding: str | list[str]) -> Dataset:
        if length == _UNDEFINED:
            return self.dataset(end, place, coding, encoding, delimited=True)
        self.check(self.file.tell(), length, end, place)
        return self.dataset(self.file.tell() + length, place, coding, encoding, delimited=False)

    def encapsulated(self, tag: int, vr: bytes, end: int, place: Place, coding: Coding) -> None:
        """Pixel Data in fragments (PS3.5 A.4)."""
        start = self.file.tell()
        if tag != _PIXEL_DATA:
            raise malformed("has a value of undefined length that is neither sequence nor Pixel Data", place, start)
        fragments: list[tuple[int, int]] = []
        while True:
            group, number, length = coding.tag_and_length(self.read(8, end, place))
            position = self.file.tell()
            if (group << 16 | number) == _SEQUENCE_END:
                break
            if (group << 16 | number) != _ITEM or len(fragments) >= self.limits.fragments:
                raise malformed("has Pixel Data that is not a list of fragments", place, position - 8)
            self.check(position, length, end, place)
            self.file.seek(position + length)
            fragments.append((position, length))
        self.bulk.append(
            Bulk(
                path=place, offset=start, length=position - 8 - start, VR=_bulk_vr(tag, vr), fragments=tuple(fragments)
            )
        )

    def value(
        self,
        dataset: Dataset,
        tag: int,
        vr: bytes,
        value: bytes,
        place: Place,
        coding: Coding,
        encoding: str | list[str],
    ) -> None:
        self.kept += len(value)
        if self.kept > self.limits.kept:
            raise malformed(f"has more than {self.limits.kept} bytes of small values", place, self.file.tell())
        raw = RawDataElement(
            BaseTag(tag), vr.decode("ascii"), len(value), value, 0, coding.implicit, coding.little, True
        )
        try:
            dataset[BaseTag(tag)] = convert_raw_data_element(raw, encoding=encoding, ds=dataset)
        except Exception as error:
            self.unreadable.append(Unreadable(path=place, message=f"VR {raw.VR}: {type(error).__name__}"))


def malformed(what: str, place: Place, position: int) -> RefusedError:
    """The refusal of a malformed data set: `what` it is or has, and where."""
    steps = (f"({step >> 16:04X},{step & 0xFFFF:04X})" if step > 0xFFFF else f"item {step + 1}" for step in place)
    where = " ".join(steps)
    return RefusedError(
        _MALFORMED,
        say(
            "the data set %(what)s (byte %(position)s)",
            what=f"{what}{f', at {where}' if where else ''}",
            position=position,
        ),
    )


def _dictionary_vr(tag: int) -> bytes:
    """The VR of an element in implicit VR (PS3.6; private ones are not known)."""
    if tag & 0xFFFF == 0:
        return b"UL"
    if tag >> 16 & 1:
        return b"LO" if 0x10 <= tag & 0xFFFF <= 0xFF else b"UN"
    try:
        return dictionary_VR(tag).encode("ascii")
    except KeyError:
        return b"UN"


def _bulk_vr(tag: int, vr: bytes) -> str:
    text = vr.decode("ascii")
    return "OW" if tag == _PIXEL_DATA and text not in ("OB", "OW") else text


def _is_text(element: DataElement | None) -> bool:
    if element is None:  # it could not be read
        return False
    values = element.value if isinstance(element.value, MultiValue) else [element.value or ""]
    return all(isinstance(value, str) for value in values)


def _encoding(dataset: Dataset, before: str | list[str]) -> str | list[str]:
    try:
        return convert_encodings(dataset.SpecificCharacterSet)
    except Exception:  # a hostile value raises all sorts of things here
        return before


def _settle_ambiguous(dataset: Dataset, little: bool) -> None:
    """Decide "US or SS" and its like, as signed only where Pixel Representation says so."""
    for element in [element for element in dataset.values() if " or " in str(element.VR)]:
        try:
            correct_ambiguous_vr_element(element, dataset, little)
        except Exception:
            del dataset[element.tag]
