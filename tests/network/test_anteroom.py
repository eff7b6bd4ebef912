"""Peers that have not asked for an association yet: what they cost, and that a slow one is let in all the same."""

from __future__ import annotations

import dataclasses
import gc
import socket
import sys
import time
import tracemalloc

import pytest

from tests.network.conftest import QUICK, Bench, eventually, our_threads
from tests.network.raw import ECHO_RQ, IMPLICIT, VERIFICATION, RawPeer, associate_rq, command, presentation_context

ACCEPT = 2
PATIENT = dataclasses.replace(QUICK, request_deadline=60, pdu_deadline=600)
REQUEST = associate_rq(presentation_context(1, VERIFICATION, IMPLICIT))
LONG = associate_rq(
    *(presentation_context(number, VERIFICATION, IMPLICIT, b"1.2.840.10008.1.2.1") for number in range(1, 256, 2))
)
LONGER = associate_rq(
    *(
        presentation_context(number, VERIFICATION, *(b"1.2.840.10008.1.2.%d" % i for i in range(40)), IMPLICIT)
        for number in range(1, 256, 2)
    )
)


@pytest.mark.parametrize("said", [b"", REQUEST[:1], REQUEST[:5], REQUEST[:6], REQUEST[:-1]])
def test_a_peer_that_has_not_asked_costs_no_association_and_no_thread(bench: Bench, said: bytes) -> None:
    group = bench.serve(limits=PATIENT)
    threads = our_threads()
    peers = [RawPeer(group.port) for _ in range(20)]
    for peer in peers:
        peer.send(said)
    assert eventually(lambda: group.gate.pending == 20)
    with RawPeer(group.port) as good:  # what was sent before it has been looked at
        assert good.associate()[0] == ACCEPT
        assert len(group.associations) == 1
        assert our_threads() <= threads + 2
    for peer in peers:
        peer.socket.close()
    assert eventually(lambda: group.gate.pending == 0)


@pytest.mark.parametrize("cuts", [(1,), (5,), (6,), (7,), (1, 6, 20), (len(REQUEST) - 1,)])
def test_a_request_that_comes_in_pieces_is_accepted(bench: Bench, cuts: tuple[int, ...]) -> None:
    group = bench.serve(limits=PATIENT)
    with RawPeer(group.port) as peer:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in zip((0, *cuts), (*cuts, len(REQUEST)), strict=True):
            peer.send(REQUEST[start:end])
            time.sleep(0.05)
        assert peer.pdu()[0] == ACCEPT
        peer.send(command(ECHO_RQ))
        assert peer.pdu()[0] == 4


@pytest.mark.parametrize("request_pdu", [LONG, LONGER])
@pytest.mark.parametrize("cut", [100, 4095, 4096, 5000])
def test_a_long_request_that_comes_in_two_pieces_is_accepted(bench: Bench, request_pdu: bytes, cut: int) -> None:
    group = bench.serve(limits=PATIENT)
    with RawPeer(group.port) as peer:
        peer.send(request_pdu[:cut])
        time.sleep(0.05)
        peer.send(request_pdu[cut:])
        assert peer.pdu()[0] == ACCEPT


@pytest.mark.parametrize("said", [b"", REQUEST[:3], REQUEST[:-1]])
@pytest.mark.parametrize("reset", [False, True])
def test_a_peer_that_leaves_before_it_has_asked_is_forgotten_without_an_incident(
    bench: Bench, said: bytes, reset: bool
) -> None:
    group = bench.serve(limits=PATIENT)
    peer = RawPeer(group.port)
    peer.send(said)
    assert eventually(lambda: group.gate.pending == 1)
    if reset:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.socket.close()
    assert eventually(lambda: group.gate.pending == 0)
    assert bench.incidents == []


def test_a_peer_that_closes_its_end_right_after_its_request_is_answered(bench: Bench) -> None:
    group = bench.serve(limits=PATIENT)
    with RawPeer(group.port) as peer:
        time.sleep(0.05)
        peer.send(REQUEST)
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.pdu()[:1] in (bytes([ACCEPT]), b"")
        assert peer.closed()
    assert eventually(lambda: not group.associations and group.gate.pending == 0)


def test_the_deadline_of_a_request_counts_from_the_connection(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, request_deadline=3.0, pdu_deadline=600))
    with RawPeer(group.port) as peer:
        began = time.monotonic()
        for position in range(len(LONGER)):  # a byte now and then: past 4,096 of them, too, it is slow
            try:
                peer.send(LONGER[position * 400 : position * 400 + 400])
            except OSError:
                break
            time.sleep(0.1)
            if time.monotonic() - began > 30:
                pytest.fail("it is still being listened to")
        assert position * 400 < len(LONGER)
    assert eventually(lambda: group.gate.pending == 0)


def test_those_who_wait_are_put_out_when_the_server_stops(bench: Bench) -> None:
    group = bench.serve(limits=PATIENT)
    peers = [RawPeer(group.port) for _ in range(5)]
    assert eventually(lambda: group.gate.pending == 5)
    assert group.stop()
    for peer in peers:
        assert peer.closed()
        peer.socket.close()
    assert group.gate.pending == 0


def test_an_association_costs_thirty_two_kilobytes_of_objects_at_most(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(PATIENT, associations_per_address=100))

    def crowd(count: int) -> list[RawPeer]:
        peers = [RawPeer(group.port) for _ in range(count)]
        assert all(peer.associate()[0] == ACCEPT for peer in peers)
        return peers

    few = crowd(3)
    gc.collect()
    tracemalloc.start()
    try:
        blocks = sys.getallocatedblocks()
        many = crowd(40)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        blocks = sys.getallocatedblocks() - blocks
    finally:
        tracemalloc.stop()
    for peer in few + many:
        peer.socket.close()
    assert held / 40 < 32 * 1024
    assert blocks / 40 < 400
