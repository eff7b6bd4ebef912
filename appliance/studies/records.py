"""From one instance to the parts of its directory records, made once at intake and kept.

A part is the body of a directory record from group 0008 on, in Explicit VR Little Endian: what PS3.3 F.5 and the
profiles of
PS3.11 (Tables D.3-2, H.3-2) ask for, with Specific Character Set where the part has text beyond ASCII. Offsets, File
IDs and
referenced UIDs (group 0004) come when a disc is planned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pydicom.dataset import Dataset

from appliance.studies import elements
from appliance.studies.charset import CharacterSet, character_set, is_special
from appliance.studies.record_tables import (
    CONCEPT_NAME,
    IMAGE_PROFILE_KEYS,
    INSTANCE_KEYS,
    NO_CODE,
    PATIENT_KEYS,
    SERIES_KEYS,
    STUDY_KEYS,
    Key,
    record_type,
)
from appliance.studies.single import one_value

SPECIFIC_CHARACTER_SET = 0x00080005
_VERIFICATION_FLAG = 0x0040A493
_TEXT_VRS = frozenset({"PN", "LO", "SH", "ST", "LT", "UT", "UC"})
_SHARED_GROUPS = 0x52009229
_NESTED_IN = {  # PS3.11 Table H.3-2: keys that may lie in a macro of the Shared Functional Groups Sequence
    0x00081140: None,
    0x00200032: 0x00209113,
    0x00200037: 0x00209116,
    0x00280030: 0x00289110,
}
_REFERENCE = (0x00081150, 0x00081155, 0x00081160)  # what is kept of an item of Referenced Image Sequence
_OLD_MARKS = {"DA": b".", "TM": b":"}  # as ACR-NEMA wrote dates and times: 1997.04.24, 14:04:38 (PS3.5 6.2)
_FINER = re.compile(rb"(\.\d{6})\d+")  # .NET writes seven digits of a second; PS3.5 6.2 has six
_CONCEPT_MOD = b"HAS CONCEPT MOD"
_LEGAL = {  # PS3.5 6.2; other readers take a whole directory for damaged where one of these can't be read
    "DA": re.compile(rb"[12]\d{3}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"),  # 00000000, 00010101: no date was known
    "TM": re.compile(rb"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-6]\d(?:\.\d{1,6})?)?)?"),
    "DT": re.compile(rb"[12]\d{3}(?:\d{2}){0,5}(?:\.\d{1,6})?(?:[+-]\d{4})?"),
    "CS": re.compile(rb"[\x20-\x7e]*"),
    "IS": re.compile(rb"[+-]?\d{1,11}"),
}
_UNREADABLE = re.compile(rb"[^\x20-\x7e]")


@dataclass(frozen=True, kw_only=True, slots=True)
class DirectoryRecords:
    """What one instance gives to the directory: record bodies, and what had to be supplied."""

    record_type: str  # "" where PS3.3 Annex F has no record for the SOP class
    patient: bytes  # keys the instance has, placeholders not yet supplied: they are merged with those of its siblings
    study: bytes
    series: bytes
    instance: bytes  # final; placeholders supplied
    supplied: tuple[str, ...] = ()  # keywords of Type 1 keys of the instance record that were empty in the instance
    missing: tuple[str, ...] = ()  # keywords of Type 1 keys that can't be supplied: no disc for this one
    related_class: str = ""  # Related General SOP Class UID (0008,001A), for (0004,151A)

    def pack(self) -> bytes:
        """One run of bytes for a database."""
        parts = (self.patient, self.study, self.series, self.instance)
        head = [self.record_type, *map(len, parts), list(self.supplied), list(self.missing), self.related_class]
        return json.dumps(head, separators=(",", ":")).encode("ascii") + b"\n" + b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> DirectoryRecords:
        """The inverse of :meth:`pack`."""
        end = packed.index(b"\n")
        kind, *lengths, supplied, missing, related = json.loads(packed[:end])
        parts, start = [], end + 1
        for length in lengths:
            parts.append(packed[start : start + length])
            start += length
        patient, study, series, instance = _same(parts[0]), _same(parts[1]), _same(parts[2]), parts[3]
        return cls(
            record_type=kind,
            patient=patient,
            study=study,
            series=series,
            instance=instance,
            supplied=tuple(supplied),
            missing=tuple(missing),
            related_class=related,
        )


@lru_cache(maxsize=1024)
def _same(part: bytes) -> bytes:
    """Equal parts of many instances are kept once."""
    return part


def describe(dataset: Dataset, assumed_charset: str = "") -> DirectoryRecords:
    """The directory records of one instance; `dataset` may come without its pixels."""
    charset = instance_charset(dataset, assumed_charset)
    kind = record_type(str(elements.value_bytes(dataset, 0x00080016, "UI"), "ascii", "replace")) or ""
    maker = _Maker(dataset, charset)
    instance = maker.part(INSTANCE_KEYS.get(kind, ()), supply=True)
    return DirectoryRecords(
        record_type=kind,
        patient=maker.part(PATIENT_KEYS),
        study=maker.part(STUDY_KEYS),
        series=maker.part(SERIES_KEYS),
        instance=instance,
        supplied=tuple(maker.supplied),
        missing=tuple(maker.missing),
        related_class=elements.value_bytes(dataset, 0x0008001A, "UI").decode("ascii", "replace").split("\\")[0],
    )


def describe_below(dataset: Dataset, above: DirectoryRecords, charset: CharacterSet) -> DirectoryRecords:
    """The record of an instance whose patient, study and series are those of `above`; those are left empty here."""
    maker = _Maker(dataset, charset)
    instance = maker.part(INSTANCE_KEYS.get(above.record_type, ()), supply=True)
    return DirectoryRecords(
        record_type=above.record_type,
        patient=b"",
        study=b"",
        series=b"",
        instance=instance,
        supplied=tuple(maker.supplied),
        missing=tuple(maker.missing),
        related_class=above.related_class,
    )


def instance_charset(dataset: Dataset, assumed_charset: str = "") -> CharacterSet:
    """The character set of an instance, judged by the texts the directory and the index take from it."""
    declared = elements.value_bytes(dataset, SPECIFIC_CHARACTER_SET, "CS")
    sample = b"\\".join(
        elements.value_bytes(dataset, key.tag, key.vr, None)
        for key in (*PATIENT_KEYS, *STUDY_KEYS, *SERIES_KEYS)
        if key.vr in _TEXT_VRS and getattr(dataset.get_item(key.tag), "is_raw", False)
    )
    return character_set(declared, sample, assumed_charset)


class _Maker:
    """Writes the parts of one data set."""

    def __init__(self, dataset: Dataset, charset: CharacterSet) -> None:
        self.dataset = dataset
        self.charset = charset
        self.encodings = list(charset.SpecificCharacterSet)
        self.supplied: list[str] = []
        self.missing: list[str] = []
        self._shared: list[Dataset] | None = None

    def part(self, keys: Iterable[Key], supply: bool = False) -> bytes:
        written = {key.tag: self._key(key, supply) for key in keys}
        body = b"".join(written[tag] for tag in sorted(written))
        return with_character_set(body, self.charset)

    def _key(self, key: Key, supply: bool) -> bytes:
        if key.vr == "SQ":
            found = self._sequence(key)
        else:
            value = self._value(key)
            found = elements.element(key.tag, key.vr, value) if value else b""
        if found or (key.type in ("1C", "3") and not self._is_asked(key)):
            return found
        if key.type in ("2", "2C"):
            return elements.element(key.tag, key.vr, b"")
        return self._placeholder(key) if supply else b""

    def _placeholder(self, key: Key) -> bytes:
        if key.placeholder is None:
            self.missing.append(key.keyword)
            return b""
        self.supplied.append(key.keyword)
        return placeholder(key)

    def _value(self, key: Key) -> bytes:
        if key.keyword == "VerificationDateTime":
            return _readable(key, self._most_recent_verification())
        value = elements.value_bytes(self.dataset, key.tag, key.vr, self.encodings)
        if key.vr in _OLD_MARKS:
            value = value.replace(_OLD_MARKS[key.vr], b"")
        if key.vr == "TM":
            value = _FINER.sub(rb"\1", value)
        if not value and key.tag in _NESTED_IN:
            for macro in self._macros(_NESTED_IN[key.tag]):
                value = value or elements.value_bytes(macro, key.tag, key.vr)
        return _readable(key, one_value(key.tag, key.vr, value, self.charset))

    def _macros(self, macro: int | None) -> list[Dataset]:
        if self._shared is None:
            self._shared = elements.items(self.dataset, _SHARED_GROUPS)
        if macro is None:
            return self._shared
        return [item for group in self._shared for item in elements.items(group, macro)]

    def _is_asked(self, key: Key) -> bool:
        """Whether a 1C key is required though the instance has none: a verified report was verified some time."""
        flag = elements.value_bytes(self.dataset, _VERIFICATION_FLAG, "CS")
        return key.keyword == "VerificationDateTime" and flag == b"VERIFIED"

    def _most_recent_verification(self) -> bytes:
        observers = elements.items(self.dataset, 0x0040A073)
        return max((elements.value_bytes(observer, 0x0040A030, "DT") for observer in observers), default=b"")

    def _sequence(self, key: Key) -> bytes:
        if key.keyword == "ContentSequence":
            return self._concept_modifiers()
        if key.keyword == "ReferencedImageSequence":
            return self._references()
        found = list(elements.items(self.dataset, key.tag))
        if key == CONCEPT_NAME:
            del found[1:]  # PS3.3 F.5.25: a single one, as the instance should have
        bodies = [elements.copied_all(item, self.encodings) for item in found]
        return elements.sequence(key.tag, bodies) if any(bodies) else b""

    def _concept_modifiers(self) -> bytes:
        """All and only the HAS CONCEPT MOD items of the root: no text of the report leaves it (PS3.3 F.5.25)."""
        found = [
            elements.copied_all(item, self.encodings)
            for item in elements.items(self.dataset, 0x0040A730)
            if elements.value_bytes(item, 0x0040A010, "CS") == _CONCEPT_MOD
        ]
        return elements.sequence(0x0040A730, found) if found else b""

    def _references(self) -> bytes:
        holders = [self.dataset, *self._macros(None)]
        bodies = (
            b"".join(elements.copied(item, tag) for tag in _REFERENCE if item.get_item(tag) is not None)
            for holder in holders
            for item in elements.items(holder, 0x00081140)
        )
        found = [body for body in bodies if body]
        return elements.sequence(0x00081140, found) if found else b""


def _readable(key: Key, value: bytes) -> bytes:
    """A date, time, code or number as it is; nothing for what can't be one: 31/12/1999, a letter of another script.

    Keys of images that profiles demand where the instance has them stay, without their unreadable letters.
    """
    legal = _LEGAL.get(key.vr)
    if legal is None or legal.fullmatch(value):
        return value
    return _UNREADABLE.sub(b"_", value) if key in IMAGE_PROFILE_KEYS else b""


def placeholder(key: Key) -> bytes:
    """The element that stands for a Type 1 key no instance has."""
    text = key.placeholder or ""
    if text == NO_CODE:
        return elements.sequence(key.tag, [_UNKNOWN_CODE])
    if key.vr in ("US", "UL", "UV"):
        return elements.element(key.tag, key.vr, int(text).to_bytes({"US": 2, "UL": 4, "UV": 8}[key.vr], "little"))
    return elements.element(key.tag, key.vr, text.encode("ascii"))


_UNKNOWN_CODE = (
    elements.element(0x00080100, "SH", b"UNKNOWN")
    + elements.element(0x00080102, "SH", b"99APPLIANCE")
    + elements.element(0x00080104, "LO", b"Not given")
)


def with_character_set(body: bytes, charset: CharacterSet) -> bytes:
    """Put Specific Character Set in front of a part that needs one (it sorts first of all keys)."""
    terms = "\\".join(charset.SpecificCharacterSet)
    if terms and (is_special(_texts(body)) or "ISO_IR 13" in terms or "ISO 2022 IR 13" in terms):
        return elements.element(SPECIFIC_CHARACTER_SET, "CS", terms.encode("ascii")) + body
    return body


def _texts(body: bytes) -> bytes:
    """The values text may stand in: lengths and numbers are no text."""
    return b"".join(value for _, vr, value in elements.walk(body) if vr in _TEXT_VRS or vr == "SQ")
