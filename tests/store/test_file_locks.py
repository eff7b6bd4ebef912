"""Locks on one machine, where two parts start in one moment."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.store import file_locks
from appliance.store.file_locks import FileLocks


@pytest.mark.parametrize("looks", ["sweep", "living"])
def test_a_worker_whose_lock_is_looked_at_while_it_is_being_taken_is_no_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: str
) -> None:
    """Its claims would be another's while it prints: the file must not be seen before it is locked."""
    ours, others = FileLocks(tmp_path), FileLocks(tmp_path)
    look: list[Callable[[], object]] = [
        lambda: others.sweep(("films",)) if looks == "sweep" else others.living("films")
    ]
    seen: list[object] = []
    flock = fcntl.flock

    def slow(file: Any, how: int) -> None:
        if how & fcntl.LOCK_EX and look:
            seen.append(look.pop()())
        flock(file, how)

    monkeypatch.setattr(file_locks.fcntl, "flock", slow)
    lock = ours.hold("films")
    assert seen
    assert others.dead([lock.name]) == []
    assert others.living("films") == [lock.name]
    assert [path.name for path in tmp_path.iterdir()] == [lock.name]
    lock.release()
    assert others.dead([lock.name]) == [lock.name]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("removed", ["files", "folder"])
def test_locks_whose_files_somebody_removed_are_lost_and_taken_anew(tmp_path: Path, removed: str) -> None:
    """Else two would work at once for good: who comes next finds nothing locked."""
    folder = tmp_path / "locks"
    folder.mkdir()
    locks = FileLocks(folder)
    worker, only = locks.hold("films"), locks.only_one("upkeep")
    assert only.take()
    for path in list(folder.iterdir()):
        path.unlink()
    if removed == "folder":
        folder.rmdir()
    assert not worker.is_held()
    assert not locks.holds(worker.name)
    assert not only.held
    worker.release()
    assert only.take()
    assert not FileLocks(folder).only_one("upkeep").take()
    again = locks.hold("films")
    assert FileLocks(folder).living("films") == [again.name]
    assert folder.stat().st_mode & 0o777 == 0o700 or removed == "files"
