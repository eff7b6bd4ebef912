"""Storage Commitment Push Model (PS3.4 Annex J): requests are kept, checked, and answered on a new association or the
one they came by."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_role
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.events import Event

from appliance.dicom.answering import (
    INVALID_VALUE,
    MISSING_ATTRIBUTE,
    NO_SUCH_ACTION,
    NO_SUCH_INSTANCE,
    UNRECOGNISED_OPERATION,
    Answer,
    StatusError,
    answered,
)
from appliance.dicom.callers import Caller
from appliance.dicom.film_attributes import sent_items, sent_value
from appliance.dicom.requests import read_request
from appliance.errors import ApplianceError
from appliance.events import Actor
from appliance.jobs.keeping import Rounds
from appliance.network.calling import to_call
from appliance.network.events import send_event
from appliance.network.requestor import Peer as Called
from appliance.network.requestor import associated, context, exchange
from appliance.network.spool import SpoolRequest
from appliance.network.uids import is_valid_uid
from appliance.security.peer_verbs import get_peer
from appliance.store import commitments
from appliance.store.files import failpoint
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.studies import commitment

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
REQUEST = 1  # Action Type ID
ALL_GOOD, SOME_FAILED = 1, 2  # Event Type ID
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
MOST_REFERENCES = 100_000
MOST_ELEMENTS = 3 * MOST_REFERENCES + 100
"""An item and its two UIDs each."""
POLL_SECONDS = 0.3
AT_ONCE = 8
"""Peers that are told at a time."""
AGAIN_SECONDS = (5, 30, 120, 600, 1800, 3600)
GIVE_UP = dt.timedelta(hours=24)
FIRST = dt.timedelta(seconds=10)
"""Of several machines, the one that was asked goes first for so long."""

log = logging.getLogger(__name__)


class CommitmentScp:
    """The part of the plug board that takes requests, from peers that are allowed to ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.open: dict[int, Caller] = {}  # request -> the association it came by
        self._noting = threading.Lock()

    def supported(self, caller: Caller) -> Mapping[str, Sequence[str]]:
        return {STORAGE_COMMITMENT: SYNTAXES} if "commit" in caller.peer.allows and caller.peer.known else {}

    def opened(self, caller: Caller) -> None:
        return None

    def closed(self, caller: Caller) -> None:
        with self._noting:
            for number, other in list(self.open.items()):
                if other is caller:
                    del self.open[number]

    def taken(self, number: int) -> Caller | None:
        """The association a request came by, while that is open; given once."""
        with self._noting:
            return self.open.pop(number, None)

    def spool_folder(self, caller: Caller, request: SpoolRequest) -> Path | None:
        return None

    def serve(self, caller: Caller, event: Event, service: str) -> Answer:
        if service != "N-ACTION":
            return Answer(status=UNRECOGNISED_OPERATION, comment="only N-ACTION is served here")
        return answered(f"commitment request of {caller}", lambda: self._request(caller, event))

    def _request(self, caller: Caller, event: Event) -> Answer:
        request: Any = event.request
        if str(request.RequestedSOPInstanceUID) != WELL_KNOWN:
            raise StatusError(NO_SUCH_INSTANCE, f"the instance is {WELL_KNOWN}")
        if request.ActionTypeID != REQUEST:
            raise StatusError(NO_SUCH_ACTION, "the action is 1, request storage commitment")
        transaction_uid, asked = _asked(read_request(event, "N-ACTION").dataset(MOST_ELEMENTS))
        with self._noting:  # it may be answered as soon as it is kept: by then its association is known
            self.open[self._kept(caller, transaction_uid, asked)] = caller
        return Answer()

    def _kept(self, caller: Caller, transaction_uid: str, asked: commitment.Asked) -> int:
        return commitment.request_commitment(
            self._store,
            transaction_uid,
            asked,
            caller.actor,
            peer=caller.peer.name,
            called_ae_title=caller.called_ae_title,
        )


def _asked(information: Dataset) -> tuple[str, list[tuple[str, str]]]:
    """Transaction UID and references of a request. Raises StatusError."""
    transaction_uid = str(sent_value(information, "TransactionUID") or "")
    references = sent_items(information, "ReferencedSOPSequence")
    if not transaction_uid or not references:
        missing = "ReferencedSOPSequence" if transaction_uid else "TransactionUID"
        raise StatusError(MISSING_ATTRIBUTE, f"{missing} is missing or empty", (missing,))
    pairs = [_pair(item) for item in references[:MOST_REFERENCES]]
    if len(references) > MOST_REFERENCES or not all(
        map(is_valid_uid, (transaction_uid, *(u for pair in pairs for u in pair)))
    ):
        raise StatusError(INVALID_VALUE, "a UID is no UID, or there are too many", ("ReferencedSOPSequence",))
    return transaction_uid, pairs


def _pair(item: Dataset) -> tuple[str, str]:
    keywords = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
    sop_class, uid = (str(sent_value(item, keyword) or "") for keyword in keywords)
    return sop_class, uid


class Committer:
    """Checks what was asked and answers; what can't be told now is told later.

    Each peer is told in a thread of its own: one that takes the call and says nothing keeps no other waiting.
    """

    def __init__(self, store: Store, scp: CommitmentScp) -> None:
        self._store = store
        self._scp = scp

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        at_work: dict[str, threading.Thread] = {}
        rounds = Rounds("storage commitment", log)
        while not stop.wait(POLL_SECONDS):
            at_work = {peer: thread for peer, thread in at_work.items() if thread.is_alive()}
            with rounds.one():
                with self._store.database.read() as connection:
                    peers = commitments.peers_due(connection)
                for peer in peers:
                    if peer not in at_work and len(at_work) < AT_ONCE:
                        thread = threading.Thread(target=self._answer_peer, args=(peer, stop), daemon=True)
                        thread.start()
                        at_work[peer] = thread
        for thread in at_work.values():
            thread.join(1.0)

    def _answer_peer(self, peer: str, stop: threading.Event) -> None:
        """What one peer has asked for, until it can't be told."""
        try:
            with self._store.database.read() as connection:
                rows = commitments.due(connection, peer)
            for row in rows:
                if stop.is_set() or not self._answer_if_ours(row):
                    return
        except Exception as error:
            log.error("storage commitment for %s failed: %s", peer, type(error).__name__)
            stop.wait(2.0)

    def _answer_if_ours(self, row: commitments.Commitment) -> bool:
        """Of several machines one answers: first the one that was asked, which may have the association still.

        The right to answer is a lock, which dies with its machine. False when the peer could not be told.
        """
        if not self._store.node:
            return self._answer(row)
        if row.commitment_id not in self._scp.open and abs(now() - row.created) < FIRST:
            return True
        mine = self._store.locks.only_one(f"commitment-{row.commitment_id}")
        if not mine.take():
            return True
        try:
            with self._store.database.read() as connection:
                still = commitments.still_due(connection, row)
            return still is None or self._answer(still)
        finally:
            mine.close()

    def _answer(self, row: commitments.Commitment) -> bool:
        actor = Actor(name=row.ae_title, kind="peer", address=row.address)
        failed = row.failed
        if failed is None:
            failed = commitment.check(self._store, row.commitment_id, row.asked, actor)
        try:
            how = self._tell(row, _report(row, failed), SOME_FAILED if failed else ALL_GOOD)
            failpoint("commitment.told")
            values: dict[str, Any] = {"state": commitments.ANSWERED, "message": how}
        except ApplianceError as error:
            values = _later(row, str(error))
            log.warning("commitment %s of %s is not told yet: %s", row.transaction_uid, row.ae_title, error)
        except Exception as error:  # a fault of ours with this one: it must not keep the others waiting for ever
            values = _later(row, type(error).__name__)
            log.exception("commitment %s of %s could not be told", row.transaction_uid, row.ae_title)
        with self._store.database.write("commitment") as connection:
            commitments.change(connection, row.commitment_id, attempts=row.attempts + 1, **values)
        return values.get("state") == commitments.ANSWERED

    def _tell(self, row: commitments.Commitment, report: Dataset, kind: int) -> str:
        """Send the event; how it went out. Raises ApplianceError when nobody could be told."""
        peer = get_peer(self._store, row.peer)
        caller = self._scp.taken(row.commitment_id)
        if peer.host and peer.port:
            try:
                self._call(replace(to_call(self._store, peer), calling=row.called_ae_title), report, kind)
                return "told on a new association"
            except ApplianceError:
                if caller is None:
                    raise
        if caller is not None and send_event(caller.association, kind, STORAGE_COMMITMENT, WELL_KNOWN, report):
            return "told on the association it was asked by"
        raise ApplianceError(f"peer {peer.name} has ended its association and has no host and port to call")

    @staticmethod
    def _call(called: Called, report: Dataset, kind: int) -> None:
        role = build_role(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
        proposed = context(STORAGE_COMMITMENT, *SYNTAXES)
        with associated(called, [proposed], extended=[role]) as association:
            event = N_EVENT_REPORT()
            event.AffectedSOPClassUID, event.AffectedSOPInstanceUID = STORAGE_COMMITMENT, WELL_KNOWN
            event.EventTypeID = kind
            accepted = association.accepted_contexts[0]
            status, _, _ = exchange(association, accepted, event, dataset=("EventInformation", report))
        if status != 0:
            raise ApplianceError(f"{called} answers the report with status {status:04X}")


def _later(row: commitments.Commitment, message: str) -> dict[str, Any]:
    if now() - row.created > GIVE_UP:
        return {"state": commitments.GIVEN_UP, "message": message}
    seconds = AGAIN_SECONDS[min(row.attempts, len(AGAIN_SECONDS) - 1)]
    return {"not_before": now() + dt.timedelta(seconds=seconds), "message": message}


def _report(row: commitments.Commitment, failed: list[list[Any]]) -> Dataset:
    """Event Information (PS3.4 Table J.3-2)."""
    bad = {(sop_class, uid) for sop_class, uid, _ in failed}
    report = Dataset()
    report.TransactionUID = row.transaction_uid
    asked = dict.fromkeys((sop_class, uid) for sop_class, uid in row.asked)  # each is answered once
    good = [_reference(*each) for each in asked if each not in bad]
    if good:
        report.ReferencedSOPSequence = good
    if failed:
        report.FailedSOPSequence = [_reference(sop_class, uid, reason) for sop_class, uid, reason in failed]
    return report


def _reference(sop_class: str, uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    if reason is not None:
        item.FailureReason = reason
    return item
