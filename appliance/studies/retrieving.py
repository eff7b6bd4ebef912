"""Fetch studies from archives, by C-GET or by C-MOVE to ourselves, and say what is missing."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pynetdicom.events import Event

from appliance.errors import ApplianceError, ConflictError, DeviceError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.jobs import locks
from appliance.network import scu
from appliance.network.requestor import NoAssociationError
from appliance.network.spool import spool_into, spooled_dataset
from appliance.security.audit import record
from appliance.security.peer_verbs import get_peer
from appliance.security.peers import Peer
from appliance.store import files, instances, retrievals, studies
from appliance.store.retrievals import Retrieval
from appliance.store.store import Store
from appliance.studies import pacs
from appliance.studies.intake import Arrival, Intake
from appliance.studies.storage_classes import CLASSES_AT_ONCE, COMMON_CLASSES

METHODS = ("auto", "get", "move")
POLL_SECONDS = 0.3
TELL_SECONDS = 0.5
MOST_MISSING = 1000
SYNTAXES = tuple(
    "1.2.840.10008.1.2" + end
    for end in (".1", "", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".5")
)
"""Proposed by C-GET for each class: those archives keep images in."""
log = logging.getLogger(__name__)


# --- verbs ---


def request_retrieve(
    store: Store,
    peer_name: str,
    study_instance_uid: str,
    actor: Actor,
    *,
    series: tuple[str, ...] = (),
    method: str = "auto",
) -> int:
    """Ask for a study (or some of its series) to be fetched; the retrieval's number. The same again is the same one.

    Raises NotFoundError, UsageError.
    """
    peer = get_peer(store, peer_name)
    pacs.called(store, peer)
    if method not in METHODS:
        raise UsageError(f"A study is retrieved by one of {', '.join(METHODS)}.", field="method")
    with store.database.write("study", "retrieval") as connection:
        known = retrievals.underway(connection, peer_name, study_instance_uid, series)
        if known is not None:
            return int(known.retrieval_id)
        number = retrievals.insert(
            connection,
            peer=peer_name,
            study_instance_uid=study_instance_uid,
            series=list(series),
            method=method,
            requested_by=str(actor),
        )
        record(connection, "retrieve-requested", actor, object_kind="study", object_id=study_instance_uid)
    return number


def cancel_retrieve(store: Store, retrieval_id: int, actor: Actor) -> None:
    """Stop fetching. Raises NotFoundError, ConflictError when it has ended."""
    with store.database.write("retrieval") as connection:
        row = retrievals.get(connection, retrieval_id)
        if row is None:
            raise NotFoundError(f"There is no retrieval {retrieval_id}.")
        if row.state in retrievals.FINAL:
            raise ConflictError(f"Retrieval {retrieval_id} is {row.state} already.")
        if row.state == retrievals.PENDING:
            retrievals.change(connection, retrieval_id, state=retrievals.CANCELED, message="cancelled")
        else:
            retrievals.change(connection, retrieval_id, cancel=True)
        record(connection, "retrieve-canceled", actor, object_kind="study", object_id=row.study_instance_uid)


def get_retrieval(store: Store, retrieval_id: int) -> dict[str, Any]:
    """A retrieval, for page, API and command line. Raises NotFoundError."""
    with store.database.read() as connection:
        row = retrievals.get(connection, retrieval_id)
    if row is None:
        raise NotFoundError(f"There is no retrieval {retrieval_id}.")
    return view(row)


def list_retrievals(store: Store, **conditions: Any) -> list[dict[str, Any]]:
    with store.database.read() as connection:
        return [view(row) for row in retrievals.page(connection, **conditions)]


def view(row: Retrieval) -> dict[str, Any]:
    names = ("retrieval_id", "peer", "study_instance_uid", "series", "method", "state", "done", "total", "message")
    return {**{name: getattr(row, name) for name in names}, "requested_by": row.requested_by, "updated": row.updated}


# --- asked again ---


@dataclass(frozen=True, kw_only=True)
class News:
    """What an archive says of a study that came from it."""

    differs: tuple[str, ...] = ()  # another name, ID or birth date there now; or it does not know the study any more
    missing: str = ""  # what it has and we have not; stands with the study, too
    unasked: str = ""  # why it could not be asked


def ask_again(store: Store, study_instance_uid: str) -> News:
    """A study that came from an archive is asked about again; nothing is new when all is there as here.

    Called when a disc of it is made. What is missing stands with the study afterwards.
    """
    with store.database.read() as connection:
        row = studies.get(connection, study_instance_uid)
    if row is None or not row.retrieved_from:
        return News()
    try:
        peer = get_peer(store, row.retrieved_from)
        found = pacs.held(store, peer, study_instance_uid)
    except ApplianceError as error:
        why = f"{row.retrieved_from} could not be asked about study {study_instance_uid} again: {error}"
        log.warning("%s", why)
        return News(unasked=why)
    if not found.study:
        return News(differs=(f"{peer.name} does not know study {study_instance_uid} any more",))
    missing = keep_what_is_known(store, study_instance_uid, peer.name, found)
    return News(differs=tuple(_identity_differs(row, found.study, peer)), missing=missing)


def _identity_differs(row: studies.Study, told: dict[str, str], peer: Peer) -> list[str]:
    pairs = (
        ("patient's name", row.patient_name, told.get("PatientName", "")),
        ("Patient ID", row.patient_id, told.get("PatientID", "")),
        ("birth date", row.patient_birth_date, told.get("PatientBirthDate", "")),
    )
    return [
        f"{peer.name} has another {what} for study {row.study_instance_uid} now: {there}, here {here}"
        for what, here, there in pairs
        if there and here.strip("^ ").casefold() != there.strip("^ ").casefold()
    ]


def keep_what_is_known(
    store: Store, study_instance_uid: str, peer_name: str, found: pacs.Held, failed: str = ""
) -> str:
    """Note with a study what the archive has and we have not; that in words, "" when nothing is missing."""
    with store.database.write("study") as connection:
        row = studies.get(connection, study_instance_uid)
        if row is None:
            return failed or "nothing of it came"
        here = instances.uids_of_study(connection, study_instance_uid)
        missing = sorted(set(found.instances) - here)
        words = _missing_words(len(here), len(missing), found)
        studies.change(
            connection,
            study_instance_uid,
            expected=found.count,
            expected_by=found.by,
            missing=missing[:MOST_MISSING],
            incomplete_reason=words or failed,
            retrieved_from=peer_name,
        )
    return words or failed


def _missing_words(here: int, missing: int, found: pacs.Held) -> str:
    if missing:
        return f"{missing} of {found.count} instances are missing"
    if found.count is not None and here < found.count and not found.instances:
        return f"{here} of {found.count} instances have come"
    return ""


# --- the work ---


class Retriever:
    """Works off retrievals, in the associations' process (where C-MOVE's instances come in) or in the foreground."""

    def __init__(self, store: Store, *, moves: bool) -> None:
        """`moves`: instances sent to our AE title come in while this runs."""
        self.store = store
        self.moves = moves
        self.lock = locks.WorkerLock(store.folder.locks, "retrieve")
        self._intake = Intake(store)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        seen = -1
        while not stop.is_set():
            try:
                changes = self.store.database.changes("retrieval")
                if changes != seen:
                    self.take_over()
                    while not stop.is_set() and self.work_one():
                        pass
                    seen = changes
            except Exception as error:
                log.error("retrieving failed: %s", type(error).__name__)
            stop.wait(POLL_SECONDS)
        self.lock.release()

    def take_over(self) -> None:
        """What dead workers had begun waits again: instances that came already are known, and not stored twice."""
        locks.sweep(self.store.folder.locks, ("retrieve",))
        with self.store.database.read() as connection:
            working = {row.working for row in retrievals.claimed(connection) if row.working}
        dead = locks.dead(self.store.folder.locks, working)
        if dead:
            with self.store.database.write("retrieval") as connection:
                retrievals.release(connection, dead)

    def work_one(self, only: int | None = None) -> bool:
        """Do one retrieval; False when none waits."""
        with self.store.database.read() as connection:
            if not any(row.state == retrievals.PENDING for row in retrievals.page(connection, limit=200)):
                return False
        with self.store.database.write("retrieval") as connection:
            row = retrievals.claim(connection, self.lock.name, only)
        if row is None:
            return False
        try:
            with self.store.tally.timed("retrieve"):
                state, message = _Fetch(self.store, row, self._intake, self.moves).run()
        except ApplianceError as error:
            state, message = retrievals.ABORTED, str(error)
        except Exception as error:
            log.exception("retrieval %s failed", row.retrieval_id)
            state, message = retrievals.ABORTED, f"it failed ({type(error).__name__}): see the log"
        with self.store.database.write("retrieval", "study") as connection:
            retrievals.change(connection, row.retrieval_id, state=state, message=message, working=None)
        return True


class _Fetch:
    """One retrieval."""

    def __init__(self, store: Store, row: Retrieval, intake: Intake, moves: bool) -> None:
        self.store = store
        self.row = row
        self.intake = intake
        self.moves = moves
        self.peer = get_peer(store, row.peer)
        self.called = pacs.called(store, self.peer)
        self.refused: list[str] = []
        self._told = 0.0
        self._cancelled = False

    def run(self) -> tuple[str, str]:
        """Fetch what is not here; the state it ends in, and why."""
        uid = self.row.study_instance_uid
        found = pacs.held(self.store, self.peer, uid)
        if not found.study and not found.count:
            raise NotFoundError(f"{self.peer.name} has no study {uid}.")
        self._tell(0, found.count, force=True)
        failed = ""
        for keys in self._wanted(found):
            result = self._fetch(keys, found)
            failed = result.message or (f"{result.failed} instances failed" if result.failed else "")
            if self._is_cancelled():
                break
        missing = keep_what_is_known(self.store, uid, self.peer.name, found, failed or self._refusals())
        with self.store.database.read() as connection:
            self._tell(len(instances.uids_of_study(connection, uid)), found.count, force=True)
        if self._cancelled:
            return retrievals.CANCELED, f"cancelled; {missing}".rstrip("; ")
        return (retrievals.ABORTED if missing else retrievals.COMPLETED), missing

    def _refusals(self) -> str:
        return f"{len(self.refused)} instances were refused here: {self.refused[0]}" if self.refused else ""

    def _wanted(self, found: pacs.Held) -> list[dict[str, str]]:
        """The identifiers to fetch by: the whole study, or the series something is missing of."""
        study = {"StudyInstanceUID": self.row.study_instance_uid}
        with self.store.database.read() as connection:
            here = instances.uids_of_study(connection, self.row.study_instance_uid)
        series: list[str] = list(self.row.series)
        if found.instances and not series:
            lacking = {of for uid, (of, _) in found.instances.items() if uid not in here}
            if not lacking:
                return []
            series = sorted(lacking) if here else []
        if not series:
            return [study]
        return [{**study, "SeriesInstanceUID": uid} for uid in series]

    def _fetch(self, keys: dict[str, str], found: pacs.Held) -> scu.Retrieved:
        wanted = pacs.identifier("SERIES" if "SeriesInstanceUID" in keys else "STUDY", {})
        for element in list(wanted):
            if element.keyword != "QueryRetrieveLevel":
                del wanted[element.tag]
        for keyword, value in keys.items():
            setattr(wanted, keyword, value)
        if self.row.method != "move":
            try:
                return self._get(wanted, found)
            except NoAssociationError as error:
                if self.row.method == "get" or not error.permanent or error.rejected:
                    raise
        return self._move(wanted, found)

    def _move(self, wanted: Any, found: pacs.Held) -> scu.Retrieved:
        if not self.moves:
            raise ConflictError(
                f"{self.peer.name} only sends to our own port (C-MOVE): start the service, and retrieve again."
            )
        destination = self.store.settings.dicom.ae_title
        return scu.move(self.called, wanted, destination, progress=self._progress(found), cancelled=self._is_cancelled)

    def _get(self, wanted: Any, found: pacs.Held) -> scu.Retrieved:
        named = sorted({of_class for _, of_class in found.instances.values() if of_class}) or list(COMMON_CLASSES)
        folder = files.make_folder(self.store.folder.spool / f"retrieve-{uuid.uuid4().hex}")
        result = scu.Retrieved(done=True)
        try:
            for start in range(0, len(named), CLASSES_AT_ONCE):
                result = scu.get(
                    self.called,
                    wanted,
                    dict.fromkeys(named[start : start + CLASSES_AT_ONCE], SYNTAXES),
                    self._store_one,
                    spool=spool_into(folder),
                    progress=self._progress(found),
                    cancelled=self._is_cancelled,
                )
        finally:
            files.remove_tree(folder)
        return result

    def _store_one(self, event: Event) -> int:
        """A C-STORE of our C-GET."""
        spooled, request = spooled_dataset(event), event.request
        arrival = Arrival(
            path=spooled.path,
            offset=spooled.offset,
            size=spooled.size,
            sha256=spooled.sha256 or "",
            transfer_syntax=spooled.transfer_syntax,
            sop_class_uid=str(getattr(request, "AffectedSOPClassUID", "")),
            sop_instance_uid=str(getattr(request, "AffectedSOPInstanceUID", "")),
            source=self.peer.name,
            peer=self.peer.name,
            assumed_charset=self.peer.assumed_charset,
        )
        try:
            self.intake.take(arrival, Actor(name=self.peer.ae_title, kind="peer", address=self.peer.host))
        except ApplianceError as error:
            self.refused.append(str(error))
            return error.dimse_status
        return 0x0000

    def _progress(self, found: pacs.Held) -> Callable[[scu.Retrieved], None]:
        def tell(counts: scu.Retrieved) -> None:
            done = counts.completed + counts.warning + counts.failed
            self._tell(done, found.count or (done + counts.remaining))

        return tell

    def _tell(self, done: int, total: int | None, force: bool = False) -> None:
        if not force and time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        with self.store.database.write("retrieval-progress") as connection:
            retrievals.change(connection, self.row.retrieval_id, done=done, total=total)

    def _is_cancelled(self) -> bool:
        if not self._cancelled:
            with self.store.database.read() as connection:
                row = retrievals.get(connection, self.row.retrieval_id)
            self._cancelled = row is None or bool(row.cancel)
        return self._cancelled


def retrieve_now(store: Store, retrieval_id: int) -> None:
    """Do one retrieval in the foreground, with no service running. Raises DeviceError when it did not complete."""
    worker = Retriever(store, moves=False)
    try:
        worker.take_over()
        worker.work_one(retrieval_id)
    finally:
        worker.lock.release()
    row = get_retrieval(store, retrieval_id)
    if row["state"] != retrievals.COMPLETED:
        raise DeviceError(f"Study {row['study_instance_uid']} was not retrieved whole: {row['message']}.")
