"""An instance becomes one of ours: durable first, then its row, then the answer (reliability 3.1).

What arrives lies whole in a part file of the spool. It is moved below instances/, synced (file and folder), and put in
the index; only then may its sender be told. Rows of several senders are committed together. A file without a row was
never acknowledged: housekeeping removes it. The same bytes again are acknowledged and kept once; other bytes under the
same UID are kept aside for a person, never in place of what is there.
"""

from __future__ import annotations

import hashlib
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from sqlalchemy import Connection

from appliance.errors import ApplianceError, RefusedError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import files, instances
from appliance.store.batch import Batch
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.studies import normal, rejection
from appliance.studies.header import CANNOT_UNDERSTAND, read_header
from appliance.studies.keys import InstanceKeys, instance_keys
from appliance.studies.record_tables import ROOT_TYPES, record_type
from appliance.studies.records import DirectoryRecords, describe

OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH_CLASS = 0xA900
NO_IDENTITY = 0xC001
STORED, KNOWN, KEPT_ASIDE = "stored", "known", "kept-aside"

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
SYNCING = 8
"""Files synced at once."""
_NAMES = tuple(field.name for field in fields(InstanceKeys))
_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)
_CONTROLS = dict.fromkeys((*range(0x20), 0x7F, *range(0x80, 0xA0)), " ")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A file that has come and is not ours yet."""

    path: Path  # in a folder on the data folder's disk; renamed or left for its owner to remove
    offset: int  # of the data set in it, behind a head of our own
    size: int  # of the data set in bytes
    sha256: str  # of the data set
    transfer_syntax: str
    sop_class_uid: str = ""  # as announced by its sender; "": not announced
    sop_instance_uid: str = ""
    source: str = ""  # calling AE title, peer, user
    peer: str = ""  # name of the known peer
    has_rule: bool = False  # that peer's studies become discs by themselves
    assumed_charset: str = ""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of it."""

    outcome: str  # stored, known, kept-aside
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str


class Intake:
    """Takes instances into one store. Shared by threads; make one a process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._batch = Batch(store.database, "study")
        self._syncing = ThreadPoolExecutor(SYNCING, thread_name_prefix="sync")

    def take(self, arrival: Arrival, actor: Actor) -> Taken:
        """Keep an instance for good. When this returns, it survives power loss.

        Raises RefusedError with the status of C-STORE: A700 no room, A900 not what was announced, Cxxx not understood.
        """
        files.failpoint("store.part")
        if not self.store.has_room(arrival.size):
            raise RefusedError(OUT_OF_RESOURCES, "The disk is short: no new instances until room is made.")
        try:
            return self._take(arrival, actor)
        except RefusedError:
            raise
        except OSError as error:
            raise RefusedError(OUT_OF_RESOURCES, f"The instance can't be kept: {error.strerror}.") from error
        except ApplianceError as error:
            raise RefusedError(OUT_OF_RESOURCES, str(error)) from error

    def _take(self, arrival: Arrival, actor: Actor) -> Taken:
        target = self.store.folder.instances / _place(arrival)
        files.make_folder(target.parent)
        files.move(arrival.path, target)
        try:
            files.failpoint("store.renamed")
            synced = self._syncing.submit(_sync, target)  # while the header is read
            try:
                keys, records, header = understood(arrival, target)
                _check(keys, arrival)
                new = new_instance(arrival, keys, records, _place(arrival))
            finally:
                synced.result()
            files.failpoint("store.synced")
            outcome = self._index(new, rejection.named_by(keys, header), actor)
        except BaseException:
            files.remove(target)  # not acknowledged
            raise
        files.failpoint("store.committed")
        if outcome == KNOWN:
            files.remove(target)
        return Taken(
            outcome=STORED if outcome == HEALED else outcome,
            sop_class_uid=keys.SOPClassUID,
            sop_instance_uid=keys.SOPInstanceUID,
            study_instance_uid=new.study["study_instance_uid"],
        )

    def _index(self, new: instances.NewInstance, named: rejection.Rejected | None, actor: Actor) -> str:
        """Commit its rows, with those of others that come in the same moment."""

        def deed(connection: Connection) -> str:
            outcome = _insert(self.store, connection, new, actor)
            if outcome != KNOWN and named is not None:
                instances.add_rejections(connection, new.instance["sop_instance_uid"], named.code, named.instances)
            return outcome

        return self._batch.write(deed)


def _sync(target: Path) -> None:
    """Make a file and its name durable. The name first would cost a journal's turn of its own (ext4)."""
    files.sync_file(target)
    files.sync_folder(target.parent)


HEALED = "healed"


def _insert(store: Store, connection: Connection, new: instances.NewInstance, actor: Actor) -> str:
    known = instances.of_uid(connection, new.instance["sop_instance_uid"])
    for row in known:
        if row.sha256 == new.instance["sha256"]:
            if is_whole(store.folder.instances / row.path, row.offset + row.size):
                return KNOWN
            instances.replace_path(connection, row.instance_id, new.instance["path"], new.instance["offset"])
            log.warning("a lost or damaged file has come again", extra={"instance": row.sop_instance_uid})
            return HEALED
    instances.insert(connection, new, kept_aside=bool(known))
    if not known:
        return STORED
    record(
        connection,
        "instance-kept-aside",
        actor,
        outcome="warning",
        object_kind="instance",
        object_id=new.instance["sop_instance_uid"],
        detail={"sha256": new.instance["sha256"].hex(), "kept": known[0].sha256.hex()},
    )
    return KEPT_ASIDE


def is_whole(path: Path, size: int) -> bool:
    """Whether a file is there with all its bytes."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _place(arrival: Arrival) -> str:
    """Where the file goes below instances/: its random name in the spool is its name for good."""
    name = arrival.path.name.removesuffix(files.PART_SUFFIX)
    return f"{name[:2]}/{name}"


# --- what it is ---


def understood(arrival: Arrival, path: Path) -> tuple[InstanceKeys, DirectoryRecords, Dataset]:
    """Keys and directory records of an arrival that lies at `path` now. Raises RefusedError C000."""
    header = read_header(path, arrival.transfer_syntax, arrival.offset, arrival.assumed_charset)
    try:
        keys = instance_keys(header, arrival.transfer_syntax, arrival.assumed_charset)
        return _clean(keys), describe(header, arrival.assumed_charset), header
    except RefusedError:
        raise
    except Exception as error:  # whatever a hostile value makes the decoders raise
        raise RefusedError(CANNOT_UNDERSTAND, f"the data set can't be understood ({type(error).__name__})") from error


def _clean(keys: InstanceKeys) -> InstanceKeys:
    """Without control characters, and no text longer than any may be."""
    values = _values(keys)
    dirty: dict[str, Any] = {
        name: value.translate(_CONTROLS).strip()[:LONGEST_TEXT]
        for name, value in values.items()
        if isinstance(value, str) and (len(value) > LONGEST_TEXT or not value.isprintable())
    }
    return replace(keys, **dirty) if dirty else keys


def _values(keys: InstanceKeys) -> dict[str, Any]:
    """All keys by name."""
    return {name: getattr(keys, name) for name in _NAMES}


def _check(keys: InstanceKeys, arrival: Arrival) -> None:
    """Raise RefusedError unless it is what was announced and can be filed."""
    for name in ("SOPClassUID", "SOPInstanceUID"):
        if not _UID.fullmatch(getattr(keys, name)):
            raise RefusedError(NO_IDENTITY, f"the data set has no valid {name}")
    announced = (arrival.sop_class_uid or keys.SOPClassUID, arrival.sop_instance_uid or keys.SOPInstanceUID)
    if announced != (keys.SOPClassUID, keys.SOPInstanceUID):
        raise RefusedError(DOES_NOT_MATCH_CLASS, "the data set is another SOP class or instance than announced")
    if is_filed_by_itself(keys):
        return
    for name in ("StudyInstanceUID", "SeriesInstanceUID"):
        if not _UID.fullmatch(getattr(keys, name)):
            raise RefusedError(NO_IDENTITY, f"the data set has no valid {name}")


def is_filed_by_itself(keys: InstanceKeys) -> bool:
    """Whether it belongs to no patient (hanging protocols, palettes, implant templates)."""
    return record_type(keys.SOPClassUID) in ROOT_TYPES


def new_instance(arrival: Arrival, keys: InstanceKeys, records: DirectoryRecords, path: str) -> instances.NewInstance:
    """The rows of an instance."""
    values = _values(keys)
    own = {name: values.pop(name) for name in OWN_KEYS}
    shared = {name: value for name, value in values.items() if value}
    above = replace(records, record_type="", instance=b"", supplied=(), missing=(), related_class="").pack()
    mine = replace(records, patient=b"", study=b"", series=b"").pack()
    alone = is_filed_by_itself(keys)
    moment = now()
    return instances.NewInstance(
        study=_study(keys, keys.SOPInstanceUID if alone else keys.StudyInstanceUID),
        series={
            "series_instance_uid": keys.SOPInstanceUID if alone else keys.SeriesInstanceUID,
            "series_number": keys.SeriesNumber[:16],
            "modality": keys.Modality[:32],
            "series_description": keys.SeriesDescription,
            "body_part_examined": keys.BodyPartExamined,
        },
        digest=hashlib.sha256(repr(sorted(shared.items())).encode() + above).digest()[:16],
        header_keys=shared,
        header_records=above,
        words=study_words(keys),
        instance={
            "sop_instance_uid": keys.SOPInstanceUID,
            "attributes": {name: value for name, value in own.items() if value},
            "record": mine,
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
