"""Two machines and what comes in: instances, promises to keep them, uploads, retrievals. One machine dies or stands
still; what was acknowledged is there, whole, from either, and what was begun is gone on with or said.

The short run takes some points, FAULT_REPEATS every one so often, with the locks' own spans.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.studies import uploads
from tests.dicom.test_commitment import Scanner
from tests.faults.archives import MANY, WHO, archive_of_ours, asked, give_up, here, opened, retrieved
from tests.faults.instances import ROOT, instance, missing, send_instances, send_until_kept, strays
from tests.faults.nodes import Nodes, nodes
from tests.faults.plant import Running, Zygote, wait_until
from tests.faults.test_kill import fault_at
from tests.faults.test_kill_instances import POINTS as IN_STORE
from tests.faults.test_two_nodes import REPEATS, only_long
from tests.media.made import as_file
from tests.support import postgres
from tests.support.patience import patient

Record = Callable[[str, object], None]
IN_COMMITMENT = ("answer.given", "commitment.asked", "commitment.checked", "commitment.told")
IN_IMPORT = ("store.part:1", "store.renamed:1", "store.synced:1", "store.committed:1")


def points(short: str, every: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(point, count) for point in every for count in range(REPEATS)] or [(short, 0)]


@pytest.fixture
def pair(tmp_path: Path, zygote: Zygote, server: postgres.Server, migrated: str) -> Iterator[Nodes]:
    with nodes(tmp_path, zygote, server, migrated, short=not REPEATS) as made:
        yield made


def assert_kept(pair: Nodes, count: int, *, which: str = "acknowledged") -> None:
    """So many are there, once and whole (the first ones, if acknowledged), and nothing else lies about."""
    told = dict.fromkeys(range(1, count + 1), which)
    assert missing(pair, told) == []
    assert pair.query("select count(*) from instance") == [(count,)], "one was kept twice"
    pair.age()
    pair.sweep_studies()
    assert strays(pair) == []
    assert pair.tracebacks() == []


# --- C-STORE ---


@pytest.mark.parametrize(("point", "count"), points("store.synced:1", IN_STORE))
def test_what_a_killed_door_acknowledged_is_there_from_the_other(pair: Nodes, point: str, count: int) -> None:
    door = pair.start_on("east", "dicom", fault_at(point))
    pair.start_on("west", "dicom")
    pair.port = pair.ports["east"]
    told = send_instances(pair, [1, 2, 3])
    assert door.wait(20) and door.code == -9, f"{point} was not met"
    assert missing(pair, told) == []
    pair.port = pair.ports["west"]
    assert set(send_until_kept(pair, [1, 2, 3]).values()) == {"acknowledged"}
    pair.start_on("east", "dicom")
    assert_kept(pair, 3)


@pytest.mark.parametrize(("point", "count"), points("store.renamed:1", IN_STORE))
def test_an_instance_sent_to_both_because_one_stood_still_is_there_once(pair: Nodes, point: str, count: int) -> None:
    door = pair.start_on("east", "dicom", fault_at(point, "delay"))
    pair.start_on("west", "dicom")
    told: dict[int, str] = {}
    port = pair.ports["east"]
    sending = threading.Thread(target=lambda: told.update(send_instances(pair, [1, 2, 3], port=port)))
    sending.start()
    with pair.stands_still(door, point):
        pair.port = pair.ports["west"]
        assert set(send_until_kept(pair, [1, 2, 3]).values()) == {"acknowledged"}
        time.sleep(pair.spans.get("SILENT_SECONDS", 9.0) + 1.0)
    sending.join()
    assert missing(pair, told) == []
    assert not door.ended()
    assert_kept(pair, 3)


# --- storage commitment ---


@pytest.mark.parametrize(("point", "count"), points("commitment.checked", IN_COMMITMENT))
def test_what_a_killed_door_promised_to_tell_is_told_by_the_other(
    pair: Nodes, record_property: Record, point: str, count: int
) -> None:
    scanner = Scanner()
    listening: Any = scanner.listen()
    with opened(pair) as store:
        port = listening.server_address[1]
        add_peer(
            store,
            Peer(name="scanner", ae_title="SCANNER", host="127.0.0.1", port=port, allows=("store", "commit")),
            WHO,
        )
    west = pair.start_on("west", "dicom")
    assert set(send_until_kept(pair, [1, 2]).values()) == {"acknowledged"}
    door = pair.start_on("east", "dicom", fault_at(point))
    os.kill(west.pid, signal.SIGSTOP)  # on a slow machine it would be first, and the door never come so far
    heard = None
    with contextlib.suppress(Exception):  # it may die before it answers
        heard = scanner.ask(pair.port, *(f"{ROOT}.{number}" for number in (1, 2, 3)))
    died = door.wait(20)
    os.kill(west.pid, signal.SIGCONT)
    assert died and door.code == -9, f"{point} was not met"
    began = time.monotonic()
    if heard is None:
        assert scanner.ask(pair.ports["west"], *(f"{ROOT}.{number}" for number in (1, 2, 3))) == 0
    assert wait_until(lambda: pair.query("select distinct state from commitment") == [("answered",)], 45)
    record_property("settled", round(time.monotonic() - began, 1))
    assert scanner.answer() == (2, {f"{ROOT}.1", f"{ROOT}.2"}, {f"{ROOT}.3": 0x0112})
    assert {kind for kind, _ in scanner.reports} == {2}, "told once more, it is told the same"
    listening.shutdown()


# --- uploads ---


def uploaded(pair: Nodes) -> int:
    """Three files handed in through the page; the number of the import."""
    with opened(pair) as store:
        number = uploads.begin(store, WHO)
        uploads.add(store, number, ((f"{each}.dcm", [as_file(instance(each))]) for each in (1, 2, 3)), WHO)
        uploads.end(store, number, WHO)
    return number


def imported(pair: Nodes, number: int) -> dict[str, Any]:
    with opened(pair) as store:
        return uploads.get_import(store, number)


@only_long
@pytest.mark.parametrize(("point", "count"), points("store.synced:1", IN_IMPORT))
def test_an_import_goes_on_at_another_machine_where_one_was_killed(
    pair: Nodes, record_property: Record, point: str, count: int
) -> None:
    number = uploaded(pair)
    dying = pair.start_on("east", "discs", fault_at(point))
    assert dying.wait(40) and dying.code == -9, f"{point} was not met"
    began = time.monotonic()
    pair.start_on("west", "discs")
    assert wait_until(lambda: imported(pair, number)["state"] == "completed", 60), imported(pair, number)
    record_property("settled", round(time.monotonic() - began, 1))
    told = imported(pair, number)
    assert told["stored"] + told["known"] == told["files"] == 3 and told["refused"] == []
    assert not list((pair.data / "uploads").iterdir())
    assert_kept(pair, 3)


@only_long
@pytest.mark.parametrize(("point", "count"), points("store.synced:1", IN_IMPORT))
def test_a_machine_that_stood_still_in_an_import_changes_nothing_of_what_another_has_done(
    pair: Nodes, point: str, count: int
) -> None:
    number = uploaded(pair)
    still = pair.start_on("east", "discs", fault_at(point, "delay"))
    with pair.stands_still(still, point):
        pair.start_on("west", "discs")
        assert wait_until(lambda: imported(pair, number)["state"] == "completed", 60), imported(pair, number)
        before = imported(pair, number)
    time.sleep(2.0)
    assert imported(pair, number) == before
    assert before["stored"] + before["known"] == before["files"] == 3
    assert not still.ended()
    assert_kept(pair, 3)


# --- retrievals ---


@pytest.fixture
def archive(pair: Nodes, tmp_path: Path) -> Iterator[Any]:
    """It sends what is moved to the machine west."""
    with archive_of_ours(pair, tmp_path, pair.ports["west"]) as process:
        yield process


@only_long
@pytest.mark.parametrize(("point", "count"), points("store.part:4", (*IN_IMPORT, "store.part:4", "store.committed:9")))
def test_a_retrieval_goes_on_at_another_machine_where_one_was_killed(
    pair: Nodes, archive: Any, record_property: Record, point: str, count: int
) -> None:
    number = asked(pair, "get")
    dying = pair.start_on("east", "dicom", fault_at(point))
    assert dying.wait(40) and dying.code == -9, f"{point} was not met"
    began = time.monotonic()
    pair.start_on("west", "dicom")
    assert wait_until(lambda: retrieved(pair, number)["state"] == "completed", 60), retrieved(pair, number)
    record_property("settled", round(time.monotonic() - began, 1))
    assert_kept(pair, MANY)


@only_long
@pytest.mark.parametrize("count", range(max(REPEATS, 1)))
def test_a_retrieval_that_comes_in_elsewhere_goes_on_when_who_asked_is_killed(
    pair: Nodes, archive: Any, count: int
) -> None:
    """C-MOVE: the instances come in at west, whichever machine asked for them. The one that asked is killed."""
    parts = {"west": pair.start_on("west", "dicom", fault_at(f"store.committed:{count % MANY}", "delay"))}
    parts["east"] = pair.start_on("east", "dicom")
    number = asked(pair, "move")
    assert wait_until(lambda: here(pair) > count % MANY, 60), retrieved(pair, number)
    [(working,)] = pair.query("select working from retrieval")
    node = "west" if "-west-" in str(working) else "east"
    parts[node].stop(signal.SIGKILL)
    if node == "west":  # where the archive sends to: it is back at once
        pair.start_on("west", "dicom")
    assert wait_until(lambda: retrieved(pair, number)["state"] in ("completed", "aborted"), 60)
    told = retrieved(pair, number)
    assert told["state"] == "completed" or (node == "west" and "missing" in told["message"]), told
    again = asked(pair, "move")
    assert wait_until(lambda: retrieved(pair, again)["state"] == "completed", 60), retrieved(pair, again)
    assert_kept(pair, MANY)


@pytest.mark.parametrize(("point", "count"), points("store.part:4", IN_IMPORT))
def test_a_machine_that_stood_still_in_a_retrieval_changes_nothing_of_what_another_has_done(
    pair: Nodes, archive: Any, point: str, count: int
) -> None:
    number = asked(pair, "get")
    still: Running = pair.start_on("east", "dicom", fault_at(point, "delay"))
    with pair.stands_still(still, point):
        give_up(archive)
        pair.start_on("west", "dicom")
        assert wait_until(lambda: retrieved(pair, number)["state"] == "completed", 60), retrieved(pair, number)
        before = retrieved(pair, number)
    time.sleep(3.0)
    assert retrieved(pair, number) == before
    assert not still.ended()
    assert_kept(pair, MANY)


@only_long
@pytest.mark.parametrize("count", range(max(REPEATS, 1)))
@pytest.mark.parametrize("method", ["get", "move"])
def test_an_archive_killed_in_the_middle_is_said_by_whoever_goes_on(
    pair: Nodes, archive: Any, method: str, count: int
) -> None:
    number = asked(pair, method)
    pair.start_on("west", "dicom", fault_at(f"store.committed:{count % MANY}", "delay"))
    assert wait_until(lambda: here(pair) > count % MANY, 60)
    os.killpg(archive.pid, signal.SIGKILL)
    pair.start_on("east", "dicom")
    assert wait_until(lambda: retrieved(pair, number)["state"] in ("completed", "aborted"), patient(60))
    told, there = retrieved(pair, number), here(pair)
    assert there == MANY or told["state"] == "aborted"
    if 0 < there < MANY:
        assert f"{MANY - there} of {MANY} instances are missing" in told["message"], told
    assert_kept(pair, there, which="of the archive")
