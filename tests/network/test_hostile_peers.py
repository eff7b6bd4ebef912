"""Peers that stall, drip, flood and lie (reliability reference 1.2: P1 to P20, N1 to N7)."""

from __future__ import annotations

import dataclasses
import struct
import threading
from pathlib import Path

import pytest
from pynetdicom import AE, evt

from appliance.network.commands import encode_command
from appliance.network.server import ServerGroup
from appliance.network.spool import spooled_dataset
from tests.network.conftest import QUICK, Bench, eventually, our_threads
from tests.network.raw import (
    ECHO_RQ,
    IMPLICIT,
    VERIFICATION,
    RawPeer,
    associate_rq,
    command,
    p_data,
    presentation_context,
)

ABORT, ACCEPT, REJECT = 7, 2, 3
N_SET = {
    "RequestedSOPClassUID": "1.2.840.10008.5.1.1.4",
    "RequestedSOPInstanceUID": "1.2.3",
    "CommandField": 0x0120,
    "MessageID": 7,
    "CommandDataSetType": 1,
}
PRINT = presentation_context(1, b"1.2.840.10008.5.1.1.9", IMPLICIT)


def echo_works(port: int) -> bool:
    with RawPeer(port) as peer:
        peer.associate()
        peer.send(command(ECHO_RQ))
        return peer.pdu()[:1] == b"\x04"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_connection_that_asks_for_nothing_is_closed_at_the_deadline(bench: Bench) -> None:
    group = bench.serve()
    with RawPeer(group.port) as peer:
        assert eventually(lambda: group.gate.pending == 1)
        assert peer.closed()
    assert eventually(lambda: group.gate.pending == 0)


@pytest.mark.parametrize("calling", [b"CT1\0\0\0\0\0\0\0\0\0\0\0\0\0", b"CT1\0", b"CT1\0rest of a buf"])
def test_ae_titles_that_end_as_c_strings_are_taken(bench: Bench, calling: bytes) -> None:
    """So does eFilm (pynetdicom's issue 921); every acceptor made with DCMTK takes them."""
    group = bench.serve()
    with RawPeer(group.port) as peer:
        peer.send(associate_rq(PRINT, called=b"APPLIANCE".ljust(16, b"\0"), calling=calling))
        assert peer.pdu()[0] == ACCEPT
        [association] = group.associations
        assert (association.requestor.ae_title, association.acceptor.primitive.called_ae_title.strip()) == (
            "CT1",
            "APPLIANCE",
        )


@pytest.mark.parametrize("calling", [b"", b"\0" * 16, b"RADIOLOGIE \xe9"])
def test_a_device_without_an_ae_title_is_said_to_have_none(bench: Bench, calling: bytes) -> None:
    group = bench.serve()
    with RawPeer(group.port) as peer:
        peer.send(associate_rq(PRINT, calling=calling))
        assert peer.pdu()[0] == ABORT
    assert eventually(lambda: any("set it at the device" in str(each) for each in bench.incidents))


def test_mute_connections_take_no_association_from_others(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, associations=1, request_deadline=20))
    mute = [RawPeer(group.port) for _ in range(10)]
    assert echo_works(group.port)
    for peer in mute:
        peer.socket.close()


def test_the_oldest_mute_connection_is_dropped_when_there_are_too_many(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, pending=3, request_deadline=20))
    mute = [RawPeer(group.port) for _ in range(3)]
    assert eventually(lambda: group.gate.pending == 3)
    with RawPeer(group.port) as newest:
        assert mute[0].closed()
        assert newest.associate()[0] == ACCEPT
    assert "connection-dropped" in bench.kinds
    for peer in mute:
        peer.socket.close()


@pytest.mark.parametrize("limits", [{"associations": 2}, {"associations_per_address": 2}])
def test_past_the_limit_an_association_is_rejected_as_local_limit_exceeded(bench: Bench, limits: dict) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, **limits))
    first, second, third = (RawPeer(group.port) for _ in range(3))
    assert first.associate()[0] == second.associate()[0] == ACCEPT
    assert third.associate() == b"\x03\0\0\0\0\4\0\2\3\2"
    first.socket.close()
    assert eventually(lambda: group.gate.associated == 1)
    assert echo_works(group.port)
    [incident] = [each for each in bench.incidents if each.kind == "too-many-associations"]
    [setting] = limits
    assert incident.message.endswith(f"(dicom.{setting})")


def test_an_ipv4_caller_of_a_port_on_all_addresses_is_known_by_its_ipv4_address(bench: Bench) -> None:
    from appliance.network.server import Listen

    group = bench.serve(listen=[Listen(address="::")])
    with RawPeer(group.port) as peer:
        peer.associate()
        peer.socket.sendall(b"\x09\0\0\0\0\1x")
        assert eventually(lambda: bench.incidents)
    assert {incident.address for incident in bench.incidents} == {"127.0.0.1"}


def test_the_limits_count_for_all_ports_of_a_group_together(bench: Bench) -> None:
    from appliance.network.server import Listen

    group = bench.serve(limits=dataclasses.replace(QUICK, associations=1), listen=[Listen(), Listen()])
    (_, one), (_, other) = group.addresses
    with RawPeer(one) as first, RawPeer(other) as second:
        assert first.associate()[0] == ACCEPT
        assert second.associate()[0] == REJECT


@pytest.mark.parametrize("established", [False, True])
def test_a_pdu_of_four_gigabytes_is_refused_at_its_header(bench: Bench, established: bool) -> None:
    group = bench.serve()
    with RawPeer(group.port) as peer:
        if established:
            peer.associate()
        peer.send(struct.pack(">BBL", 4 if established else 1, 0, 0xFFFFFFFF) + b"x" * 1000)
        assert peer.pdu() == b"\7\0\0\0\0\4\0\0\2\6"
    assert "pdu-too-long" in bench.kinds


def test_a_crowd_that_begins_with_gigabytes_costs_no_association(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[object] = []
    monkeypatch.setattr(ServerGroup, "_began", lambda group, association: began.append(association))
    group = bench.serve()
    for kind in (1, 4, 7):
        with RawPeer(group.port) as peer:
            peer.send(struct.pack(">BBL", kind, 0, 0xFFFFFFFF))
            assert peer.pdu() == b"\7\0\0\0\0\4\0\0\2\6"
    assert eventually(lambda: group.gate.pending == 0)
    assert began == []


@pytest.mark.parametrize("established", [False, True])
def test_a_peer_that_stalls_inside_a_pdu_is_aborted_at_the_deadline(bench: Bench, established: bool) -> None:
    group = bench.serve()
    with RawPeer(group.port) as peer:
        if established:
            peer.associate()
        peer.send(b"\x04\0\0\0" if established else associate_rq()[:30])
        assert peer.pdu()[:1] in (bytes([ABORT]), b"")
        assert peer.closed()
    assert "pdu-deadline" in bench.kinds


def test_header_and_body_of_a_pdu_share_one_deadline(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, pdu_deadline=1.0))
    with RawPeer(group.port, timeout=0.1) as peer:
        peer.socket.settimeout(5)
        peer.associate()
        whole = command(ECHO_RQ)
        peer.socket.settimeout(0.1)
        answer = b""
        for position in range(len(whole)):  # a byte each tenth of a second: far longer than the deadline in all
            try:
                peer.send(whole[position : position + 1])
                answer = peer.socket.recv(10)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            break
        assert position < len(whole) - 1
        assert answer[:1] in (bytes([ABORT]), b"")
    assert "pdu-deadline" in bench.kinds


def test_a_message_that_never_ends_is_cut_though_each_pdu_is_in_time(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, message_time=0.5))
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        peer.send(command(N_SET) + p_data((1, 0, b"x")))
        assert peer.pdu()[0] == ABORT
    assert "message-deadline" in bench.kinds
    assert eventually(lambda: not bench.leftovers)


def test_a_stalled_peer_keeps_nobody_else_waiting(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, request_deadline=60, pdu_deadline=60))
    stalled = [RawPeer(group.port) for _ in range(20)]
    for peer in stalled:
        peer.associate()
        peer.send(b"\x04\0\0")
    assert echo_works(group.port)
    for peer in stalled:
        peer.socket.close()


def test_stopping_ends_with_fifty_stalled_peers_and_gives_everything_back(bench: Bench) -> None:
    threads, files = our_threads(), descriptors()
    group = bench.serve(
        limits=dataclasses.replace(QUICK, request_deadline=60, pdu_deadline=600, associations_per_address=100)
    )
    stalled = [RawPeer(group.port) for _ in range(50)]
    for peer in stalled:
        peer.associate()
        peer.send(b"\x04\0\0")
    assert group.drain(grace=0.2)
    for peer in stalled:
        assert peer.closed()
        peer.socket.close()
    assert eventually(lambda: our_threads() <= threads)
    assert eventually(lambda: descriptors() <= files)


def test_a_running_request_ends_well_when_the_server_drains(bench: Bench) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def handle(event: evt.Event) -> int:
        inside.set()
        go_on.wait(5)
        return 0x0000

    group = bench.serve((evt.EVT_C_ECHO, handle))
    with RawPeer(group.port) as working, RawPeer(group.port) as idle:
        working.associate()
        idle.associate()
        working.send(command(ECHO_RQ))
        assert inside.wait(5)
        stopping = threading.Thread(target=group.drain, args=(10,))
        stopping.start()
        assert idle.pdu()[0] == ABORT
        go_on.set()
        assert working.pdu()[0] == 4
        assert working.pdu()[0] == ABORT
        stopping.join(10)
        assert not stopping.is_alive()


def test_a_peer_that_sends_requests_and_reads_nothing_is_cut(bench: Bench) -> None:
    group = bench.serve()
    with RawPeer(group.port) as peer:
        peer.associate()
        requests = command(ECHO_RQ) * 1000
        with pytest.raises((ConnectionError, TimeoutError)):
            for _ in range(10000):
                peer.send(requests)
    assert bench.kinds & {"malformed-message", "peer-does-not-read"}
    assert eventually(lambda: group.gate.associated == 0)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("no known command field", p_data((1, 3, encode_command({"CommandField": 0x7777, "CommandDataSetType": 257})))),
        ("no command field", p_data((1, 3, encode_command({"MessageID": 1})))),
        ("not a command set", p_data((1, 3, b"\xff" * 40))),
        ("a data set without a command", p_data((1, 2, b"12345678"))),
        ("a presentation data value longer than its PDU", b"\4\0\0\0\0\6\0\0\xff\xff\1\3"),
        ("a presentation data value without a header", b"\4\0\0\0\0\4\0\0\0\0"),
        ("an unknown PDU", b"\x55\0\0\0\0\0"),
        ("an A-ASSOCIATE-RQ on an association", associate_rq(presentation_context(1, VERIFICATION, IMPLICIT))),
        ("a command set without end", p_data((1, 1, b"\0" * 60000)) * 2),
    ],
)
def test_a_malformed_message_ends_its_association_without_a_traceback(
    bench: Bench, caplog: pytest.LogCaptureFixture, name: str, data: bytes
) -> None:
    group = bench.serve()
    with RawPeer(group.port) as peer:
        peer.associate()
        peer.send(data)
        assert peer.pdu()[:1] in (bytes([ABORT]), b""), name
        assert peer.closed()
    assert eventually(lambda: group.gate.associated == 0)
    assert not [record for record in caplog.records if record.exc_info and record.levelname != "DEBUG"]
    assert echo_works(group.port)


def test_ten_thousand_faults_of_one_peer_make_one_log_line(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    group = bench.serve()
    for _ in range(10_000):
        group.report("malformed-pdu", "192.0.2.1", "made up")
    lines = [record for record in caplog.records if "192.0.2.1" in record.getMessage()]
    assert 1 <= len(lines) <= 3
    assert group.report.counts["malformed-pdu"] == 10_000


def test_a_uid_of_eighty_characters_is_answered_not_aborted(bench: Bench) -> None:
    group = bench.serve((evt.EVT_N_SET, lambda event: (0, None)))
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        peer.send(command({**N_SET, "RequestedSOPInstanceUID": "1." * 40}) + p_data((1, 2, b"")))
        answer = peer.pdu()
        assert answer[0] == 4
        assert b"\0\0\0\x09\2\0\0\0\x17\x01" in answer  # Status 0117
    assert "malformed-request" in bench.kinds


def test_a_connection_lost_in_the_middle_of_a_film_leaves_no_file(bench: Bench) -> None:
    called = []
    group = bench.serve((evt.EVT_N_SET, lambda event: called.append(event) or (0, None)))
    for _ in range(5):
        with RawPeer(group.port) as peer:
            peer.associate(PRINT)
            peer.send(command(N_SET) + p_data((1, 0, b"x" * 10000)))
            assert eventually(lambda: bench.leftovers)
    assert eventually(lambda: not bench.leftovers)
    assert eventually(lambda: group.gate.associated == 0)
    assert not called


def test_an_announced_data_set_that_does_not_come_is_taken_as_empty(bench: Bench) -> None:
    group = bench.serve((evt.EVT_N_ACTION, lambda event: (0x0000, None)))
    request = {**N_SET, "CommandField": 0x0130, "ActionTypeID": 1}
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        peer.send(command(request))
        assert peer.pdu()[0] == 4


def test_an_empty_last_fragment_ends_a_data_set(bench: Bench) -> None:
    sizes = []

    def handle(event: evt.Event) -> tuple[int, None]:
        sizes.append(spooled_dataset(event).size)
        return 0, None

    group = bench.serve((evt.EVT_N_SET, handle))
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        peer.send(command(N_SET) + p_data((1, 2, b"")))
        assert peer.pdu()[0] == 4
    assert sizes == [0]


def test_an_association_request_of_the_largest_kind_is_answered(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, request_deadline=20))
    contexts = [
        presentation_context(number, VERIFICATION, *(b"1.2.840.10008.1.2.%d" % i for i in range(70)), IMPLICIT)
        for number in range(1, 256, 2)
    ]
    with RawPeer(group.port) as peer:
        assert peer.associate(*contexts)[0] == ACCEPT


def test_idle_associations_survive_a_clock_that_is_set(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    group = bench.serve()
    with RawPeer(group.port) as peer:
        peer.associate()
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 3600 * 24)
        peer.send(command(ECHO_RQ))
        assert peer.pdu()[0] == 4
        assert group.gate.associated == 1


def test_an_association_idle_for_too_long_is_aborted(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, idle=0.3))
    with RawPeer(group.port) as peer:
        peer.associate()
        assert peer.pdu()[0] == ABORT


def test_two_hundred_associations_at_once_are_all_accepted(bench: Bench) -> None:
    group = bench.serve(
        limits=dataclasses.replace(QUICK, associations_per_address=200, pending=250, request_deadline=20)
    )
    peers = [RawPeer(group.port) for _ in range(200)]
    request = associate_rq(presentation_context(1, VERIFICATION, IMPLICIT))
    for peer in peers:
        peer.send(request)
    assert [peer.pdu()[0] for peer in peers] == [ACCEPT] * 200
    for peer in peers:
        peer.send(command(ECHO_RQ))
    assert [peer.pdu()[0] for peer in peers] == [4] * 200
    for peer in peers:
        peer.socket.close()
    assert eventually(lambda: group.gate.associated == 0)


def test_the_end_of_every_connection_is_told_once(bench: Bench) -> None:
    ended = []
    group = bench.serve(on_end=ended.append)
    assert echo_works(group.port)
    with RawPeer(group.port) as peer:
        peer.send(b"GET / HTTP/1.0\r\n\r\n")
        peer.closed()
    ae = AE("X")
    ae.add_requested_context("1.2.840.10008.1.1")
    association = ae.associate("127.0.0.1", group.port)
    association.release()
    assert eventually(lambda: len(ended) == 3)


@pytest.mark.parametrize("associates", [False, True])
def test_what_comes_after_our_abort_is_not_read_as_pdus(bench: Bench, associates: bool) -> None:
    """Each used to cost an incident and an A-ABORT, as fast as the peer could send them, until a deadline."""
    group = bench.serve(limits=dataclasses.replace(QUICK, request_deadline=20))
    with RawPeer(group.port) as peer:
        if associates:
            peer.associate()
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                peer.send(struct.pack(">BBL", 0x55, 0, 0) * 1000)
    assert eventually(lambda: group.gate.associated == group.gate.pending == 0)
    assert group.report.counts["unknown-pdu"] < 5
