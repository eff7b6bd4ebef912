"""A claim dies with its holder: on one machine with the process, on several with its session."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from appliance.store import server_locks
from appliance.store.locks import Locks, open_locks
from appliance.store.store import Store

pytestmark = pytest.mark.both_databases

HOLD = """
import sys, time
from pathlib import Path
from appliance.config import Settings
from appliance.store.store import open_store
settings = Settings.model_validate({"database": {"url": sys.argv[2]}})
store = open_store(Path(sys.argv[1]), settings=settings)
lock = store.locks.hold("films")
print(lock.name, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spans of the server's locks, shorter and in the same order."""
    monkeypatch.setattr(server_locks, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(server_locks, "LEASE_SECONDS", 0.8)
    monkeypatch.setattr(server_locks, "GRACE_SECONDS", 1.2)


def soon(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def other(store: Store) -> Locks:
    """The locks of another process."""
    return open_locks(store.database, store.folder, store.node)


def test_a_killed_worker_is_known_to_be_dead_and_a_living_one_to_live(store: Store) -> None:
    mine = store.locks.hold("films")
    line = [sys.executable, "-c", HOLD, str(store.folder.root), store.settings.database.url]
    holder = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    assert name != mine.name and len(store.locks.living("films")) == 2
    time.sleep(1.5)
    assert store.locks.dead([name, mine.name]) == []
    holder.kill()
    holder.wait()
    assert soon(lambda: store.locks.dead([name, mine.name]) == [name])
    assert len(store.locks.living("films")) == 1
    store.locks.sweep(("films",))
    assert store.locks.holds(mine.name) and mine.is_held()
    mine.release()
    assert store.locks.living("films") == [] and not store.locks.holds(mine.name)


def test_what_one_may_do_at_a_time_is_free_for_the_next_once_closed(store: Store) -> None:
    others = other(store)
    first, second = store.locks.only_one("keeping"), others.only_one("keeping")
    assert first.take() and first.take() and first.held
    assert not second.take() and not second.held
    first.close()
    assert second.take() and second.held
    others.close()


def test_workers_of_one_process_are_told_apart_by_their_kind(store: Store) -> None:
    discs, imports = store.locks.hold("discs"), store.locks.hold("import")
    assert (len(store.locks.living("discs")), len(store.locks.living("import"))) == (1, 1)
    discs.release()
    assert (len(store.locks.living("discs")), len(store.locks.living("import"))) == (0, 1)
    imports.release()
