"""Every file and database operation fails once, in turn: disk full, input/output error, read-only, and the plug.

One part of the service counts its operations (appliance.store.files); the n-th one breaks, n = 1, 2, 3 … until a run
passes untouched. No wrong success, nothing lost, nothing stuck, and the service goes on without a restart where it
lives. A short run takes a handful of n; ``make faults`` takes them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.faults.instances import missing, send_instances, send_until_kept
from tests.faults.plant import DEVICES, Plant, Zygote, plant
from tests.faults.test_kill import assert_balanced

ALL = "FAULT_REPEATS" in os.environ
WHATS = ("ENOSPC", "EIO", "EROFS", "kill")
FEW = {"submit": (5, 11, 14, 18, 19, 22), "store": (3, 7, 8, 10)} | dict.fromkeys(DEVICES, (6, 8, 16, 18))
"""Numbers of the short run: they fall on receiving, syncing, renaming and committing."""
MOST = 400
SLICES = 8 if ALL else 1
"""The long run takes the numbers in so many cases, each every eighth: they can be shared out, and gone on with."""
Case = Callable[[Plant, str], None]


def submit(works: Plant, fault: str) -> None:
    """A film comes in. A refused one is sent again, as a modality does."""
    door = works.start("dicom", fault)
    answers = [works.send_film("folder") for _ in range(2)]
    if not door.ended():
        assert answers[1] == "acknowledged" or works.send_film("folder") == "acknowledged", works.logged()
    works.stop()
    works.recover()
    assert_balanced(works)


def films(device: str, works: Plant, fault: str) -> None:
    """A film is composed and sent."""
    works.start("dicom")
    assert works.send_film(device) == "acknowledged"
    worker = works.start("films", fault)
    works.drain(20, worker)
    open_still = [number for number, state in works.jobs().items() if state == "open"]
    # a printer stopped by its device (a folder that can't be written) waits for a person, and says so
    waits = works.query("select name from printer where printer_state = 'stopped'")
    assert worker.ended() or waits or not open_still, ("stuck without a restart", works.logged())
    works.stop()
    works.recover()
    assert_balanced(works)


def store(works: Plant, fault: str) -> None:
    """Instances come in; refused ones are sent again."""
    door = works.start("dicom", fault)
    told = send_instances(works, [1, 2, 3])
    if not door.ended():
        told |= send_until_kept(works, [number for number, answer in told.items() if answer != "acknowledged"])
        assert set(told.values()) == {"acknowledged"}, (told, works.logged())
    works.stop()
    assert missing(works, told) == []
    works.age()
    works.start("dicom")
    again = send_until_kept(works, [1, 2, 3])
    assert set(again.values()) == {"acknowledged"}
    assert missing(works, again) == []
    works.stop()


CASES: dict[str, Case] = {"submit": submit, "store": store} | {device: partial(films, device) for device in DEVICES}


def numbers(few: Sequence[int], part: int) -> Sequence[int]:
    """The operations of one slice, from 1: until one is not reached."""
    return range(part + 1, MOST, SLICES) if ALL else few


@pytest.mark.parametrize("part", range(SLICES))
@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("case", CASES)
def test_whatever_operation_fails_nothing_is_lost_or_told_wrongly(
    tmp_path: Path, zygote: Zygote, template: Path, case: str, what: str, part: int
) -> None:
    for number in numbers(FEW[case][WHATS.index(what) :: 4], part):
        with plant(tmp_path / str(number), zygote, template) as works:
            CASES[case](works, f"{number}:{what}:0")
            reached = len(works.operations()) >= number
        if not reached:
            assert ALL, f"operation {number} was never reached"
            return
    assert not ALL, f"{MOST} operations and no end"
