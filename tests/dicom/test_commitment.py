"""Storage commitment: promised on evidence, told on a new association or the same, survives a restart."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt

from appliance.dicom.commitment_scp import STORAGE_COMMITMENT, WELL_KNOWN, CommitmentScp, Committer
from appliance.dicom.server import DicomServer
from appliance.errors import ConflictError
from appliance.network.tls import server_context
from appliance.printing.first_run import add_first_printer
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store import commitments, files, instances
from appliance.store.store import Store
from appliance.studies import commitment, removal, search
from appliance.studies.intake import Intake
from tests.media import made
from tests.network.conftest import eventually
from tests.studies.arrivals import SCANNER, arrival, files_of
from tests.support.certificates import identity

STUDY = f"{made.ROOT}.1"
TRANSACTION = "2.25.4711"
MR = "1.2.840.10008.5.1.4.1.1.4"


@dataclass
class Scanner:
    """A modality that asks, and listens for the answer on a port of its own or on its association."""

    reports: list[tuple[int, Dataset]] = field(default_factory=list)
    told: threading.Event = field(default_factory=threading.Event)

    def _told(self, event: evt.Event) -> tuple[int, None]:
        self.reports.append((event.request.EventTypeID, event.event_information))
        self.told.set()
        return 0x0000, None

    @property
    def handlers(self) -> list[tuple[object, object]]:
        return [(evt.EVT_N_EVENT_REPORT, self._told)]

    def listen(self, tls: ssl.SSLContext | None = None) -> object:
        ae = AE("SCANNER")
        ae.add_supported_context(STORAGE_COMMITMENT, scu_role=True, scp_role=True)
        return ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=self.handlers, ssl_context=tls)  # type: ignore[arg-type]

    def ask(self, port: int, *uids: str, wait: bool = False, transaction: str = TRANSACTION, **odd: object) -> int:
        ae = AE("SCANNER")
        ae.add_requested_context(STORAGE_COMMITMENT)
        association = ae.associate("127.0.0.1", port, ae_title="APPLIANCE", evt_handlers=self.handlers)  # type: ignore[arg-type]
        if not association.is_established:
            raise ConnectionError
        request = Dataset()
        request.TransactionUID = transaction
        request.ReferencedSOPSequence = [reference(uid) for uid in uids] + odd.pop("also", [])  # type: ignore[operator]
        kind, instance = odd.get("action", 1), odd.get("instance", WELL_KNOWN)
        status, _ = association.send_n_action(request, kind, STORAGE_COMMITMENT, instance)  # type: ignore[arg-type]
        if wait:
            assert self.told.wait(20)
        association.release()
        return int(status.Status)

    def answer(self) -> tuple[int, set[str], dict[str, int]]:
        """Event type, what was committed, what failed and why."""
        assert self.told.wait(20)
        kind, report = self.reports[-1]
        assert report.TransactionUID == TRANSACTION
        good = {item.ReferencedSOPInstanceUID for item in report.get("ReferencedSOPSequence", [])}
        failed = {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.get("FailedSOPSequence", [])}
        return kind, good, failed


def reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = made.CT, uid
    return item


@pytest.fixture
def door(store: Store) -> Iterator[DicomServer]:
    add_first_printer(store)
    scp = CommitmentScp(store)
    server = DicomServer(store, [scp])
    server.start()
    stop = threading.Event()
    thread = threading.Thread(target=Committer(store, scp).run, args=(stop,))
    thread.start()
    yield server
    stop.set()
    thread.join()
    server.stop(0)


@pytest.fixture
def scanner(store: Store) -> Iterator[Scanner]:
    """It listens, and is known to."""
    scanner = Scanner()
    server = scanner.listen()
    port = server.server_address[1]  # type: ignore[attr-defined]
    peer = Peer(name="scanner", ae_title="SCANNER", host="127.0.0.1", port=port, allows=("store", "commit"))
    add_peer(store, peer, SCANNER)
    yield scanner
    server.shutdown()  # type: ignore[attr-defined]


def take(store: Store, *numbers: int) -> list[str]:
    intake = Intake(store)
    return [intake.take(arrival(store, made.image(number)), SCANNER).sop_instance_uid for number in numbers]


def test_what_is_whole_is_promised_and_told_on_a_new_association(
    store: Store, door: DicomServer, scanner: Scanner
) -> None:
    uids = take(store, 1, 2)
    assert scanner.ask(door.port, *uids) == 0
    assert scanner.answer() == (1, set(uids), {})
    assert search.show_study(store, STUDY)["committed"] is True


def test_what_is_damaged_missing_or_doubtful_is_not_promised(store: Store, door: DicomServer, scanner: Scanner) -> None:
    good, doubtful = take(store, 1, 2)
    Intake(store).take(arrival(store, made.image(2, InstanceNumber=9)), SCANNER)
    before = set(files_of(store))
    [damaged] = take(store, 3)
    [path] = set(files_of(store)) - before
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert scanner.ask(door.port, good, doubtful, damaged, "1.2.3") == 0
    assert scanner.answer() == (2, {good}, {doubtful: 0x0110, damaged: 0x0110, "1.2.3": 0x0112})


def test_a_peer_without_a_port_is_told_on_its_own_association(store: Store, door: DicomServer) -> None:
    add_peer(store, Peer(name="scanner", ae_title="SCANNER", allows=("store", "commit")), SCANNER)
    uids = take(store, 1)
    scanner = Scanner()
    assert scanner.ask(door.port, *uids, wait=True) == 0
    assert scanner.answer() == (1, set(uids), {})


def test_it_is_told_there_also_when_it_is_checked_before_the_association_is_noted(
    store: Store, door: DicomServer
) -> None:
    add_peer(store, Peer(name="scanner", ae_title="SCANNER", allows=("store", "commit")), SCANNER)
    uids, scanner, beside = take(store, 1), Scanner(), threading.Thread(target=lambda: answered(store, within=1.0))

    def be_slow(kind: str, name: str, other: str) -> None:
        if name == "commitment.asked":
            beside.start()
            beside.join()

    files.record_with(be_slow)
    try:
        assert scanner.ask(door.port, *uids, wait=True) == 0
    finally:
        files.record_with(None)
    assert answered(store, within=10.0) == ["told on the association it was asked by"]
    with store.database.read() as connection:
        assert list(connection.exec_driver_sql("SELECT attempts FROM commitment").scalars()) == [1]


def answered(store: Store, within: float) -> list[str]:
    """What was noted of requests somebody tried to answer, once there are any."""
    tried: list[str] = []

    def look() -> bool:
        with store.database.read() as connection:
            rows = connection.exec_driver_sql("SELECT message FROM commitment WHERE attempts > 0")
            tried[:] = list(rows.scalars())
        return bool(tried)

    eventually(look, within)
    return tried


def test_the_end_of_an_association_costs_no_other_its_answer(store: Store) -> None:
    scp, ending, other = CommitmentScp(store), object(), object()

    class Meanwhile(dict[int, object]):
        """Another association asks while this one ends."""

        def items(self) -> Any:
            for pair in list(super().items()):
                self[2] = other
                yield pair

    scp.open = Meanwhile({1: ending})  # type: ignore[assignment]
    scp.closed(ending)  # type: ignore[arg-type]
    assert dict(scp.open.items()) == {2: other}  # type: ignore[comparison-overlap]


def test_only_peers_set_so_may_ask(store: Store, door: DicomServer) -> None:
    with pytest.raises(ConnectionError):
        Scanner().ask(door.port, "1.2.3")
    add_peer(store, Peer(name="scanner", ae_title="SCANNER", allows=("store",)), SCANNER)
    with pytest.raises(ConnectionError):
        Scanner().ask(door.port, "1.2.3")


@pytest.mark.parametrize(
    ("odd", "status"),
    [({"action": 2}, 0x0123), ({"instance": "1.2.3"}, 0x0112), ({"transaction": ""}, 0x0120)],
)
def test_requests_that_are_none_are_refused(
    store: Store, door: DicomServer, scanner: Scanner, odd: dict[str, object], status: int
) -> None:
    assert scanner.ask(door.port, "1.2.3", **odd) == status  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("references", "status"),
    [
        (DataElement(0x00081199, "LO", "1.2.3.4"), 0x0106),
        (DataElement(0x00081199, "SQ", [Dataset() for _ in range(150_000)]), 0x0110),
    ],
    ids=["no sequence", "empty items without end"],
)
def test_references_that_are_none_are_refused_before_they_cost_much(
    store: Store, door: DicomServer, scanner: Scanner, references: DataElement, status: int
) -> None:
    ae, request = AE("SCANNER"), Dataset()
    ae.add_requested_context(STORAGE_COMMITMENT, ExplicitVRLittleEndian)
    request.TransactionUID = TRANSACTION
    request.add(references)
    association = ae.associate("127.0.0.1", door.port, ae_title="APPLIANCE")
    answer, _ = association.send_n_action(request, 1, STORAGE_COMMITMENT, WELL_KNOWN)
    association.release()
    assert answer.Status == status


def test_an_answer_waits_for_the_peer_and_for_the_next_start(store: Store, scanner: Scanner) -> None:
    """Asked before a restart, while nobody listens: told by the next process when its time comes."""
    uids = take(store, 1)
    add_first_printer(store)
    door = DicomServer(store, [CommitmentScp(store)])  # nobody works off requests here
    door.start()
    assert scanner.ask(door.port, *uids) == 0
    door.stop(0)
    stop = threading.Event()
    thread = threading.Thread(target=Committer(store, CommitmentScp(store)).run, args=(stop,))
    thread.start()
    assert scanner.answer() == (1, set(uids), {})
    stop.set()
    thread.join()


def test_what_was_promised_is_told_the_same_again(store: Store, door: DicomServer, scanner: Scanner) -> None:
    uids = take(store, 1)
    for _ in range(2):
        scanner.told.clear()
        assert scanner.ask(door.port, *uids) == 0
        assert scanner.answer() == (1, set(uids), {})
    assert len(scanner.reports) == 2


def test_other_instances_under_the_same_transaction_are_answered_too(store: Store) -> None:
    add_peer(store, Peer(name="scanner", ae_title="SCANNER", allows=("store", "commit")), SCANNER)
    add_first_printer(store)
    scanner, uids = Scanner(), take(store, 1)
    scp = CommitmentScp(store)
    server = DicomServer(store, [scp])
    server.start()
    try:
        for asked in (uids, uids, [*uids, "1.2.3"]):  # asked again before it was answered, and then with one more
            assert scanner.ask(server.port, *asked) == 0
        with store.database.read() as connection:
            rows = commitments.pending_of(connection, TRANSACTION, "SCANNER")
        assert [[uid for _, uid in row.asked] for row in rows] == [uids, [*uids, "1.2.3"]]
    finally:
        server.stop(0)


def test_a_peer_called_by_tls_is_told_by_tls(store: Store, door: DicomServer, tmp_path: Path) -> None:
    its = identity(tmp_path, "scanner")
    folder = store.folder.root / "tls"
    folder.mkdir()
    shutil.copy(its.certificate, folder / "authorities.pem")
    scanner = Scanner()
    server = scanner.listen(server_context(its.certificate, its.key))
    port = server.server_address[1]  # type: ignore[attr-defined]
    peer = Peer(name="scanner", ae_title="SCANNER", host="127.0.0.1", port=port, tls=True, allows=("commit",))
    add_peer(store, peer, SCANNER)
    uids = take(store, 1)
    assert scanner.ask(door.port, *uids) == 0
    assert scanner.answer() == (1, set(uids), {})
    server.shutdown()  # type: ignore[attr-defined]
    with store.database.read() as connection:
        assert commitments.get(connection, 1).message == "told on a new association"  # type: ignore[union-attr]


def test_an_instance_asked_about_twice_is_answered_once_for_each_class(
    store: Store, door: DicomServer, scanner: Scanner
) -> None:
    [uid] = take(store, 1)
    wrong = reference(uid)
    wrong.ReferencedSOPClassUID = MR
    assert scanner.ask(door.port, uid, uid, also=[wrong]) == 0
    assert scanner.answer() == (2, {uid}, {uid: 0x0119})
    report = scanner.reports[-1][1]
    assert (len(report.ReferencedSOPSequence), len(report.FailedSOPSequence)) == (1, 1)


def test_what_is_purged_in_the_moment_of_the_promise_is_not_promised(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [uid] = take(store, 1)
    look = commitment._why_not

    def purged_meanwhile(*arguments: object) -> int | None:
        found = look(*arguments)  # type: ignore[arg-type]
        removal.purge_study(store, STUDY, SCANNER)
        return found

    monkeypatch.setattr(commitment, "_why_not", purged_meanwhile)
    asked = [(made.CT, uid)]
    number = commitment.request_commitment(store, TRANSACTION, asked, SCANNER, peer="", called_ae_title="APPLIANCE")
    assert commitment.check(store, number, asked, SCANNER) == [(made.CT, uid, 0x0112)]


def test_a_promised_content_does_not_give_way_to_a_later_one(store: Store, door: DicomServer, scanner: Scanner) -> None:
    [uid] = take(store, 1)
    assert scanner.ask(door.port, uid) == 0
    scanner.answer()
    Intake(store).take(arrival(store, made.image(1, InstanceNumber=9)), SCANNER)
    with store.database.read() as connection:
        _, late = instances.of_uid(connection, uid)
    with pytest.raises(ConflictError, match="was promised to its sender"):
        removal.decide_content(store, uid, late.sha256.hex(), SCANNER)
    assert not removal.purge_study(store, STUDY, SCANNER)
    assert len(files_of(store)) == 2


def test_a_peer_that_says_nothing_keeps_no_other_waiting(store: Store, door: DicomServer, scanner: Scanner) -> None:
    uids = take(store, 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        host, port = mute.getsockname()
        add_peer(store, Peer(name="mute", ae_title="MUTE", host=host, port=port, allows=("store", "commit")), SCANNER)
        for number in range(30):  # more than are looked at in one round
            with store.database.write("commitment") as connection:
                asked = {"transaction_uid": f"2.25.{number}", "asked": [[made.CT, uids[0]]], "peer": "mute"}
                commitments.insert(connection, **asked, ae_title="MUTE", called_ae_title="APPLIANCE", address=host)
        mute.settimeout(20)
        called, _ = mute.accept()  # and never answered
        with called:
            assert scanner.ask(door.port, *uids) == 0
            assert scanner.answer() == (1, set(uids), {})
