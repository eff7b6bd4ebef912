"""kill -9 and failing disks at every step of a disc: none is called done that was not verified, none is stuck.

A short run takes each point once, ``make faults`` 25 times and every operation, with burners in turn.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.discs import order, wait_for_end, wrong
from tests.faults.plant import Plant, Zygote, plant
from tests.faults.test_kill import fault_at, in_turn
from tests.faults.test_operations import ALL, MOST, SLICES, WHATS, numbers

PLAN = ("plan.start", "plan.done")
BUILD = ("build.start", "build.content", "iso.header", "iso.data", "iso.sync", "build.check", "build.done")
BURN = ("build.committed", "burn.start", "burn.begun", "burn.half", "burn.done", "burn.recorded")
VERIFY = ("verify.start", "verify.done")
POINTS = PLAN + BUILD + BURN + VERIFY
BURNERS = ("folder", "drive")
FEW = {"folder": (3, 17, 31, 40), "drive": (9, 23, 33, 37)}
"""Operations of the short run: in planning, building, burning, settling."""


@pytest.mark.parametrize(("point", "burner", "count"), in_turn(POINTS, BURNERS))
def test_a_disc_killed_anywhere_is_made_once_or_shown_to_a_person(
    works: Plant, point: str, burner: str, count: int
) -> None:
    disc = order(works, burner)
    worker = works.start("discs", fault_at(point))
    assert worker.wait(40) and worker.code == -9, f"{point} was not met"
    wait_for_end(works, disc, works.start("discs"))
    assert wrong(works, disc, burner) == [], works.logged()[-5:]


@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("burner", BURNERS)
def test_whatever_operation_of_a_disc_fails_it_is_made_once_or_shown_to_a_person(
    tmp_path: Path, zygote: Zygote, template: Path, burner: str, what: str, part: int
) -> None:
    for number in numbers((FEW[burner][WHATS.index(what)],), part):
        with plant(tmp_path / str(number), zygote, template) as works:
            disc = order(works, burner)
            wait_for_end(works, disc, works.start("discs", f"{number}:{what}:0"))
            reached = len(works.operations()) >= number
            works.stop()
            release(works)
            wait_for_end(works, disc, works.start("discs"))
            assert wrong(works, disc, burner) == [], (number, works.logged()[-5:])
        if not reached:
            assert ALL, f"operation {number} was never reached"
            return
    assert not ALL, f"{MOST} operations and no end"


def release(works: Plant) -> None:
    """A person looked: there is room again."""
    works.query("update disc set held = 0 where held and reasons not like '%in-doubt%' and reasons not like '%piece%'")
