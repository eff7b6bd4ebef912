"""Data sets that go to disk as they arrive."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from appliance.errors import ResourceError
from appliance.network.association import BoundedAssociation
from appliance.network.commands import encode_command
from appliance.network.spool import SpooledDataset, spooled_dataset
from appliance.store import files
from tests.network.conftest import QUICK, Bench, eventually
from tests.network.raw import IMPLICIT, RawPeer, command, p_data, presentation_context
from tests.network.test_hostile_peers import N_SET, PRINT

CT = get_testdata_file("CT_small.dcm")
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
C_STORE = {
    "AffectedSOPClassUID": CT_IMAGE,
    "AffectedSOPInstanceUID": "1.2.3",
    "CommandField": 0x0001,
    "MessageID": 1,
    "Priority": 0,
    "CommandDataSetType": 1,
}


def storescu(port: int, *paths: str) -> int:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    command_line = ["storescu", "-aec", "APPLIANCE", "127.0.0.1", str(port), *paths]
    return subprocess.run(command_line, env=environment, timeout=30, check=False).returncode


def test_a_stored_instance_is_a_dicom_file_that_needs_only_a_rename(bench: Bench, tmp_path: Path) -> None:
    seen: list[SpooledDataset] = []
    digests = []

    def handle(event: evt.Event) -> int:
        spooled = spooled_dataset(event)
        seen.append(spooled)
        digests.append(spooled.sha256)
        files.sync_file(spooled.path)
        files.rename(spooled.path, tmp_path / "kept.dcm")
        return 0x0000

    group = bench.serve((evt.EVT_C_STORE, handle))
    assert storescu(group.port, CT) == 0
    kept = dcmread(tmp_path / "kept.dcm")
    sent = dcmread(CT)
    assert kept.file_meta.TransferSyntaxUID == seen[0].transfer_syntax
    assert kept.file_meta.MediaStorageSOPInstanceUID == sent.SOPInstanceUID
    assert kept.PixelData == sent.PixelData
    data = (tmp_path / "kept.dcm").read_bytes()[seen[0].offset :]
    assert len(data) == seen[0].size
    assert hashlib.sha256(data).hexdigest() == digests[0]
    assert subprocess.run(["dcmdump", "-q", tmp_path / "kept.dcm"], check=False, capture_output=True).returncode == 0
    assert eventually(lambda: not bench.leftovers)


def test_who_watches_pdus_sees_each_of_them(bench: Bench) -> None:
    seen: list[str] = []
    group = bench.serve(
        (evt.EVT_C_STORE, lambda event: spooled_dataset(event).size and 0),
        (evt.EVT_PDU_RECV, lambda event: seen.append(type(event.pdu).__name__)),
    )
    assert storescu(group.port, CT) == 0
    assert seen[0] == "A_ASSOCIATE_RQ"
    assert seen.count("P_DATA_TF") >= 2
    assert "A_RELEASE_RQ" in seen


def test_what_the_handler_leaves_is_removed(bench: Bench) -> None:
    there = []
    group = bench.serve((evt.EVT_C_STORE, lambda event: there.append(spooled_dataset(event).path.exists()) or 0))
    assert storescu(group.port, CT) == 0
    assert there == [True]
    assert eventually(lambda: not bench.leftovers)


def test_a_data_set_that_is_too_large_is_drained_and_the_handler_told(bench: Bench) -> None:
    told = []

    def handle(event: evt.Event) -> tuple[int, None]:
        try:
            spooled_dataset(event)
        except ResourceError as error:
            told.append(str(error))
            return 0xC605, None
        return 0x0000, None

    group = bench.serve((evt.EVT_N_SET, handle), limits=dataclasses.replace(QUICK, dataset_max=1000))
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        peer.send(command(N_SET) + p_data((1, 0, b"x" * 5000)) * 20 + p_data((1, 2, b"x")))
        assert b"\0\0\0\x09\2\0\0\0\x05\xc6" in peer.pdu()
        peer.send(command({**N_SET, "MessageID": 8}) + p_data((1, 2, b"small")))
        assert b"\0\0\0\x09\2\0\0\0\0\0" in peer.pdu()
    assert len(told) == 1
    assert "1000 bytes" in told[0]
    assert eventually(lambda: not bench.leftovers)


@pytest.mark.parametrize("fault", ["ENOSPC", "EROFS", "EIO"])
@pytest.mark.parametrize("operation", [1, 2, 3])
def test_a_disk_that_refuses_never_makes_a_success(bench: Bench, fault: str, operation: int) -> None:
    """The handler here answers success without looking: the transport must not let that pass."""
    group = bench.serve((evt.EVT_N_SET, lambda event: (0x0000, None)))
    files.set_fault(f"{operation}:{fault}")
    try:
        with RawPeer(group.port) as peer:
            peer.associate(PRINT)
            peer.send(command(N_SET) + p_data((1, 0, b"x" * 5000)) * 3 + p_data((1, 2, b"x")))
            answer = peer.pdu()
            assert answer[0] == 4
            assert b"\0\0\0\x09\2\0\0\0\x13\2" in answer
    finally:
        files.set_fault("")
    assert eventually(lambda: not bench.leftovers)


def test_a_film_of_sixty_megabytes_costs_little_memory(bench: Bench) -> None:
    """Peak of the whole process, client included: the client reads the film from disk in pieces."""
    sizes = []

    def handle(event: evt.Event) -> tuple[int, None]:
        sizes.append(spooled_dataset(event).size)
        return 0x0000, None

    group = bench.serve((evt.EVT_N_SET, handle))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _memory("VmRSS")
    piece = p_data((1, 0, b"\0" * 131000))
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        peer.send(command(N_SET))
        for _ in range(460):
            peer.send(piece)
        peer.send(p_data((1, 2, b"")))
        assert peer.pdu()[0] == 4
    assert sizes == [460 * 131000]
    assert _memory("VmHWM") - before < 16 * 1024


def _memory(name: str) -> int:
    """In KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def test_each_request_can_choose_its_folder(bench: Bench, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    asked, where = [], []

    def spool(request):
        asked.append((request.kind, request.sop_class_uid, request.sop_instance_uid, request.abstract_syntax))
        return films

    def handle(event: evt.Event) -> tuple[int, None]:
        where.append(spooled_dataset(event).path.parent)
        return 0, None

    group = bench.serve((evt.EVT_N_SET, handle), spool=spool)
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        peer.send(command(N_SET) + p_data((1, 2, b"abcd")))
        assert peer.pdu()[0] == 4
    assert asked == [("N-SET", "1.2.840.10008.5.1.1.4", "1.2.3", "1.2.840.10008.5.1.1.9")]
    assert where == [films]


def test_a_sop_instance_uid_is_never_part_of_a_file_name(bench: Bench) -> None:
    answered = []
    group = bench.serve((evt.EVT_C_STORE, lambda event: answered.append(spooled_dataset(event)) or 0))
    request = {
        "AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "AffectedSOPInstanceUID": "../../../pwned",
        "CommandField": 1,
        "MessageID": 1,
        "Priority": 0,
        "CommandDataSetType": 1,
    }
    with RawPeer(group.port) as peer:
        peer.associate(presentation_context(1, b"1.2.840.10008.5.1.4.1.1.7", IMPLICIT))
        peer.send(command(request) + p_data((1, 2, b"abcd")))
        assert b"\0\0\0\x09\2\0\0\0\0\xc0" in peer.pdu()
    assert not answered
    assert not list(bench.spool.parent.parent.rglob("*pwned*"))


def test_films_of_many_associations_at_once_stay_apart(bench: Bench) -> None:
    wrong = []

    def handle(event: evt.Event) -> tuple[int, None]:
        number = int(event.request.RequestedSOPInstanceUID.split(".")[-1])
        if set(spooled_dataset(event).path.read_bytes()) != {number}:
            wrong.append(number)
        return 0, None

    group = bench.serve((evt.EVT_N_SET, handle))

    def film(number: int) -> None:
        with RawPeer(group.port) as peer:
            peer.associate(PRINT)
            for _ in range(5):
                request = command({**N_SET, "RequestedSOPInstanceUID": f"1.2.{number}"})
                peer.send(request + p_data((1, 0, bytes([number]) * 16000)) * 10 + p_data((1, 2, bytes([number]))))
                if peer.pdu()[:1] != b"\x04":
                    wrong.append(number)

    threads = [threading.Thread(target=film, args=(number,)) for number in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert eventually(lambda: not bench.leftovers)


def test_an_instance_that_comes_in_the_moment_of_acceptance_is_answered(bench: Bench) -> None:
    """It may be here before the association's own thread has noted that there is one."""
    stored = threading.Event()

    def be_slow(event: evt.Event) -> None:
        dimse = event.assoc.dimse
        assert eventually(lambda: dimse.msg_queue.qsize() or (stored.is_set() and not dimse.serving))

    def handle(event: evt.Event) -> int:
        stored.set()
        return 0x0000

    group = bench.serve((evt.EVT_ACCEPTED, be_slow), (evt.EVT_C_STORE, handle))
    with RawPeer(group.port) as peer:
        peer.associate(presentation_context(1, CT_IMAGE.encode(), IMPLICIT))
        peer.send(command(C_STORE) + p_data((1, 2, b"\x08\x00\x18\x00\x06\x00\x00\x001.2.3\x00")))
        assert peer.pdu()[:1] == b"\x04", "stored, and nothing said"
    assert stored.is_set()


def test_a_request_counts_as_running_from_its_first_byte_to_its_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops the service asks between any two lines: what runs is let end, the rest is aborted."""
    running: dict[str, bool] = {}
    serve_queued = BoundedAssociation._serve_queued

    def taken(association: BoundedAssociation, message: Any, context_id: int) -> None:
        running["off the queue"] = association.busy
        serve_queued(association, message, context_id)

    def whole(event: evt.Event) -> None:
        running[f"whole {event.message.command_set.CommandField:04X}"] = event.assoc.busy

    monkeypatch.setattr(BoundedAssociation, "_serve_queued", taken)
    group = bench.serve(
        (evt.EVT_C_STORE, lambda event: 0), (evt.EVT_N_SET, lambda event: (0, None)), (evt.EVT_DIMSE_RECV, whole)
    )
    with RawPeer(group.port) as peer:
        peer.associate(PRINT, presentation_context(3, CT_IMAGE.encode(), IMPLICIT))
        for request in (
            command(N_SET) + p_data((1, 2, b"\1" * 10)),
            p_data((3, 3, encode_command(C_STORE)), (3, 2, b"\1" * 10)),
        ):
            peer.send(request)
            assert peer.pdu()[:1] == b"\x04"
        [association] = group.associations
        assert eventually(lambda: not association.busy)
    assert running == {"off the queue": True, "whole 0120": True, "whole 0001": True}


def test_requests_that_are_small_by_nature_stay_in_memory_and_are_bounded(bench: Bench) -> None:
    group = bench.serve((evt.EVT_N_CREATE, lambda event: (0, None)), limits=dataclasses.replace(QUICK, memory_max=2000))
    ae = AE("X")
    ae.add_requested_context("1.2.840.10008.5.1.1.9")
    association = ae.associate("127.0.0.1", group.port)
    large = Dataset()
    large.FilmSessionLabel = "x" * 4000
    status, _ = association.send_n_create(large, "1.2.840.10008.5.1.1.1", "1.2.3", meta_uid="1.2.840.10008.5.1.1.9")
    assert status.Status == 0x0213
    association.release()
