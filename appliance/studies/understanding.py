"""What an arrival is: whether it can be filed, and the rows it becomes.

Instances of a series say the same of patient, study and series: that is worked out once, and known again by its bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from appliance.errors import RefusedError
from appliance.store.instances import NewInstance
from appliance.store.tables.base import now
from appliance.studies import normal, rejection
from appliance.studies.charset import CharacterSet
from appliance.studies.header import CANNOT_UNDERSTAND, Header, read_header
from appliance.studies.keys import _TAGS as KEY_TAGS
from appliance.studies.keys import InstanceKeys, instance_keys, some_keys
from appliance.studies.record_tables import PATIENT_KEYS, ROOT_TYPES, SERIES_KEYS, STUDY_KEYS, record_type
from appliance.studies.records import (
    SPECIFIC_CHARACTER_SET,
    DirectoryRecords,
    describe,
    describe_below,
    instance_charset,
)
from appliance.words import say

DOES_NOT_MATCH_CLASS = 0xA900
NO_IDENTITY = 0xC001

OWN_KEYS = (
    "SOPInstanceUID",
    "InstanceNumber",
    "ContentDate",
    "ContentTime",
    "AcquisitionDateTime",
    "NumberOfFrames",
    "BurnedInAnnotation",
    "DocumentTitle",
)
"""Keys kept with each instance; all others stand in the header it shares with its series."""

LONGEST_TEXT = 1024
MOST_SHARED = 512
"""Series known at a time."""

_NAMES = tuple(field.name for field in fields(InstanceKeys))
_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)
_CONTROLS = dict.fromkeys((*range(0x20), 0x7F, *range(0x80, 0xA0)), " ")
_RELATED_CLASS = 0x0008001A
_SHARED_TAGS = frozenset(
    {tag for name, (tag, _) in KEY_TAGS.items() if name not in OWN_KEYS}
    | {key.tag for keys in (PATIENT_KEYS, STUDY_KEYS, SERIES_KEYS) for key in keys}
    | {SPECIFIC_CHARACTER_SET, _RELATED_CLASS}
)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A file that has come and is not ours yet."""

    path: Path  # in a folder on the data folder's disk; renamed or left for its owner to remove
    offset: int  # of the data set in it, behind a head of our own
    size: int  # of the data set in bytes
    sha256: str  # of the data set, in hex
    transfer_syntax: str
    sop_class_uid: str = ""  # as announced by its sender; "": not announced
    sop_instance_uid: str = ""
    source: str = ""  # calling AE title, peer, user
    peer: str = ""  # name of the known peer
    has_rule: bool = False  # that peer's studies become discs by themselves
    assumed_charset: str = ""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What instances of a series have in common, as rows."""

    study: dict[str, Any]
    series: dict[str, Any]
    keys: dict[str, Any]
    records: bytes
    digest: bytes
    words: frozenset[tuple[str, str]]
    above: DirectoryRecords
    charset: CharacterSet
    sop_class_uid: str


@dataclass(frozen=True, kw_only=True)
class Understood:
    """One instance, read and found fit to be filed."""

    shared: Shared
    own: dict[str, Any]  # keys of its own
    records: DirectoryRecords  # its own alone
    rejects: rejection.Rejected | None  # what it names, if it is a rejection note

    @property
    def sop_class_uid(self) -> str:
        return self.shared.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        return str(self.own["SOPInstanceUID"])


class Reader:
    """Reads the headers of arrivals. Shared by threads."""

    def __init__(self, deepest: int) -> None:
        self._deepest = deepest
        self._known: dict[Any, Shared] = {}

    def understand(self, arrival: Arrival) -> Understood:
        """Read an arrival where it lies.

        Raises RefusedError: C000 not understood, C001 no identity, A900 not what was announced.
        """
        header = read_header(
            arrival.path, arrival.transfer_syntax, arrival.offset, arrival.assumed_charset, self._deepest
        )
        try:
            found = self._understood(arrival, header)
        except RefusedError:
            raise
        except Exception as error:  # whatever a hostile value makes the decoders raise
            why = say("the data set can't be understood (%(name)s)", name=type(error).__name__)
            raise RefusedError(CANNOT_UNDERSTAND, why) from error
        _check(found, arrival)
        return found

    def _understood(self, arrival: Arrival, header: Header) -> Understood:
        mark = _mark(arrival, header)
        shared = self._known.get(mark)
        if shared is None:
            shared = _shared(arrival, header)
            if not is_filed_by_itself(shared.sop_class_uid):
                if len(self._known) >= MOST_SHARED:
                    self._known.clear()
                self._known[mark] = shared
        own = {name: _clean(value) for name, value in some_keys(header, OWN_KEYS, shared.charset).items() if value}
        return Understood(
            shared=shared,
            own={"SOPInstanceUID": "", **own},
            records=describe_below(header, shared.above, shared.charset),
            rejects=rejection.named_by(shared.sop_class_uid, header),
        )


def _mark(arrival: Arrival, header: Header) -> Any:
    """The bytes all shared values come from."""
    values = tuple((each.tag, each.VR, each.value) for each in header.raw() if each.tag in _SHARED_TAGS)
    return arrival.transfer_syntax, arrival.assumed_charset, values


def _shared(arrival: Arrival, header: Header) -> Shared:
    charset = instance_charset(header, arrival.assumed_charset)
    keys = instance_keys(header, arrival.transfer_syntax, arrival.assumed_charset)
    keys = replace(keys, **{name: _clean(getattr(keys, name)) for name in _NAMES})
    above = replace(describe(header, arrival.assumed_charset), instance=b"", supplied=(), missing=())
    packed = replace(above, record_type="", related_class="").pack()
    values = {name: getattr(keys, name) for name in _NAMES if name not in OWN_KEYS}
    common = {name: value for name, value in values.items() if value}
    alone = is_filed_by_itself(keys.SOPClassUID)
    return Shared(
        study=_study(keys, keys.SOPInstanceUID if alone else keys.StudyInstanceUID),
        series=_series(keys, keys.SOPInstanceUID if alone else keys.SeriesInstanceUID),
        keys=common,
        records=packed,
        digest=hashlib.sha256(repr(sorted(common.items())).encode() + packed).digest()[:16],
        words=study_words(keys),
        above=above,
        charset=charset,
        sop_class_uid=keys.SOPClassUID,
    )


def _clean(value: Any) -> Any:
    """Without control characters, and no text longer than any may be."""
    if not isinstance(value, str) or (len(value) <= LONGEST_TEXT and value.isprintable()):
        return value
    return value.translate(_CONTROLS).strip()[:LONGEST_TEXT]


def _check(found: Understood, arrival: Arrival) -> None:
    """Raise RefusedError unless it is what was announced and can be filed."""
    names = {"SOP Class UID": found.sop_class_uid, "SOP Instance UID": found.sop_instance_uid}
    announced = (arrival.sop_class_uid or found.sop_class_uid, arrival.sop_instance_uid or found.sop_instance_uid)
    if all(map(_UID.fullmatch, names.values())) and announced != tuple(names.values()):
        raise RefusedError(DOES_NOT_MATCH_CLASS, say("the data set is another SOP class or instance than announced"))
    names["Study Instance UID"] = found.shared.study["study_instance_uid"]
    names["Series Instance UID"] = found.shared.series["series_instance_uid"]
    for name, uid in names.items():
        if not _UID.fullmatch(uid):
            raise RefusedError(NO_IDENTITY, say("the data set has no valid %(name)s", name=name))


def is_filed_by_itself(sop_class_uid: str) -> bool:
    """Whether it belongs to no patient (hanging protocols, palettes, implant templates)."""
    return record_type(sop_class_uid) in ROOT_TYPES


def new_instance(arrival: Arrival, found: Understood, path: str) -> NewInstance:
    """The rows of an instance."""
    shared, moment = found.shared, now()
    return NewInstance(
        study=shared.study,
        series=shared.series,
        digest=shared.digest,
        header_keys=shared.keys,
        header_records=shared.records,
        words=shared.words,
        instance={
            "sop_instance_uid": found.sop_instance_uid,
            "attributes": found.own,
            "record": found.records.pack(),
            "path": path,
            "offset": arrival.offset,
            "size": arrival.size,
            "sha256": bytes.fromhex(arrival.sha256),
            "received": moment,
            "source": arrival.source[:64],
        },
        peer=arrival.peer,
        has_rule=arrival.has_rule,
        moment=moment,
    )


def _series(keys: InstanceKeys, series_instance_uid: str) -> dict[str, Any]:
    return {
        "series_instance_uid": series_instance_uid,
        "series_number": keys.SeriesNumber[:16],
        "modality": keys.Modality[:32],
        "series_description": keys.SeriesDescription,
        "body_part_examined": keys.BodyPartExamined,
    }


def _study(keys: InstanceKeys, study_instance_uid: str) -> dict[str, Any]:
    return {
        "study_instance_uid": study_instance_uid,
        "patient_name": keys.PatientName,
        "patient_id": keys.PatientID,
        "issuer_of_patient_id": keys.IssuerOfPatientID,
        "patient_birth_date": keys.PatientBirthDate[:32],
        "patient_sex": keys.PatientSex[:16],
        "study_date": keys.StudyDate[:32],
        "study_time": keys.StudyTime[:32],
        "study_id_text": keys.StudyID[:64],
        "accession_number": keys.AccessionNumber,
        "study_description": keys.StudyDescription,
        "referring_physician_name": keys.ReferringPhysicianName,
    }


def study_words(keys: InstanceKeys) -> frozenset[tuple[str, str]]:
    """The (kind, word)s a study is found by."""
    found = {("n", word) for word in normal.indexed(keys.PatientName)}
    found |= {("i", word) for word in normal.identifiers(keys.PatientID)}
    found |= {("a", word) for word in normal.identifiers(keys.AccessionNumber)}
    described = " ".join((keys.StudyDescription, keys.SeriesDescription, keys.BodyPartExamined, keys.StudyID))
    found |= {("m", word) for word in normal.words(keys.Modality)}
    return frozenset(found | {("d", word) for word in normal.indexed(described)})
