"""kill -9 in the middle of C-MOVE and C-GET, ours at every step or the archive: all comes, or it says what lacks."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.archives import MANY, archive_of_ours, asked, here, retrieved
from tests.faults.instances import missing, strays
from tests.faults.plant import Plant, wait_until
from tests.faults.test_kill import REPEATS, fault_at

METHODS = ("move", "get")
STORING = ("store.part", "store.renamed", "store.synced", "store.committed")
POINTS = tuple(f"{name}:{place}" for name in STORING for place in (0, 5, MANY - 1))
ONE = ("store.renamed:5", "store.committed:11")
"""Of the short run."""


def in_turn(few: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """(point, method, count); methods in turn."""
    chosen = POINTS if "FAULT_REPEATS" in os.environ else few
    return [(point, METHODS[(at + count) % 2], count) for at, point in enumerate(chosen) for count in range(REPEATS)]


@pytest.fixture
def archive(works: Plant, tmp_path: Path) -> Iterator[Any]:
    with archive_of_ours(works, tmp_path, works.port) as process:
        yield process


def has_ended(works: Plant, number: int) -> bool:
    return wait_until(lambda: retrieved(works, number)["state"] in ("completed", "aborted"), 60)


def assert_whole(works: Plant) -> None:
    """What is here is here once, as it was sent, and nothing else lies about."""
    assert missing(works, dict.fromkeys(range(1, MANY + 1), "of the archive")) == []
    works.stop()
    works.age()
    works.sweep_studies()
    assert strays(works) == []
    assert works.tracebacks() == []


@pytest.mark.parametrize(("point", "method", "count"), in_turn(ONE))
def test_a_retrieval_killed_anywhere_is_gone_on_with(
    works: Plant, archive: Any, point: str, method: str, count: int
) -> None:
    number = asked(works, method)
    door = works.start("dicom", fault_at(point))
    assert door.wait(40) and door.code == -9, f"{point} was not met"
    works.start("dicom")
    assert has_ended(works, number)
    assert retrieved(works, number)["state"] == "completed", retrieved(works, number)
    assert here(works) == MANY
    assert_whole(works)


@pytest.mark.parametrize(("point", "method", "count"), in_turn(ONE[:1]))
def test_an_archive_killed_anywhere_leaves_a_study_that_says_what_it_lacks(
    works: Plant, archive: Any, point: str, method: str, count: int
) -> None:
    number = asked(works, method)
    name = point.partition(":")[0]
    works.start("dicom", fault_at(point, "delay"))
    assert wait_until(lambda: works.trace().count(["failpoint", name, ""]) > int(point.partition(":")[2]), 40)
    os.killpg(archive.pid, signal.SIGKILL)
    assert has_ended(works, number)
    told, there = retrieved(works, number), here(works)
    if there < MANY:
        assert told["state"] == "aborted"
    if 0 < there < MANY:
        assert f"{MANY - there} of {MANY} instances are missing" in told["message"], told
    if there == MANY:
        assert told["state"] == "completed", told
    assert_whole(works)
