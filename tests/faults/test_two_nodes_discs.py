"""Two machines and a disc: the one that makes it dies or stands still, and it is made once, whole and verified.

The folder burner is anybody's. The drive is in one machine: the other leaves it alone, and that one goes on when it is
back. The short run takes some points, FAULT_REPEATS every one so often, burners in turn, with the locks' own spans.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.events import process_actor
from appliance.media import doubt
from appliance.media.burners import get_burner, set_burner
from appliance.store.store import open_store
from tests.faults import discs
from tests.faults.discs import order, wrong
from tests.faults.nodes import Nodes, nodes
from tests.faults.plant import Zygote
from tests.faults.test_kill import fault_at
from tests.faults.test_kill_discs import BUILD, BURN, BURNERS, PLAN, POINTS
from tests.faults.test_two_nodes import REPEATS, cases, only_long
from tests.support import postgres
from tests.support.patience import patient

Record = Callable[[str, object], None]
SHARED = PLAN + BUILD + BURN[:1]
"""Steps another machine may do though the drive is not its own."""


@pytest.fixture
def pair(tmp_path: Path, zygote: Zygote, server: postgres.Server, migrated: str) -> Iterator[Nodes]:
    with nodes(tmp_path, zygote, server, migrated, short=not REPEATS) as made:
        yield made


def settled(pair: Nodes, disc_id: int, seconds: float = 90) -> float:
    """Wait until a disc is done or waits for a person; how long it took."""
    began = time.monotonic()
    while time.monotonic() - began < patient(seconds):
        status, held = discs.row(pair, disc_id, "execution_status, held")
        if held or status in ("DONE", "FAILURE"):
            break
        pair.query("update disc set not_before = null where not_before is not null")
        time.sleep(0.1)
    return time.monotonic() - began


def assert_made(pair: Nodes, disc_id: int, burner: str) -> None:
    told = [str(line) for line in pair.logged() if line.get("level") != "INFO"][-20:]
    assert wrong(pair, disc_id, burner) == [], (pair.query("select * from disc_event"), told)
    assert pair.tracebacks() == []
    if burner == "folder":
        assert discs.row(pair, disc_id, "execution_status") == ("DONE",), "a folder can be asked: nobody need look"


@pytest.mark.parametrize(("point", "burner", "count"), cases(("burn.half", "folder"), POINTS, BURNERS))
def test_another_machine_makes_the_disc_where_one_was_killed(
    pair: Nodes, record_property: Record, point: str, burner: str, count: int
) -> None:
    disc = order(pair, burner)
    dying = pair.start_on("east", "discs", fault_at(point))
    assert dying.wait(60) and dying.code == -9, f"{point} was not met"
    pair.start_on("west", "discs")
    if burner == "drive":  # it is in the machine that died, which is back
        pair.start_on("east", "discs")
    record_property("settled", round(settled(pair, disc), 1))
    assert_made(pair, disc, burner)


@pytest.mark.parametrize(("point", "burner", "count"), cases(("iso.data", "folder"), POINTS, BURNERS))
def test_a_machine_that_stood_still_spoils_no_disc_another_has_made(
    pair: Nodes, record_property: Record, point: str, burner: str, count: int
) -> None:
    if burner == "drive" and point not in SHARED:
        burner = "folder"  # nobody else may burn in that machine's drive
    disc = order(pair, burner)
    still = pair.start_on("east", "discs", fault_at(point, "delay"))
    with pair.stands_still(still, point):
        pair.start_on("west", "discs")
        if burner == "folder":
            record_property("settled", round(settled(pair, disc), 1))
            assert_made(pair, disc, burner)
        else:
            time.sleep(15.0)
    settled(pair, disc)
    assert_made(pair, disc, burner)
    assert not still.ended(), "it goes on"


@only_long
@pytest.mark.parametrize("count", range(max(REPEATS, 1)))
def test_a_drive_of_a_dead_machine_is_left_alone_and_its_disc_waits_for_it(pair: Nodes, count: int) -> None:
    disc = order(pair, "drive")
    dying = pair.start_on("east", "discs", fault_at("burn.half"))
    assert dying.wait(60) and dying.code == -9
    other = pair.start_on("west", "discs")
    time.sleep(sum(pair.spans.get(name, 9.0) for name in ("LEASE_SECONDS", "GRACE_SECONDS")) + 4.0)
    assert discs.row(pair, disc, "execution_status, held") == ("CREATING", False)
    assert discs.row(pair, disc, "burning_by")[0].startswith("discs-east-")
    assert not other.ended()
    pair.start_on("east", "discs")
    settled(pair, disc)
    assert_made(pair, disc, "drive")


@pytest.mark.parametrize("point", ["burn.half", "burn.recorded"] if REPEATS else ["burn.half"])
def test_what_a_dead_machines_drive_began_is_shown_to_a_person_when_the_burner_is_bound_to_another(
    pair: Nodes, point: str
) -> None:
    """Both drives have one address: the blank disc in the other one says nothing of the first."""
    disc = order(pair, "drive")
    dying = pair.start_on("east", "discs", fault_at(point))
    assert dying.wait(60) and dying.code == -9, f"{point} was not met"
    time.sleep(1.0)  # the writing program goes on without its worker
    drive = pair.data / "drive.img"
    drive.unlink()
    drive.write_bytes(b"")  # the other machine's
    bind_drive(pair, "west")
    pair.start_on("west", "discs")
    settled(pair, disc)
    held, reasons, message = discs.row(pair, disc, "held, reasons, message")
    assert held and "in-doubt" in reasons and "machine east" in message
    assert drive.stat().st_size == 0, "a second one, of which nobody is told"
    with contextlib.closing(open_store(pair.data, settings=pair.settings())) as store:
        doubt.spoil(store, disc, process_actor("tests"))
    settled(pair, disc)
    assert discs.row(pair, disc, "execution_status") == ("DONE",)
    assert sorted(pair.query("select state from piece")) == [("failed",), ("verified",)]
    assert discs.unlike(discs.media(pair, "drive")) == []


def bind_drive(pair: Nodes, node: str) -> None:
    with contextlib.closing(open_store(pair.data, settings=pair.settings())) as store:
        drive = get_burner(store, "drive")
        bound = drive.settings.model_copy(update={"node": node})
        set_burner(store, replace(drive, settings=bound), process_actor("tests"))
