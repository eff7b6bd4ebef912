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
