"""Who called last is known, let in or not, and no crowd of made-up names fills the disk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pynetdicom import AE

from appliance.security.peer_verbs import add_peer, get_peer, latest_calls, latest_strangers
from appliance.security.peers import Peer
from appliance.store import callers, tally
from appliance.store.callers import Call
from appliance.store.store import Store
from tests.dicom.conftest import ADMIN, Door, open_door

VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("closed"), unknown_peers="refuse", strict_called_ae=True) as door:
        add_peer(door.store, Peer(name="far", ae_title="FAR", address="192.0.2.7"), ADMIN)
        yield door


def associate(door: Door, calling: str, called: str = "APPLIANCE") -> None:
    ae = AE(calling)
    ae.add_requested_context(VERIFICATION)
    association = ae.associate("127.0.0.1", door.port, ae_title=called)
    if association.is_established:
        association.release()
    door.server.calls.write()


def test_an_echo_is_seen_at_its_peer(closed: Door) -> None:
    peer = get_peer(closed.store, "strict")
    assert latest_calls(closed.store, peer) == []
    command = ["echoscu", "-aet", "STRICT", "-aec", "APPLIANCE", "127.0.0.1", str(closed.port)]
    subprocess.run(command, check=True, timeout=10)
    closed.server.calls.write()
    (call,) = latest_calls(closed.store, peer)
    assert (call.peer, call.asked, call.outcome, call.address) == ("strict", "C-ECHO", "accepted", "127.0.0.1")
    associate(closed, "STRICT")
    (again,) = latest_calls(closed.store, peer)
    assert again.asked == "association" and again.echoed == call.echoed  # the echo stays known


def test_a_rejected_peer_says_why(closed: Door) -> None:
    associate(closed, "MASKED", called="WRONG")
    (call,) = latest_calls(closed.store, get_peer(closed.store, "masked"))
    assert (call.outcome, call.called_ae_title) == ("rejected", "WRONG") and "called AE title" in call.message


def test_a_peer_that_calls_from_elsewhere_is_seen_too(closed: Door) -> None:
    associate(closed, "FAR")
    (call,) = latest_calls(closed.store, get_peer(closed.store, "far"))
    assert call.peer == "" and call.outcome == "rejected"
    assert "FAR" in [stranger.ae_title for stranger in latest_strangers(closed.store)]


def test_associations_are_counted(closed: Door) -> None:
    closed.store.tally.write(closed.store.database)
    before = tally.read(closed.store.database, "associations")
    associate(closed, "STRICT")
    closed.store.tally.write(closed.store.database)
    after = tally.read(closed.store.database, "associations")
    assert after["accepted"].count == before["accepted"].count + 1
    assert tally.level(closed.store.database, "associations_open") in (0, 1)


def test_made_up_callers_push_each_other_out(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(callers, "KEPT", 5)
    call = Call(ae_title="X", address="::1", called_ae_title="A", peer="", asked="association", outcome="accepted")
    for number in range(9):
        with store.database.write() as connection:
            callers.put(connection, [replace(call, ae_title=f"X{number}")])
    assert [row.ae_title for row in latest_strangers(store)] == ["X8", "X7", "X6", "X5", "X4"]
