"""From the instances of one volume to the records of its DICOMDIR, parents first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from appliance.studies import elements
from appliance.studies.charset import CharacterSet, character_set, is_special
from appliance.studies.record_tables import PATIENT_KEYS, ROOT_TYPES, SERIES_KEYS, STUDY_KEYS, Key
from appliance.studies.records import SPECIFIC_CHARACTER_SET, placeholder
from appliance.studies.single import one_text

from .dicomdir import Entry, Reference
from .patients import has_id, patient_id
from .source import Placed

_PATIENT_ID, _ISSUER, _KIND_OF_ID, _OTHER_IDS = 0x00100020, 0x00100021, 0x00100022, 0x00101002

Supplied = list[tuple[str, str]]
"""(SOP Instance UID of the first instance below, "STUDY: StudyID") of keys supplied above the instances."""

_LEVELS = (
    ("PATIENT", "patient", PATIENT_KEYS),
    ("STUDY", "study", STUDY_KEYS),
    ("SERIES", "series", SERIES_KEYS),
)


def entries_of(placed: Sequence[Placed], supplied: Supplied | None = None, *, icons: bool = False) -> Iterator[Entry]:
    """Directory records, parents first; keys supplied for patients, studies and series are told to `supplied`.

    With `icons` there is room for one in each record of an image: its tag sorts behind all keys of IMAGE.
    """
    for each in placed:
        if each.source.records.record_type in ROOT_TYPES:
            yield _instance_entry(each, 0, icons)
    filed = [each for each in placed if each.source.records.record_type not in ROOT_TYPES]
    yield from _below(filed, 0, [] if supplied is None else supplied, icons)


def _below(placed: Sequence[Placed], level: int, supplied: Supplied, icons: bool) -> Iterator[Entry]:
    if level == len(_LEVELS):
        yield from (_instance_entry(each, level, icons) for each in placed)
        return
    name, part, keys = _LEVELS[level]
    for members in _grouped(placed, level):
        supply = {}
        speakers = members
        if level == 0:
            identifier = members[0].patient_id
            supply[_PATIENT_ID] = elements.element(_PATIENT_ID, "LO", identifier.encode("utf-8"))
            # where a person merged two patients, those who bear the ID themselves speak first
            speakers = sorted(members, key=lambda each: patient_id(each.source.keys) != identifier)
        others = _other_ids(speakers) if level == 0 else b""
        body, given = merged((getattr(each.source.records, part) for each in speakers), keys, supply, others)
        if level == 0 and "\\" in speakers[0].source.keys.PatientID:
            given += ("PatientID",)  # no instance has it so
        if given:
            supplied.append((members[0].source.keys.SOPInstanceUID, f"{name}: {', '.join(given)}"))
        yield Entry(level=level, record_type=name, body=body)
        yield from _below(members, level + 1, supplied, icons)


def _other_ids(speakers: Sequence[Placed]) -> bytes:
    """Other Patient IDs Sequence of a patient whose instances bear several IDs; b"" for one who has one.

    A person called them one patient. The instances stay as they are, so the directory says it (PS3.3 C.7.1.1).
    """
    given = [
        (patient_id(each.source.keys), each.source.keys.IssuerOfPatientID)
        for each in speakers
        if has_id(each.source.keys)
    ]
    if not given:
        return b""
    filed = (speakers[0].patient_id, "")  # borne by none here where a study goes on on this disc
    others = {identifier: issuer for identifier, issuer in (filed, *given) if identifier.isascii()}
    others.pop(given[0][0], None)  # that of the record
    return elements.sequence(_OTHER_IDS, (_other_id(*each) for each in sorted(others.items()))) if others else b""


def _other_id(identifier: str, issuer: str) -> bytes:
    body = elements.element(_PATIENT_ID, "LO", identifier.encode("ascii"))
    if issuer.isascii() and issuer:
        body += elements.element(_ISSUER, "LO", one_text(issuer).encode("ascii"))
    return body + elements.element(_KIND_OF_ID, "CS", b"TEXT")


def _grouped(placed: Sequence[Placed], level: int) -> Iterator[list[Placed]]:
    found: dict[str, list[Placed]] = {}
    for each in placed:
        keys = each.source.keys
        found.setdefault((each.patient_id, keys.StudyInstanceUID, keys.SeriesInstanceUID)[level], []).append(each)
    yield from found.values()


def _instance_entry(placed: Placed, level: int, icons: bool) -> Entry:
    return Entry(
        level=level,
        record_type=placed.source.records.record_type,
        body=placed.source.records.instance,
        reference=_reference(placed),
        icon=icons and placed.source.records.record_type == "IMAGE",
    )


def _reference(placed: Placed) -> Reference:
    keys = placed.source.keys
    return Reference(
        file_id=placed.file_id,
        SOPClassUID=keys.SOPClassUID,
        SOPInstanceUID=keys.SOPInstanceUID,
        TransferSyntaxUID=placed.TransferSyntaxUID,
        related_class=placed.source.records.related_class,
    )


def merged(
    bodies: Iterable[bytes], keys: Sequence[Key], supply: dict[int, bytes] | None = None, others: bytes = b""
) -> tuple[bytes, tuple[str, ...]]:
    """One record body for all that lies below it, and the keywords of Type 1 keys that had to be supplied.

    A key is there if any instance below has it not empty (PS3.11 Table H.3-2); where several have it the first counts.
    `supply` gives elements for tags that have no fixed placeholder, `others` is the Other Patient IDs Sequence. Mixed
    character sets become ISO_IR 192.
    """
    distinct = list(dict.fromkeys(bodies))
    found, charset = _first_values(distinct)
    supplied, parts = [], []
    for key in keys:
        value = found.get(key.tag, b"")
        if value or key.type in ("2", "2C"):
            parts.append((key.tag, elements.element(key.tag, key.vr, value)))
        elif key.type == "1":
            supplied.append(key.keyword)
            parts.append((key.tag, (supply or {}).get(key.tag) or placeholder(key)))
    if charset:
        parts.append((SPECIFIC_CHARACTER_SET, elements.element(SPECIFIC_CHARACTER_SET, "CS", charset)))
    if others:
        parts.append((_OTHER_IDS, others))
    return b"".join(part for _, part in sorted(parts)), tuple(supplied)


def _first_values(bodies: Sequence[bytes]) -> tuple[dict[int, bytes], bytes]:
    """First value of each tag, and the character set they are all in."""
    parsed = [{tag: value for tag, _, value in elements.walk(body)} for body in bodies]
    chosen: dict[int, tuple[bytes, bytes]] = {}
    for values in parsed:
        charset = values.pop(SPECIFIC_CHARACTER_SET, b"")
        for tag, value in values.items():
            if value.strip(b" \0") and tag not in chosen:
                chosen[tag] = (value, charset)
    sets = {charset for value, charset in chosen.values() if is_special(value)}
    if len(sets) > 1:
        return {tag: _as_utf8(value, charset) for tag, (value, charset) in chosen.items()}, b"ISO_IR 192"
    return {tag: value for tag, (value, _) in chosen.items()}, next(iter(sets), b"").strip(b" \0")


def _as_utf8(value: bytes, charset: bytes) -> bytes:
    if not is_special(value):
        return value
    read: CharacterSet = character_set(charset, value)
    return read.text(value).encode("utf-8")
