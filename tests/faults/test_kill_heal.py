"""kill -9 while a lost or damaged instance comes again, or another content under its UID: never less than before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.instances import ROOT, missing, send_until_kept, strays
from tests.faults.plant import Plant, Zygote, plant
from tests.faults.test_kill import REPEATS, fault_at
from tests.faults.test_operations import ALL, MOST, SLICES, numbers

POINTS = ("receive.begun", "receive.whole", "store.part", "store.renamed", "store.synced", "store.committed")
POINTS += ("answer.ready", "answer.given")
FEW = (12, 17, 21)
"""Operations of the short run: among them the move into place and the commit."""


def damage(works: Plant, number: int, how: str) -> None:
    """As a bad disk would: the file of an instance is cut or gone."""
    [(path,)] = works.query(f"select path from instance where sop_instance_uid = '{ROOT}.{number}'")
    file: Path = works.data / "instances" / path
    file.write_bytes(file.read_bytes()[:-100]) if how == "cut" else file.unlink()


def broken(works: Plant, how: str) -> None:
    """Three instances were kept; the second one's file was damaged since."""
    works.start("dicom")
    assert set(send_until_kept(works, [1, 2, 3]).values()) == {"acknowledged"}
    works.stop()
    damage(works, 2, how)


def assert_healed(works: Plant) -> None:
    """Sent once more without a fault it is there as sent, once, and nothing lies about."""
    works.age()
    works.start("dicom")
    told = send_until_kept(works, [1, 2, 3])
    assert set(told.values()) == {"acknowledged"}
    assert missing(works, told) == []
    assert works.query("select count(*) from instance") == [(3,)], "one was kept twice"
    works.stop()
    works.sweep_studies()
    assert strays(works) == []


@pytest.mark.parametrize("count", range(REPEATS))
@pytest.mark.parametrize("point", POINTS)
def test_an_instance_killed_while_it_heals_is_healed_or_comes_again(works: Plant, point: str, count: int) -> None:
    broken(works, ("cut", "gone")[(count + POINTS.index(point)) % 2])
    door = works.start("dicom", fault_at(point))
    told = send_until_kept(works, [2], tries=1)
    assert door.wait(10) and door.code == -9, f"{point} was not met"
    if told[2] == "acknowledged":
        assert missing(works, told) == []
    assert missing(works, {1: "acknowledged", 3: "acknowledged"}) == []
    assert_healed(works)


@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("what", ["ENOSPC", "EIO", "kill"])
def test_an_instance_whose_healing_fails_is_not_acknowledged_and_comes_again(
    tmp_path: Path, zygote: Zygote, template: Path, what: str, part: int
) -> None:
    for number in numbers((FEW[len(what) % 3],), part):
        with plant(tmp_path / str(number), zygote, template) as works:
            broken(works, "cut")
            door = works.start("dicom", f"{number}:{what}:0")
            told = send_until_kept(works, [2], tries=1)
            if told[2] == "acknowledged":
                assert missing(works, told) == []
            if not door.ended():
                assert send_until_kept(works, [2])[2] == "acknowledged" or door.wait(5), works.logged()
            works.stop()
            reached = len(works.operations()) >= number
            assert_healed(works)
        if not reached:
            assert ALL, f"operation {number} was never reached"
            return
    assert not ALL, f"{MOST} operations and no end"
