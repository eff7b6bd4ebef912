"""Associations nobody uses."""

from __future__ import annotations

import dataclasses

import pytest

from appliance.network.requestor import Peer, associated, context
from tests.network.conftest import QUICK, Bench, eventually
from tests.network.raw import RawPeer


@pytest.mark.parametrize(("response", "ended"), [("A-RELEASE", "is_released"), ("A-ABORT", "is_aborted")])
def test_an_idle_limit_that_is_shortened_counts_at_once(bench: Bench, response: str, ended: str) -> None:
    group = bench.serve()
    peer = Peer(host="127.0.0.1", port=group.port, called="APPLIANCE")
    with associated(peer, [context("1.2.840.10008.1.1", "1.2.840.10008.1.2")]) as association:
        association.network_timeout_response = response
        association.network_timeout = 0.1
        assert eventually(lambda: getattr(association, ended), within=3)
    assert eventually(lambda: group.gate.associated == 0)


def test_while_it_is_crowded_strangers_who_say_nothing_go_and_known_peers_stay(bench: Bench) -> None:
    group = bench.serve(limits=dataclasses.replace(QUICK, associations=4, stranger_idle=0.3))
    with RawPeer(group.port) as first:
        first.associate()
        (known,) = group.associations
        known.is_known = True
        second = RawPeer(group.port)
        second.associate()
        assert not eventually(lambda: group.gate.associated < 2, within=1.0), "there was room"
        with RawPeer(group.port) as third:
            third.associate()
            assert eventually(lambda: second.pdu()[:1] == b"\7"), "it was not sent away"
        assert known in group.associations
        second.socket.close()
    assert bench.kinds == {"idle"}
