"""The attributes the index and the directory want, taken from a data set of anyone without reading its pixels.

One bounded pass over the top level: every length is checked against what is there, nested sequences are stepped over,
and only wanted values are copied, raw as they were sent (their character set is judged later).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from appliance.config import LimitsSettings
from appliance.errors import RefusedError
from appliance.studies import elements
from appliance.studies.bounds import MOST_ITEMS_OF_A_KEY, items_in
from appliance.studies.charset import CharacterSet, code_page, is_special
from appliance.studies.keys import _TAGS as KEY_TAGS
from appliance.studies.record_tables import INSTANCE_KEYS, PATIENT_KEYS, SERIES_KEYS, STUDY_KEYS
from appliance.studies.records import SPECIFIC_CHARACTER_SET, instance_charset
from appliance.words import say

CANNOT_UNDERSTAND = 0xC000
"""C-STORE: the data set can't be read (PS3.4 Table B.2-1)."""

LONGEST_VALUE = 64 * 1024
LONGEST_SEQUENCE = 16 << 20
MOST_ELEMENTS = 2_000_000
DEEPEST = LimitsSettings().sequence_depth
MOST_INFLATED = 64 << 20
MOST_PADDING = 64 * 1024
HEAD = 32 * 1024
"""Bytes of a file that are looked at first: most headers end before."""

REFERENCED_EVIDENCE = 0x0040A375  # Current Requested Procedure Evidence Sequence
CONCEPT_NAME = 0x0040A043
_PIXEL_DATA = 0x7FE00010
_OTHERS = {
    SPECIFIC_CHARACTER_SET,
    0x0008001A,  # Related General SOP Class UID
    0x00280103,  # Pixel Representation
    0x0040A073,  # Verifying Observer Sequence
    0x52009229,  # Shared Functional Groups Sequence
    CONCEPT_NAME,
    REFERENCED_EVIDENCE,
}
WANTED = {
    tag: BaseTag(tag)
    for tag in {tag for tag, _ in KEY_TAGS.values()}
    | {key.tag for keys in (PATIENT_KEYS, STUDY_KEYS, SERIES_KEYS, *INSTANCE_KEYS.values()) for key in keys}
    | _OTHERS
}
"""Tags that are copied."""

Elements = dict[BaseTag, RawDataElement]

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_FORM = frozenset(vr.encode() for vr in elements.LONG_VRS)
_SHORT_FORM = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())  # PS3.5 Table 7.1-2
_NAMES = {vr: vr.decode("ascii") for vr in _SHORT_FORM | _LONG_FORM}
_TEXTS = frozenset({"PN", "LO", "SH", "ST", "LT", "UT", "UC"})


class Header(Dataset):
    """Elements as they were read. Looked up some fifty times an instance: without pydicom's way round each tag."""

    def get_item(self, key: Any, *, keep_deferred: bool = False) -> Any:
        """The element as it is, by its tag as a number; None if absent."""
        return self._dict.get(key)

    def raw(self) -> Iterable[Any]:
        """Every element as it is, in order of the data set."""
        return self._dict.values()


def read_header(
    path: Path, transfer_syntax: str, offset: int = 0, assumed_charset: str = "", deepest: int = DEEPEST
) -> Header:
    """The wanted elements of the data set that begins at `offset` of a file, raw.

    `assumed_charset` may also name one of Python's code pages (cp1251): texts that can't be in the declared set are
    then turned to UTF-8. Raises RefusedError C000 when the data set is truncated, malformed or beyond all bounds.
    """
    with path.open("rb", buffering=0) as file:
        if transfer_syntax == DeflatedExplicitVRLittleEndian:
            file.seek(offset)
            data, whole = _inflated(file)
            found = _Scan(data, 0, transfer_syntax, whole=whole, deepest=deepest).run()
        else:
            found = _from_head(file.fileno(), offset, transfer_syntax, deepest)
    dataset = Header(found)  # type: ignore[arg-type]
    dataset.set_original_encoding(transfer_syntax == ImplicitVRLittleEndian, transfer_syntax != ExplicitVRBigEndian)
    name = code_page(assumed_charset)
    return _from_code_page(dataset, name) if name else dataset


def _from_head(descriptor: int, offset: int, transfer_syntax: str, deepest: int) -> Elements:
    """Read from the head of the file where that is enough, else from all of it."""
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, HEAD, 0)
    if len(head) < size:
        with contextlib.suppress(_BeyondHeadError):
            return _Scan(head, offset, transfer_syntax, end=size, deepest=deepest).run()
    elif not head:
        raise refusal(say("is empty"))
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
        return _Scan(data, offset, transfer_syntax, deepest=deepest).run()


def _inflated(file: Any) -> tuple[bytes, bool]:
    """The beginning of a deflated data set, and whether that is all of it."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pieces, size = [], 0
    try:
        while size < MOST_INFLATED and not inflater.eof and (block := file.read(1 << 16)):
            pieces.append(inflater.decompress(block, MOST_INFLATED - size))
            size += len(pieces[-1])
    except zlib.error:
        raise refusal(say("is not deflated as its transfer syntax says")) from None
    if not inflater.eof and size < MOST_INFLATED:
        raise refusal(say("ends before its deflated stream does"))
    return b"".join(pieces), inflater.eof


def refusal(what: str) -> RefusedError:
    return RefusedError(CANNOT_UNDERSTAND, say("the data set %(what)s", what=what))


def without_vr(position: int) -> RefusedError:
    return refusal(say("has an element without a VR (byte %(position)s)", position=position))


def _too_short(tag: int) -> RefusedError:
    return refusal(
        say(
            "is truncated: (%(tag)s,%(tag_2)s) is longer than what is there",
            tag=f"{tag >> 16:04X}",
            tag_2=f"{tag & 0xFFFF:04X}",
        )
    )


class PaddedError(RefusedError):
    """The data set is whole; behind it there are zeros to the end of the file, as some writers fill a sector."""

    def __init__(self, end: int) -> None:
        super().__init__(CANNOT_UNDERSTAND, str(without_vr(end)))
        self.end = end  # byte of the file


class _BeyondHeadError(Exception):
    """What is wanted does not lie in the head of the file."""


class _Scan:
    """One pass over a data set in memory (or mapped)."""

    def __init__(
        self, data: Any, start: int, transfer_syntax: str, *, whole: bool = True, end: int = 0, deepest: int = DEEPEST
    ) -> None:
        """`whole`: it ends where `data` ends, or at `end`, of which `data` is the head."""
        self.data = data
        self.start = start
        self.end = end or len(data)
        self.whole = whole
        self.is_head = self.end > len(data)
        self.implicit = transfer_syntax == ImplicitVRLittleEndian
        self.little = transfer_syntax != ExplicitVRBigEndian
        order = "<" if self.little else ">"
        self.short = struct.Struct(order + "HH2sH").unpack_from
        self.long = struct.Struct(order + "L").unpack_from
        self.left = MOST_ELEMENTS
        self.deepest = deepest

    def run(self) -> Elements:
        found: Elements = {}
        try:
            for tag, vr, start, stop in self._top():
                wanted = WANTED.get(tag)
                if wanted is not None and wanted not in found:
                    limit = LONGEST_SEQUENCE if vr in (b"SQ", b"") else LONGEST_VALUE
                    if stop - start <= limit and self._has_few_items(start, stop):
                        found[wanted] = self._raw(wanted, vr, start, stop)
        except (struct.error, IndexError):
            if self.is_head:
                raise _BeyondHeadError from None
            if self.whole:
                raise refusal(say("is truncated")) from None
        return found

    def _has_few_items(self, start: int, stop: int) -> bool:
        """An item has eight bytes at least: most values need no count."""
        return stop - start < 8 * MOST_ITEMS_OF_A_KEY or items_in(self.data[start:stop]) <= MOST_ITEMS_OF_A_KEY

    def _raw(self, tag: BaseTag, vr: bytes, start: int, stop: int) -> RawDataElement:
        value = self.data[start:stop]
        if len(value) < stop - start:
            raise IndexError
        name = _NAMES.get(vr) or (vr.decode("ascii") if vr else None)
        return RawDataElement(tag, name, len(value), value, start, self.implicit, self.little, True)

    def _top(self) -> Iterator[tuple[int, bytes, int, int]]:
        """(tag, VR, first byte, byte after the last) of every element of the top level."""
        position, end, short = self.start, self.end, self.short
        if position >= end:
            raise refusal(say("is empty"))
        while position < end:
            group, number, vr, length = short(self.data, position)
            tag, start = group << 16 | number, position + 8
            if self.implicit or vr not in _SHORT_FORM or group == 0xFFFE:
                if vr == b"\0\0" and not self.implicit:
                    self._check_padding(position)
                tag, vr, length, start = self._element(position, self.implicit)
            else:
                self._count()
            if tag >> 16 == 0xFFFE:
                raise refusal(say("has an item delimiter out of place (byte %(position)s)", position=position))
            if length == _UNDEFINED:
                stop = self._undefined(tag, vr, start)
                yield tag, vr, start, stop
                position = stop + 8
                continue
            position = start + length
            if position > end:
                if self.whole:
                    raise _too_short(tag)
                return
            yield tag, vr, start, position

    def _check_padding(self, position: int) -> None:
        if self.end - position > MOST_PADDING or not self.whole:
            return
        if self.is_head:
            raise _BeyondHeadError
        if not any(self.data[position : self.end]):
            raise PaddedError(position)

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise refusal(say("has more than %(most_elements)s elements", most_elements=MOST_ELEMENTS))

    def _element(self, position: int, implicit: bool) -> tuple[int, bytes, int, int]:
        """(tag, VR, length, first byte of the value) of the element at `position`."""
        self._count()
        group, number, vr, length = self.short(self.data, position)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:
            return tag, b"", self.long(self.data, position + 4)[0], position + 8
        if vr in _SHORT_FORM:
            return tag, vr, length, position + 8
        if vr not in _LONG_FORM and not (vr.isalpha() and vr.isupper()):
            raise without_vr(position)
        return tag, vr, self.long(self.data, position + 8)[0], position + 12

    def _undefined(self, tag: int, vr: bytes, start: int) -> int:
        """The byte of the delimiter that ends a value of undefined length."""
        if vr not in (b"SQ", b"UN", b"") and tag != _PIXEL_DATA:
            raise refusal(
                say(
                    "has (%(tag)s,%(tag_2)s) of undefined length, which is no sequence",
                    tag=f"{tag >> 16:04X}",
                    tag_2=f"{tag & 0xFFFF:04X}",
                )
            )
        return self._sequence(start, self.implicit or vr == b"UN", 1)

    def _sequence(self, position: int, implicit: bool, depth: int) -> int:
        if depth > self.deepest:
            raise refusal(say("is nested deeper than %(deepest)s", deepest=self.deepest))
        while True:
            tag, _, length, start = self._element(position, True)
            if tag == _SEQUENCE_END:
                return position
            if tag != _ITEM:
                raise refusal(
                    say("has a sequence whose items can't be told apart (byte %(position)s)", position=position)
                )
            position = start + length if length != _UNDEFINED else self._item(start, implicit, depth)

    def _item(self, position: int, implicit: bool, depth: int) -> int:
        """The byte after the delimiter that ends an item of undefined length."""
        while True:
            tag, vr, length, start = self._element(position, implicit)
            if tag == _ITEM_END:
                return start
            if tag >> 16 == 0xFFFE:
                raise refusal(say("has an item delimiter out of place (byte %(position)s)", position=position))
            if length == _UNDEFINED:
                position = self._sequence(start, implicit or vr == b"UN", depth + 1) + 8
            else:
                position = start + length


# --- code pages ---


def _from_code_page(dataset: Header, name: str) -> Header:
    """Texts that are in no set DICOM knows, in UTF-8: only where what the data set declares can't be true."""
    if instance_charset(dataset).source == "declared":
        return dataset
    turned = {tag: _turned(tag, dataset.get_item(tag), name) for tag in dataset.keys()}  # noqa: SIM118
    changed = Header(turned)
    utf8 = CharacterSet(SpecificCharacterSet=("ISO_IR 192",), source="assumed")
    term = utf8.SpecificCharacterSet[0].encode()
    raw = RawDataElement(BaseTag(SPECIFIC_CHARACTER_SET), "CS", len(term), term, 0, False, True, True)
    changed[BaseTag(SPECIFIC_CHARACTER_SET)] = raw
    return changed


def _turned(tag: Any, raw: Any, name: str) -> Any:
    value = raw.value or b""
    if elements.known_vr(int(tag), raw.VR) not in _TEXTS or not is_special(value):
        return raw
    try:
        text = value.decode(name).encode("utf-8")
    except UnicodeDecodeError:
        return raw
    return raw._replace(value=text, length=len(text))
