"""One bounded pass over an encoded data set in a file: the small values as a pydicom Dataset, the large ones by place.

For data sets from anyone: every length is checked against what is there, nesting and number of elements are limited,
nothing large is read, and nothing waits to fail later when a value is looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import config
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from appliance.errors import RefusedError
from appliance.network.uids import is_valid_uid

__all__ = ["Bulk", "Skim", "SkimLimits", "Unreadable", "is_valid_uid", "skim"]

Path_ = tuple[int, ...]

_MALFORMED = 0x0110
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_CHARACTER_SET = 0x00080005
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

    depth: int = 32  # sequences within sequences
    elements: int = 250_000  # elements and items in all
    value: int = 64 * 1024  # bytes of a value that is read; longer ones are bulk
    kept: int = 64 * 1024 * 1024  # bytes of all values read
    fragments: int = 100_000  # of encapsulated Pixel Data


DEFAULT_LIMITS = SkimLimits()


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """A value that was not read."""

    path: Path_  # tags, with item numbers from 0 between them: (0x20200110, 0, 0x7FE00010)
    offset: int  # of the value's first byte in the file; encapsulated: of its first item
    length: int  # bytes; encapsulated: up to the sequence delimiter
    VR: str  # "OW" for Pixel Data in implicit VR, "UN" where unknown
    fragments: tuple[tuple[int, int], ...] = ()  # (offset, length) of each fragment, the Basic Offset Table first


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A small value that is not what its VR asks for. It is left out of the Dataset."""

    path: Path_
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
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        raise RefusedError(_MALFORMED, "a deflated data set is not read here")
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(offset)
        walker = _Walker(
            file,
            little=transfer_syntax != ExplicitVRBigEndian,
            limits=limits,
        )
        implicit = transfer_syntax == ImplicitVRLittleEndian
        dataset = walker.dataset(offset, end, (), implicit, [None])
        return Skim(dataset=dataset, bulk=tuple(walker.bulk), unreadable=tuple(walker.unreadable))


@dataclass
class _Walker:
    file: BinaryIO
    little: bool
    limits: SkimLimits
    bulk: list[Bulk] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    seen: int = 0
    kept: int = 0

    def __post_init__(self) -> None:
        order = "<" if self.little else ">"
        self._tag_length = struct.Struct(order + "HHL").unpack
        self._tag = struct.Struct(order + "HH").unpack
        self._short = struct.Struct(order + "H").unpack
        self._long = struct.Struct(order + "L").unpack

    # Bytes

    def read(self, length: int, end: int, path: Path_) -> bytes:
        position = self.file.tell()
        if length > end - position:
            raise malformed("ends inside an element", path, position)
        data = self.file.read(length)
        if len(data) < length:
            raise malformed("ends inside an element", path, position)
        return data

    def count(self, path: Path_) -> None:
        self.seen += 1
        if self.seen > self.limits.elements:
            raise malformed(f"has more than {self.limits.elements} elements", path, self.file.tell())

    # Structure

    def dataset(self, start: int, end: int, path: Path_, implicit: bool, charsets: list[Any]) -> Dataset:
        """The elements up to `end`, or up to the item delimiter of an item of undefined length (`end` < 0)."""
        raise NotImplementedError


def malformed(what: str, path: Path_, position: int) -> RefusedError:
    """The refusal of a malformed data set."""
    where = " ".join(f"({step >> 16:04X},{step & 0xFFFF:04X})" if step > 0xFFFF else f"item {step + 1}" for step in path)
    return RefusedError(_MALFORMED, f"the data set {what}{f' at {where}' if where else ''} (byte {position})")
