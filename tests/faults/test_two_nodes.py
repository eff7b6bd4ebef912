"""Two machines, one database, one folder: one of them dies or stands still, and no film is lost or comes out twice.

The short run takes some points once; FAULT_REPEATS every one so often, devices in turn, with the locks' own spans.
How long the other machine takes is printed (-s), not judged: it depends on what else the cores do.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.config import NodeSettings
from appliance.events import process_actor
from appliance.printing.printer_verbs import get_printer, set_printer
from appliance.store.store import open_store
from tests.faults.nodes import Nodes, nodes
from tests.faults.plant import DEVICES, Zygote, wait_until
from tests.faults.test_kill import COMPOSING, IN_DICOM, SENDING, SETTLING, fault_at
from tests.support import postgres

REPEATS = int(os.environ.get("FAULT_REPEATS", "0"))
only_long = pytest.mark.skipif(not REPEATS, reason="only make faults takes the time")
Case = tuple[str, str, int]
IN_FILMS = COMPOSING + SENDING + SETTLING
ASKED = ("folder", "ipp")
"""Devices that can be asked what became of a film: nobody need look."""


def cases(short: tuple[str, str], points: tuple[str, ...], devices: tuple[str, ...] = DEVICES) -> list[Case]:
    """(point, device, count) of each case: in the short run one, in the long one every point with devices in turn."""
    return [
        (point, devices[(number + count) % len(devices)], count)
        for number, point in enumerate(points)
        for count in range(REPEATS)
    ] or [(*short, 0)]


@pytest.fixture
def pair(tmp_path: Path, zygote: Zygote, server: postgres.Server, migrated: str) -> Iterator[Nodes]:
    with nodes(tmp_path, zygote, server, migrated, short=not REPEATS) as made:
        yield made


def assert_balanced(pair: Nodes) -> None:
    assert pair.verdict().balanced, pair.evidence()
    assert pair.tracebacks() == []


@pytest.mark.parametrize(("point", "device", "count"), cases(("device.half", "ipp"), IN_FILMS))
def test_another_machine_goes_on_where_one_was_killed(
    tmp_path: Path, zygote: Zygote, server: postgres.Server, migrated: str, point: str, device: str, count: int
) -> None:
    with nodes(tmp_path, zygote, server, migrated, short=False) as pair:
        door = pair.start_on("east", "dicom")
        dying = pair.start_on("east", "films", fault_at(point))
        pair.start_on("west", "dicom")
        assert [pair.send_to(node, device) for node in ("east", "west")] == ["acknowledged"] * 2
        assert dying.wait(20) and dying.code == -9, f"{point} was not met"
        door.stop(signal.SIGKILL)
        pair.start_on("west", "films")
        print(f"{point}, {device}: the other machine had settled all after {pair.settled(120):.1f} s")
        assert_balanced(pair)
        if device in ASKED:
            assert set(pair.jobs().values()) == {"completed"}


@pytest.mark.parametrize(("point", "device", "count"), cases(("submit.renamed", "socket"), IN_DICOM))
def test_a_film_killed_on_its_way_in_is_whole_or_nothing_and_the_other_machine_takes_it(
    pair: Nodes, point: str, device: str, count: int
) -> None:
    door = pair.start_on("east", "dicom", fault_at(point))
    pair.start_on("west", "dicom")
    pair.start_on("west", "films")
    pair.send_to("east", device)
    assert door.wait(10) and door.code == -9, f"{point} was not met"
    assert pair.send_to("west", device) == "acknowledged"
    pair.age()
    pair.start_on("east", "dicom")
    pair.settled(40)
    assert_balanced(pair)
    assert pair.remains() == [], pair.evidence()


@pytest.mark.parametrize(("point", "device", "count"), cases(("send.started", "ipp"), SENDING))
def test_a_machine_that_stood_still_sends_nothing_once_another_has_gone_on(
    pair: Nodes, point: str, device: str, count: int
) -> None:
    if point == "device.first-byte":
        pytest.skip("between the look at its lock and the byte there is nothing to be done (docs/scaling.md)")
    pair.start_on("east", "dicom")
    still = pair.start_on("east", "films", fault_at(point, "delay"))
    assert pair.send_to("east", device) == "acknowledged"
    with pair.stands_still(still, point):
        pair.start_on("west", "films")
        pair.settled(40)
    assert pair.send_to("east", device) == "acknowledged"
    pair.settled(40)
    assert_balanced(pair)
    assert not still.ended(), "it goes on with new films"


@pytest.mark.parametrize("count", range(max(REPEATS, 1)))
def test_a_database_killed_in_the_middle_costs_no_film(pair: Nodes, count: int) -> None:
    for node in ("east", "west"):
        pair.start_on(node, "dicom")
        pair.start_on(node, "films")
    # else it ends, and nobody here starts it again as the supervisor does
    assert wait_until(lambda: workers_at_work(pair) == 2, 30)
    for number in range(4):
        node, device = ("east", "west")[number % 2], DEVICES[number % len(DEVICES)]
        pair.send_to(node, device)
        if number % 2:
            pair.server.stop("immediate")
            pair.send_to(node, device)
            pair.server.start()
    for node in ("east", "west"):
        assert wait_until(lambda node=node: pair.send_to(node, "folder") == "acknowledged", 30)  # type: ignore[misc]
    pair.query("update printer set printer_state = 'idle' where printer_state = 'stopped'")  # as a person would
    pair.settled(60)
    assert_balanced(pair)


@pytest.mark.parametrize("policy", ["retry-job", "abort-job"])
def test_films_do_not_wait_for_a_machine_that_alone_can_not_reach_the_printer(pair: Nodes, policy: str) -> None:
    set_policy(pair, "socket", policy)
    pair.start_cut_off("east", "films")
    pair.start_on("west", "dicom")
    with seems_at_work(pair, "west"):
        assert pair.send_to("west", "socket") == "acknowledged"
        assert wait_until(lambda: unreached_by(pair, "east") == 1, 20), pair.evidence()
        assert pair.query("select job_state, attempts, not_before from print_job") == [("pending", 0, None)]
        pair.start_on("west", "films")
        assert wait_until(lambda: workers_at_work(pair) == 3, 20)
    assert [pair.send_to("west", "socket") for _ in range(2)] == ["acknowledged"] * 2
    assert wait_until(lambda: list(pair.jobs().values()) == ["completed"] * 3, 20), pair.evidence()
    assert unreached_by(pair, "east") == 1, "the printer is left to the other one for a while"
    assert_balanced(pair)


def test_a_printer_no_machine_reaches_has_failed(pair: Nodes) -> None:
    set_policy(pair, "socket", "hold-job")
    pair.start_on("west", "dicom")
    for node in ("east", "west"):
        pair.start_cut_off(node, "films")
    assert wait_until(lambda: workers_at_work(pair) == 2, 20)
    assert pair.send_to("west", "socket") == "acknowledged"
    assert wait_until(lambda: set(pair.jobs().values()) == {"held"}, 20), pair.evidence()
    assert pair.query("select attempts from print_job") == [(1,)]
    assert min(unreached_by(pair, node) for node in ("east", "west")) == 1, "each had its turn"


@contextlib.contextmanager
def seems_at_work(pair: Nodes, node: str) -> Iterator[None]:
    """A machine whose worker is alive, and slow to begin."""
    settings = pair.settings().model_copy(update={"node": NodeSettings(name=node)})
    with contextlib.closing(open_store(pair.data, settings=settings)) as store:
        lock = store.locks.hold("films")
        yield
        lock.release()


def unreached_by(pair: Nodes, node: str) -> int:
    """How often a machine could not connect."""
    query = f"select count(*) from job_event where actor like 'films-{node}-%' and reasons::text like '%connecting%'"
    return int(pair.query(query)[0][0])


def workers_at_work(pair: Nodes) -> int:
    return int(pair.query("select count(*) from pg_stat_activity where application_name like '% locks % films'")[0][0])


def set_policy(pair: Nodes, name: str, error_policy: str) -> None:
    with contextlib.closing(open_store(pair.data, settings=pair.settings())) as store:
        printer = get_printer(store, name)
        settings = printer.settings.model_copy(update={"error_policy": error_policy, "retry_limit": 1})
        set_printer(store, replace(printer, settings=settings), process_actor("tests"))


@pytest.mark.parametrize("part", ["dicom", "films"])
def test_a_part_whose_share_goes_away_ends_and_leaves_nothing_in_the_folder_beneath(pair: Nodes, part: str) -> None:
    running = pair.start_on("east", part)
    share = pair.data.rename(pair.data.with_name("share"))
    pair.data.mkdir()
    try:
        assert running.wait(20), "it would give up films that lie in the share, and take others into this folder"
        assert list(pair.data.iterdir()) == []
    finally:
        pair.data.rmdir()
        share.rename(pair.data)
