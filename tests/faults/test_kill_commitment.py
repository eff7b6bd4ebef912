"""kill -9 in a storage commitment: whoever asked is told in the end, and what it is told is true."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from appliance.events import process_actor
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import open_store
from tests.dicom.test_commitment import Scanner
from tests.faults.instances import ROOT, send_until_kept
from tests.faults.plant import SETTINGS, Plant, wait_until
from tests.faults.test_kill import REPEATS, fault_at

POINTS = ("answer.ready", "answer.given", "commitment.asked", "commitment.checked", "commitment.told")


@pytest.fixture
def scanner(works: Plant) -> Iterator[Scanner]:
    """A scanner the appliance knows, which listens for what it is promised."""
    scanner = Scanner()
    server = scanner.listen()
    port = server.server_address[1]  # type: ignore[attr-defined]
    store = open_store(works.data, settings=SETTINGS)
    peer = Peer(name="scanner", ae_title="SCANNER", host="127.0.0.1", port=port, allows=("store", "commit"))
    add_peer(store, peer, process_actor("tests"))
    store.close()
    yield scanner
    server.shutdown()  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", range(REPEATS))
@pytest.mark.parametrize("point", POINTS)
def test_a_commitment_killed_anywhere_is_told_in_the_end_and_told_truly(
    works: Plant, scanner: Scanner, point: str, count: int
) -> None:
    works.start("dicom")
    assert set(send_until_kept(works, [1, 2]).values()) == {"acknowledged"}
    works.stop()
    asked = [f"{ROOT}.1", f"{ROOT}.2", f"{ROOT}.3"]
    door = works.start("dicom", fault_at(point))
    heard = None
    with contextlib.suppress(Exception):  # it may die before it answers: no answer is no promise
        heard = scanner.ask(works.port, *asked)
    assert door.wait(10) and door.code == -9, f"{point} was not met"
    works.start("dicom")
    if heard is None:
        assert scanner.ask(works.port, *asked) == 0, "it is asked again"
    assert wait_until(lambda: works.query("select distinct state from commitment") == [("answered",)])
    assert scanner.answer() == (2, set(asked[:2]), {asked[2]: 0x0112})
    assert {kind for kind, _ in scanner.reports} == {2}, "told once more, it is told the same"
