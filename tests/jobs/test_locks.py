"""A claim dies with its holder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from appliance.jobs.locks import OnlyOne, WorkerLock, dead, is_alive, sweep
from appliance.jobs.retry import wait_after

HOLD = """
import sys, time
from pathlib import Path
from appliance.jobs.locks import WorkerLock
lock = WorkerLock(Path(sys.argv[1]), "films")
print(lock.name, flush=True)
time.sleep(60)
"""


def test_a_killed_worker_is_known_to_be_dead_and_a_living_one_to_live(tmp_path: Path) -> None:
    mine = WorkerLock(tmp_path, "films")
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert is_alive(tmp_path, name) and is_alive(tmp_path, mine.name)
    other.kill()
    other.wait()
    assert dead(tmp_path, [name, mine.name, "films-never-was"]) == [name, "films-never-was"]
    sweep(tmp_path, ("films",))
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    mine.release()
    assert not is_alive(tmp_path, mine.name)


def test_waiting_grows_to_five_minutes() -> None:
    assert [wait_after(attempts).total_seconds() for attempts in (1, 2, 3, 4, 5, 50)] == [5, 15, 60, 120, 300, 300]


def test_what_one_may_do_at_a_time_is_free_for_the_next_once_closed(tmp_path: Path) -> None:
    first, second = OnlyOne(tmp_path / "keeping"), OnlyOne(tmp_path / "keeping")
    assert first.take() and first.take()
    assert not second.take() and not second.held
    first.close()
    assert second.take() and second.held
