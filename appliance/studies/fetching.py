"""Fetch studies from archives, by C-GET or by C-MOVE to ourselves; what came is compared with what there is."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from appliance.errors import ApplianceError, ConflictError, DeviceError, NotFoundError, ResourceError
from appliance.events import Actor
from appliance.jobs.keeping import Rounds
from appliance.network import scu
from appliance.network.following import Following, Retrieved
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.requestor import NoAssociationError
from appliance.network.spool import spool_into, spooled_dataset
from appliance.security.peer_verbs import get_peer
from appliance.store import files, instances, retrievals
from appliance.store.retrievals import Retrieval
from appliance.store.store import Store
from appliance.studies import pacs
from appliance.studies.completeness import (
    keep_as_half,
    keep_expected,
    keep_what_is_known,
    lacking_of_series,
    lacks,
)
from appliance.studies.intake import Arrival, Intake
from appliance.studies.retrieving import get_retrieval
from appliance.studies.storage_classes import CLASSES_AT_ONCE, COMMON_CLASSES
from appliance.words import say

AT_ONCE = 4
"""Archives that are fetched from at a time; from each of them one study at a time, by however many services."""
POLL_SECONDS = 0.3
LOOK_SECONDS = 5.0
"""Between looks for what dead workers left."""
TELL_SECONDS = 0.5
SYNTAXES = tuple(
    "1.2.840.10008.1.2" + end
    for end in (".1", "", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".5")
)
"""Proposed by C-GET for each class: those archives keep images in."""
log = logging.getLogger(__name__)


class Retriever:
    """Works off retrievals, in the associations' process (where C-MOVE's instances come in) or in the foreground."""

    def __init__(self, store: Store, *, moves: bool, limits: Limits = DEFAULT_LIMITS) -> None:
        """`moves`: instances sent to our AE title come in while this runs."""
        self.store = store
        self.moves = moves
        self.limits = limits
        self.lock = store.locks.hold("retrieve")
        self._intake = Intake(store)
        self._stop = threading.Event()
        self._underway: dict[int, Future[None]] = {}  # by number of the retrieval

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is under way then waits for the next start."""
        self._stop = stop
        seen, looked, rounds = -1, 0.0, Rounds("retrieving", log)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="retrieve") as pool:
            while not stop.is_set():
                with rounds.one():
                    changes = self.store.database.changes("retrieval")
                    if changes != seen or time.monotonic() - looked > LOOK_SECONDS:
                        looked = time.monotonic()
                        self.take_over()
                        if self._begin_all(pool):
                            seen = changes
                stop.wait(POLL_SECONDS)
        self.lock.release()

    def _begin_all(self, pool: ThreadPoolExecutor) -> bool:
        """Begin what waits and has a place; False when all places are taken, and more may wait."""
        while True:
            self._underway = {number: each for number, each in self._underway.items() if not each.done()}
            if len(self._underway) >= AT_ONCE:
                return False
            row = None if self._stop.is_set() else self._claim()
            if row is None:
                return True
            self._underway[row.retrieval_id] = pool.submit(self._do, row)

    def take_over(self) -> None:
        """What dead workers had begun waits again: instances that came already are known, and not stored twice.

        So does what one of our own threads could not write the end of, for the database was away.
        """
        if not self.lock.is_held():
            self.lock = self.store.locks.hold("retrieve")
        self.store.locks.sweep(("retrieve",))
        at_work = {number for number, each in self._underway.items() if not each.done()}
        with self.store.database.read() as connection:
            claimed = retrievals.claimed(connection)
        ours = [row for row in claimed if row.working == self.lock.name and row.retrieval_id not in at_work]
        dead = self.store.locks.dead({row.working for row in claimed if row.working})
        if dead or ours:
            with self.store.database.write("retrieval") as connection:
                retrievals.release(connection, dead)
                for row in ours:
                    log.warning("the end of retrieval %s could not be kept: it is done again", row.retrieval_id)
                    again = {"state": retrievals.PENDING, "working": None}
                    retrievals.change(connection, row.retrieval_id, claimed_by=row.working, **again)

    def work_one(self, only: int | None = None) -> bool:
        """Do one retrieval; False when none waits."""
        row = self._claim(only)
        if row is not None:
            self._do(row)
        return row is not None

    def _claim(self, only: int | None = None) -> Retrieval | None:
        with self.store.database.read() as connection:
            if retrievals.PENDING not in retrievals.count_underway(connection):
                return None
        with self.store.database.write("retrieval") as connection:
            return retrievals.claim(connection, self.lock.name, only)

    def _do(self, row: Retrieval) -> None:
        try:
            with self.store.tally.timed("retrieve"):
                state, message = _Fetch(self, row, self._intake, self._stop).run()
        except ApplianceError as error:
            state, message = retrievals.ABORTED, str(error)
        except Exception as error:
            log.exception("retrieval %s failed", row.retrieval_id)
            state, message = retrievals.ABORTED, f"it failed ({type(error).__name__}): see the log"
        with self.store.database.write("retrieval", "study") as connection:
            end = {"state": state, "message": message, "working": None}
            if not retrievals.change(connection, row.retrieval_id, claimed_by=row.working, **end):
                log.error("retrieval %s was taken over meanwhile: another worker tells its end", row.retrieval_id)


class _Fetch:
    """One retrieval."""

    def __init__(self, worker: Retriever, row: Retrieval, intake: Intake, stop: threading.Event) -> None:
        self.store = worker.store
        self.limits = worker.limits
        self.moves = worker.moves
        self.row = row
        self.intake = intake
        self.stop = stop
        self.peer = get_peer(self.store, row.peer)
        self.called = pacs.called(self.store, self.peer)
        self.refused: list[str] = []
        self._arrived = 0
        self._gone = False  # it can't be reached, or won't have us
        self._noted = False
        self._told = 0.0
        self._cancelled = self._lost = False

    def run(self) -> tuple[str, str]:
        """Fetch what is not here; the state it ends in, and why."""
        try:
            found = self._ask()
        except DeviceError:
            if not self._is_over():
                raise
        if self._is_over():
            return (retrievals.CANCELED, "cancelled") if self._cancelled else (retrievals.PENDING, "")
        self._tell(self._here(), self._wanted_count(found), force=True)
        failed = ""
        for method in self._methods():
            failed = self._fetch_by(method, found)
            if self._is_over() or not (failed or self._lacks(found)):
                break
        if self._is_over() and not self._cancelled:
            return retrievals.PENDING, ""
        uid, said = self.row.study_instance_uid, failed or self._refusals()
        missing = keep_what_is_known(self.store, uid, self.peer.name, found, said)
        self._tell(self._here(), self._wanted_count(found), force=True)
        if self._cancelled:
            return retrievals.CANCELED, missing if "cancelled" in missing else f"cancelled; {missing}".rstrip("; ")
        if self.row.series:
            return self._end_of_series(found, said, missing)
        return (retrievals.ABORTED if missing else retrievals.COMPLETED), missing

    def _end_of_series(self, found: pacs.Held, failed: str, missing: str) -> tuple[str, str]:
        """The state where some series were asked for: what the rest of the study lacks is no failure of theirs."""
        if not self._has_series_asked_for(found, failed):
            return retrievals.ABORTED, missing or say("not all of the series asked for came")
        said = say("The series asked for are here. Of the study: %(missing)s", missing=missing) if missing else ""
        return retrievals.COMPLETED, said

    def _lacks(self, found: pacs.Held) -> bool:
        return lacks(self.store, self.row.study_instance_uid, found, self.row.series)

    def _has_series_asked_for(self, found: pacs.Held, failed: str) -> bool:
        """Whether they are here, as far as the archive says how many there are."""
        with self.store.database.read() as connection:
            here = instances.counts_of_series(connection, self.row.study_instance_uid)
        if not all(here.get(uid) for uid in self.row.series):
            return False
        lacking = lacking_of_series(self.store, self.row.study_instance_uid, found, self.row.series)
        return lacking == 0 or (lacking is None and not failed)

    def _wanted_count(self, found: pacs.Held) -> int | None:
        """How many instances were asked for; None where the archive does not say."""
        if not self.row.series:
            return found.count
        told = [found.series.get(uid) for uid in self.row.series]
        return None if None in told else sum(count or 0 for count in told)

    def _ask(self) -> pacs.Held:
        """What the archive has of the study. Raises NotFoundError, DeviceError."""
        uid = self.row.study_instance_uid
        try:
            found = pacs.held(self.store, self.peer, uid, self.limits, cancelled=self._is_over)
        except DeviceError:
            if self.row.total is not None:  # an earlier worker knew, and died on the way
                keep_as_half(self.store, uid, self.peer.name, self.row.total)
            raise
        if not found.study and not found.count:
            raise NotFoundError(say("%(peer)s has no study %(uid)s.", peer=self.peer.name, uid=uid))
        return found

    def _refusals(self) -> str:
        if not self.refused:
            return ""
        return say("%(count)s instances were refused here: %(why)s", count=len(self.refused), why=self.refused[0])

    # --- how ---

    def _methods(self) -> Iterator[str]:
        """C-GET, and C-MOVE where that is not offered or did not bring everything; or the one asked for."""
        if self.row.method == "auto":
            yield "get"
            if not self._gone and (self.moves or not self._arrived):
                yield "move"
        else:
            yield self.row.method

    def _fetch_by(self, method: str, found: pacs.Held) -> str:
        """Fetch what is lacking; what went wrong, "" if nothing. Raises ConflictError where C-MOVE can't reach us."""
        failed = ""
        for keys in self._wanted(found):
            try:
                result = self._get(keys, found) if method == "get" else self._move(keys, found)
            except NoAssociationError as error:
                self._gone = error.rejected or not error.permanent
                return str(error)  # the next series would fare no better
            except DeviceError as error:
                failed = str(error)
            else:
                failed = result.message or (_failed(result.failed) if result.failed else failed)
            if self._is_over():
                break
        return failed

    def _wanted(self, found: pacs.Held) -> list[Dataset]:
        """The identifiers to fetch by: the whole study, or the series something is missing of."""
        uid = self.row.study_instance_uid
        with self.store.database.read() as connection:
            here = instances.uids_of_study(connection, uid)
        series: list[str] = list(self.row.series)
        if found.instances and not series:
            lacking = {of for uid, (of, _) in found.instances.items() if uid not in here}
            if not lacking:
                return []
            series = sorted(lacking) if here else []
        return [_identifier(uid, each) for each in series] or [_identifier(uid)]

    def _move(self, wanted: Dataset, found: pacs.Held) -> Retrieved:
        if not self.moves:
            raise ConflictError(
                say(
                    "%(peer)s only sends to our own port (C-MOVE): start the service, and retrieve again.",
                    peer=self.peer.name,
                )
            )
        destination = self.store.settings.dicom.ae_title
        return scu.move(self.called, wanted, destination, following=self._following(found), limits=self.limits)

    def _get(self, wanted: Dataset, found: pacs.Held) -> Retrieved:
        named = sorted({of_class for _, of_class in found.instances.values() if of_class}) or list(COMMON_CLASSES)
        folder = files.make_folder(self.store.folder.spool / f"retrieve-{uuid.uuid4().hex}")
        result = Retrieved(done=True)
        try:
            for start in range(0, len(named), CLASSES_AT_ONCE):
                result = scu.get(
                    self.called,
                    wanted,
                    dict.fromkeys(named[start : start + CLASSES_AT_ONCE], SYNTAXES),
                    self._store_one,
                    spool=spool_into(folder),
                    following=self._following(found),
                    limits=self.limits,
                )
                if self._is_over():
                    break
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
        self._arrived += 1
        try:
            self.intake.take(arrival, Actor(name=self.peer.ae_title, kind="peer", address=self.peer.host))
        except ApplianceError as error:
            self.refused.append(str(error))
            return error.dimse_status
        return 0x0000

    # --- progress ---

    def _following(self, found: pacs.Held) -> Following:
        return Following(progress=self._progress(found), cancelled=self._is_over, arriving=lambda: self._look(found))

    def _look(self, found: pacs.Held) -> int:
        """How many are here; with the first of them stands how many there should be: half a study never looks whole."""
        here = self._here()
        if here and not self._noted:
            self._noted = True
            keep_expected(self.store, self.row.study_instance_uid, self.peer.name, found)
        return here

    def _here(self) -> int:
        """How many instances of what was asked for are here."""
        uid = self.row.study_instance_uid
        with self.store.database.read() as connection:
            if not self.row.series:
                return instances.count_of_study(connection, uid)
            counts = instances.counts_of_series(connection, uid)
        return sum(counts.get(each, 0) for each in self.row.series)

    def _progress(self, found: pacs.Held) -> Callable[[Retrieved], None]:
        def tell(counts: Retrieved) -> None:
            done = counts.completed + counts.warning + counts.failed
            with suppress(ResourceError):  # what can't be told now breaks nothing off
                self._tell(done, self._wanted_count(found) or (done + counts.remaining))

        return tell

    def _tell(self, done: int, total: int | None, force: bool = False) -> None:
        if not force and time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        with self.store.database.write("retrieval-progress") as connection:
            retrievals.change(connection, self.row.retrieval_id, claimed_by=self.row.working, done=done, total=total)

    def _is_over(self) -> bool:
        """Whether a person cancelled it, this process ends, or another worker goes on with it."""
        if not self._cancelled:
            with self.store.database.read() as connection:
                row = retrievals.get(connection, self.row.retrieval_id)
            self._lost = row is not None and row.working != self.row.working
            self._cancelled = row is None or bool(row.cancel)
        return self._cancelled or self._lost or self.stop.is_set()


def _failed(count: int) -> str:
    return say("%(count)s instances failed", count=count)


def _identifier(study: str, series: str = "") -> Any:
    """What is asked for (PS3.4 C.4.2.1.4): level and unique keys, nothing else."""
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "SERIES" if series else "STUDY"
    wanted.StudyInstanceUID = study
    if series:
        wanted.SeriesInstanceUID = series
    return wanted


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
        raise DeviceError(
            say(
                "Study %(study_instance_uid)s was not retrieved whole: %(message)s.",
                study_instance_uid=row["study_instance_uid"],
                message=row["message"].rstrip("."),
            )
        )
