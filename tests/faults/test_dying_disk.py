"""A disk that turns read-only under running parts: nothing is acknowledged any more, all that was is there later."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.discs import order, row, wait_for_end, wrong
from tests.faults.instances import missing, send_instances, send_until_kept
from tests.faults.plant import Plant, Zygote, plant, wait_until
from tests.faults.test_kill import assert_balanced, fault_at
from tests.fuzz.driver import echo
from tests.support.dying_disk import DyingDisk, dying_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DyingDisk]:
    with dying_disk(tmp_path) as made:
        yield made


@pytest.fixture
def frail(disk: DyingDisk, tmp_path: Path, zygote: Zygote, template: Path) -> Iterator[Plant]:
    """An appliance on that disk; its ledger and log are elsewhere."""
    with plant(disk.at / "works", zygote, template, tmp_path / "outside") as works:
        yield works


def mended(works: Plant, disk: DyingDisk) -> None:
    """The machine is switched off, its disk checked, and it starts again."""
    for running in works.parts:
        running.stop(signal.SIGKILL)
    works.parts = []
    disk.mend()


def test_films_and_instances_are_refused_by_a_disk_gone_read_only_and_taken_when_it_is_mended(
    frail: Plant, disk: DyingDisk
) -> None:
    parts = [frail.start("dicom"), frail.start("films")]
    assert frail.send_film("folder") == "acknowledged"
    told = send_until_kept(frail, [1, 2])
    assert set(told.values()) == {"acknowledged"}
    frail.drain()
    disk.turn_read_only()
    answers = [frail.send_film("folder") for _ in range(2)]
    told |= send_instances(frail, [3, 4])
    assert "acknowledged" not in answers and told[3] != "acknowledged" and told[4] != "acknowledged"
    assert all(part.code in (None, 0) or part.code > 0 for part in parts if part.ended()), "one fell"
    if not parts[0].ended():
        assert echo(frail.port) > 0
    mended(frail, disk)
    frail.recover()
    assert frail.send_film("folder") == "acknowledged"
    told |= send_until_kept(frail, [3, 4])
    assert missing(frail, dict.fromkeys(told, "acknowledged")) == []
    frail.drain()
    assert_balanced(frail)
    assert frail.tracebacks() == []


@pytest.mark.parametrize("point", ["iso.data", "burn.half"] if "FAULT_REPEATS" in os.environ else ["burn.half"])
def test_a_disc_whose_disk_goes_read_only_in_the_middle_is_not_called_done_and_made_when_it_is_mended(
    frail: Plant, disk: DyingDisk, point: str
) -> None:
    number = order(frail, "folder")
    worker = frail.start("discs", fault_at(point, "delay"))
    assert wait_until(lambda: ["failpoint", point, ""] in frail.trace(), 30), f"{point} was not met"
    disk.turn_read_only()
    wait_until(lambda: worker.ended() or "ead-only" in str(frail.logged()), 10)
    mended(frail, disk)
    assert row(frail, number, "execution_status") != ("DONE",)
    wait_for_end(frail, number, frail.start("discs"))
    assert wrong(frail, number, "folder") == [], frail.logged()[-5:]
