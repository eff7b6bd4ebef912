"""The DICOMDIR, read without a DICOM library: records, chains, keys (PS3.3 Annex F)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from appliance.words import say

from . import icons, rules
from .dataset import (
    PADDING,
    Element,
    Encoding,
    MalformedError,
    TruncatedError,
    elements,
    encoding_of,
    is_dicom,
    items,
    read_head,
    whole_number,
)
from .finding import Findings, tell_padding

WHERE = "DICOMDIR"
_PATIENT_ID, _OTHER_PATIENT_IDS = 0x00100020, 0x00101002
_SHARED_RECORD = 0x00041504  # MRDR Directory Record Offset, retired
_REFERENCE = (0x00041500, 0x00041510, 0x00041511, 0x00041512)
_COMPONENT = re.compile(r"[A-Z0-9_]{1,8}")


@dataclass(slots=True)
class Record:
    """One directory record."""

    offset: int  # of its item
    next: int
    child: int
    type: str
    keys: dict[int, bytes] = field(default_factory=dict)
    in_use: int = 0xFFFF
    icon: memoryview = memoryview(b"")  # in place: of many thousands each has four kilobytes
    encoding: Encoding = field(default_factory=Encoding)  # that of its directory: some are in another than they should

    def text(self, tag: int) -> str:
        """A key as text; "" if absent."""
        return self.keys.get(tag, b"").rstrip(b"\0 ").decode("latin-1").strip(" ")

    @property
    def file_id(self) -> str:
        """Referenced File ID as a path."""
        return "/".join(part.strip(" ") for part in self.text(0x00041500).split("\\"))


@dataclass
class Directory:
    """The records that hold together."""

    file_set_id: str = ""
    file_set_uid: str = ""
    records: dict[int, Record] = field(default_factory=dict)  # by offset
    parents: dict[int, int] = field(default_factory=dict)  # offset of a record's parent; 0 for those in the root
    instances: list[Record] = field(default_factory=list)  # reachable ones that reference a file
    broken: bool = True  # some of its records, or all, can't be read or reached


def read_directory(data: memoryview, findings: Findings) -> Directory:
    """Read and check the DICOMDIR; everything odd is a finding."""
    directory = Directory()
    if not is_dicom(data):
        findings.error("no-dicomdir", WHERE, say("it is no DICOM file"))
        return directory
    try:
        root = _read(data, directory, findings)
    except (TruncatedError, MalformedError) as error:
        findings.error("dicomdir-damaged", WHERE, _damaged(error))
        return directory
    _follow(directory, root, findings)
    _check_identity(directory, findings)
    return directory


def _damaged(error: Exception) -> str:
    return say("it can't be read to its end: %(why)s", why=str(error) or "its elements or offsets are damaged")


def _read(data: memoryview, directory: Directory, findings: Findings) -> tuple[int, int]:
    head = read_head(data)
    directory.file_set_uid = head.values.get(0x03, "")
    if head.values.get(0x02) != rules.DIRECTORY_CLASS:
        findings.error("dicomdir-class", WHERE, say("its SOP class is not Media Storage Directory Storage"))
    if head.values.get(0x10) != rules.EXPLICIT_LE:
        findings.error("dicomdir-syntax", WHERE, say("it is not in Explicit VR Little Endian (PS3.10 8.6)"))
    encoding = encoding_of(head.values.get(0x10, ""))
    found: dict[int, Element] = {}
    for element in elements(data, head.data_set, len(data), encoding):
        found[element.tag] = element
    if PADDING in found:
        tell_padding(findings, WHERE, found[PADDING].length)
    if 0x00041130 in found:
        directory.file_set_id = _value(data, found[0x00041130]).rstrip(b" \0").decode("latin-1")
    if _number(data, found.get(0x00041212), encoding) != 0:
        findings.error("consistency-flag", WHERE, say("the File-set Consistency Flag is not 0000"))
    if 0x00041220 in found:
        for start, end in items(data, found[0x00041220], encoding):
            record = _record(data, start, end, encoding)
            directory.records[record.offset] = record
    first, last = (_number(data, found.get(tag), encoding) for tag in (0x00041200, 0x00041202))
    return first, last


def _value(data: memoryview, element: Element) -> bytes:
    return bytes(data[element.start : element.end])


def _number(data: memoryview, element: Element | None, encoding: Encoding) -> int:
    return whole_number(_value(data, element), encoding) if element else -1


def _record(data: memoryview, start: int, end: int, encoding: Encoding) -> Record:
    record = Record(offset=start - 8, next=-1, child=-1, type="", encoding=encoding)
    for element in elements(data, start, end, encoding):
        if element.tag == 0x00041400:
            record.next = _number(data, element, encoding)
        elif element.tag == 0x00041410:
            record.in_use = _number(data, element, encoding)
        elif element.tag == 0x00041420:
            record.child = _number(data, element, encoding)
        elif element.tag == 0x00041430:
            record.type = _value(data, element).rstrip(b" \0").decode("latin-1")
        elif element.tag == icons.TAG:
            record.icon = data[element.start : element.end]
        else:
            record.keys[element.tag] = _value(data, element)
    return record


def _follow(directory: Directory, root: tuple[int, int], findings: Findings) -> None:
    """Go through the tree by its offsets; what is not reached is lost to every reader."""
    first, last = root
    seen: set[int] = set()
    levels = [(first, 0)]
    while levels:
        offset, parent = levels.pop()
        tail = 0
        for record in _chain(directory, offset, seen, findings):
            tail = record.offset
            directory.parents[record.offset] = parent
            _take_shared(directory, record, seen)
            _check_record(directory, record, parent, findings)
            if record.child > 0:
                levels.append((record.child, record.offset))
        if not parent and tail != last:
            findings.error("last-root", WHERE, say("the offset of the last root record does not lead to the last one"))
    lost = len(directory.records) - len(seen)
    directory.broken = lost > 0
    if lost:
        findings.error(
            "lost-records",
            WHERE,
            say("%(lost)s records can't be reached: a chain of offsets is broken", lost=lost),
        )


def _take_shared(directory: Directory, record: Record, seen: set[int]) -> None:
    """A record may leave it to one outside the tree to name its file (MRDR: Multi-Referenced File Directory Record)."""
    shared = directory.records.get(whole_number(record.keys.get(_SHARED_RECORD, b""), record.encoding))
    if shared is not None and shared.type == "MRDR":
        seen.add(shared.offset)
        record.keys |= {tag: shared.keys[tag] for tag in _REFERENCE if tag in shared.keys}


def _chain(directory: Directory, offset: int, seen: set[int], findings: Findings) -> Iterator[Record]:
    while offset:
        record = directory.records.get(offset)
        if record is None:
            findings.error("bad-offset", WHERE, say("offset %(offset)s leads to no record", offset=offset))
            return
        if offset in seen:
            findings.error("offset-loop", WHERE, say("the record at %(offset)s is reached twice", offset=offset))
            return
        seen.add(offset)
        yield record
        if record.next < 0 or record.child < 0:
            findings.error(
                "no-offset",
                WHERE,
                say("the %(type)s record at %(offset)s lacks its offsets", type=record.type, offset=offset),
            )
            return
        offset = record.next


def _check_record(directory: Directory, record: Record, parent: int, findings: Findings) -> None:
    where = record.file_id or say("%(type)s record at %(offset)s", type=record.type, offset=record.offset)
    if not record.in_use:
        text = say("the record is marked as no longer in use, as earlier editions allowed: readers pass over it")
        findings.warning("in-use-flag", where, text)
        return
    if record.in_use != 0xFFFF:
        findings.error("in-use-flag", where, say("the Record In-use Flag is not FFFF"))
    _check_type(directory, record, parent, where, findings)
    for tag in rules.TYPE_1.get(record.type, ()):
        if not record.keys.get(tag, b"").strip(b" \0") and not _is_number_zero(record, tag):
            text = say(
                "the %(type)s record has no %(tag)s, which is required and may not be empty",
                type=record.type,
                tag=rules.name_of(tag),
            )
            findings.error("type-1-key", where, text)
    _check_values(record, where, findings)
    try:
        _check_document(record, where, findings)
        icons.check_icon(record.icon, where, findings, record.encoding)
    except (TruncatedError, MalformedError) as error:
        findings.error("dicomdir-damaged", where, _damaged(error))
    _check_charset(record, where, findings)
    _check_reference(record, where, findings)
    if 0x00041500 in record.keys:
        directory.instances.append(record)


# two bytes a character in G0, where a byte like a backslash parts nothing (ISO 2022 IR 87 and 159)
_TWO_BYTES = re.compile(rb"\x1b\$(?:[@B]|\(D).*?(?=\x1b\(|$)", re.DOTALL)


def _check_values(record: Record, where: str, findings: Findings) -> None:
    """Where a key has one value, a backslash would make two of it (PS3.5 6.4)."""
    for tag in rules.SINGLE & record.keys.keys():
        if b"\\" in record.keys[tag] and "\\" in _separators(record.keys[tag], record.text(0x00080005)):
            text = say(
                "the %(type)s record has several values in %(tag)s, which has one",
                type=record.type,
                tag=rules.name_of(tag),
            )
            findings.error("several-values", where, text)


def _separators(value: bytes, charset: str) -> str:
    """The value without the characters of several bytes, one of which may be that of a backslash."""
    if charset in ("GB18030", "GBK"):
        return value.decode("gb18030", "replace")
    return _TWO_BYTES.sub(b"", value).decode("latin-1")


def _is_number_zero(record: Record, tag: int) -> bool:
    """A binary number of zero has no byte that is not zero, yet is a value."""
    return tag in (0x00280010, 0x00280011, 0x00289001, 0x00289002, 0x00720014, 0x00080428) and bool(
        record.keys.get(tag)
    )


def _check_type(directory: Directory, record: Record, parent: int, where: str, findings: Findings) -> None:
    if record.type in rules.RETIRED:
        text = say(
            "directory record type %(type)s is retired: present systems may pass over its file",
            type=repr(record.type),
        )
        findings.warning("record-type", where, text)
        return
    if record.type not in rules.TYPE_1:
        findings.error("record-type", where, say("there is no directory record type %(type)s", type=repr(record.type)))
    _check_level(directory, record, parent, where, findings)


def _check_level(directory: Directory, record: Record, parent: int, where: str, findings: Findings) -> None:
    above = directory.records[parent].type if parent else ""
    if above in rules.RETIRED:
        return
    if not parent:
        right = record.type in rules.IN_ROOT
    elif above in rules.BELOW:
        right = record.type in rules.BELOW[above]
    else:
        right = above == "SERIES" and record.type not in rules.NOT_BELOW_SERIES
    if not right:
        findings.error(
            "record-level",
            where,
            say("a %(type)s record may not lie below %(above)s", type=record.type, above=above or "the root"),
        )


def other_ids(record: Record) -> list[str]:
    """Other Patient IDs a PATIENT record names (PS3.3 C.7.1.1); none where they can't be read."""
    content = memoryview(record.keys.get(_OTHER_PATIENT_IDS, b""))
    whole = Element(_OTHER_PATIENT_IDS, b"SQ", 0, len(content), len(content))
    found = []
    try:
        for start, end in items(content, whole, record.encoding):
            for each in elements(content, start, end, record.encoding):
                if each.tag == _PATIENT_ID:
                    found.append(_value(content, each).decode("latin-1").strip("\0 "))
    except (TruncatedError, MalformedError):
        return []
    return found


def _check_document(record: Record, where: str, findings: Findings) -> None:
    if record.type not in ("SR DOCUMENT", "KEY OBJECT DOC"):
        return
    if record.text(0x0040A493) == "VERIFIED" and not record.text(0x0040A030):
        findings.error("type-1-key", where, say("a verified document has no Verification DateTime (0040,A030)"))
    content = memoryview(record.keys.get(0x0040A730, b""))
    if not content:
        return
    whole = Element(0x0040A730, b"SQ", 0, len(content), len(content))
    for start, end in items(content, whole, record.encoding):
        relation = [
            _value(content, each) for each in elements(content, start, end, record.encoding) if each.tag == 0x0040A010
        ]
        if not relation or relation[0].rstrip(b" ") != rules.CONCEPT_MOD:
            findings.error(
                "report-text", where, say("the directory holds content of the report, not only concept modifiers")
            )


def _check_charset(record: Record, where: str, findings: Findings) -> None:
    texts = (0x00100010, 0x00100020, 0x00081030, 0x00200010, 0x0008103E, 0x00080080, 0x00080081, 0x00081050, 0x00700081)
    charset = record.text(0x00080005)
    special = b"".join(record.keys.get(tag, b"") for tag in texts)
    if not special.isascii() or b"\x1b" in special:
        if not charset or charset == "ISO_IR 6":
            text = say("the %(type)s record has text beyond ASCII and no Specific Character Set", type=record.type)
            findings.error("character-set", where, text)
        elif charset == "ISO_IR 192":
            try:
                special.decode("utf-8")
            except UnicodeDecodeError:
                findings.error(
                    "character-set",
                    where,
                    say("the %(type)s record is not in UTF-8, as it says it is", type=record.type),
                )


def _check_reference(record: Record, where: str, findings: Findings) -> None:
    if 0x00041500 not in record.keys:
        if record.type not in rules.WITHOUT_FILE | rules.RETIRED and record.type != "PRIVATE":
            findings.error("no-file", where, say("the %(type)s record references no file", type=record.type))
        return
    parts = record.text(0x00041500).split("\\")
    if len(parts) > 8 or not all(_COMPONENT.fullmatch(part) for part in parts):
        text = say(
            "the File ID %(file_id)s is not 1 to 8 components of 1 to 8 of A-Z, 0-9 and _", file_id=repr(record.file_id)
        )
        findings.error("file-id", where, text)
    for tag, name in (
        (0x00041510, "SOP Class UID"),
        (0x00041511, "SOP Instance UID"),
        (0x00041512, "Transfer Syntax UID"),
    ):
        if not record.text(tag):
            findings.error("reference", where, say("the record does not say the %(name)s of its file", name=name))


_UNIQUE = {"PATIENT": (_PATIENT_ID, "Patient ID"), "STUDY": (0x0020000D, "study"), "SERIES": (0x0020000E, "series")}


def _check_identity(directory: Directory, findings: Findings) -> None:
    """One PATIENT record for each Patient ID, one STUDY and SERIES record for each UID, one record for each file."""
    seen: set[tuple[str, str]] = set()
    for record in directory.records.values():
        if record.type in _UNIQUE:
            tag, name = _UNIQUE[record.type]
            _once(seen, name, record.text(tag), findings)
    for record in directory.instances:
        if _SHARED_RECORD in record.keys:
            continue
        _once(seen, say("SOP instance"), record.text(0x00041511), findings)
        _once(seen, "file", record.file_id, findings)


def _once(seen: set[tuple[str, str]], name: str, value: str, findings: Findings) -> None:
    if value and (name, value) in seen:
        findings.error(
            "record-twice",
            value if name == "file" else WHERE,
            say("there are two records for %(name)s %(value)s", name=name, value=value),
        )
    seen.add((name, value))
