"""The disc worker is stopped as systemd does it, in the middle of a burn: no blank is wasted, and none burned twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from appliance.media.views import show_disc
from appliance.store.store import Store
from tests.media.disc_helpers import add, fresh, ordered
from tests.support.service import ROOT
from tests.trust.collector import eventually
from tests.trust.sandbox import UNITS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


@contextmanager
def disc_worker(store: Store) -> Iterator[subprocess.Popen[bytes]]:
    """The part as its unit starts it."""
    line = [sys.executable, "-m", "appliance", "serve", "--data", str(store.folder.root), "--only", "discs"]
    settings = {**os.environ, "APPLIANCE_STORAGE_RESERVE_PERCENT": "0", "APPLIANCE_LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(line, env=settings, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def writer(worker: subprocess.Popen[bytes]) -> int:
    """The id of the program that writes a disc, once it does; it is stopped there: a slow burn."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for children in Path(f"/proc/{worker.pid}/task").glob("*/children"):
            with suppress(OSError):  # a thread or child that ended meanwhile
                for child in children.read_text().split():
                    if b"cdrecord" in Path(f"/proc/{child}/cmdline").read_bytes():
                        os.kill(int(child), signal.SIGSTOP)
                        return int(child)
    raise AssertionError("no disc was written")


def stop(worker: subprocess.Popen[bytes], tool: int) -> None:
    """As systemd.kill(5) says of the unit's KillMode=: all of its control group, or the main process alone."""
    mode = re.search("^KillMode=(.*)$", (UNITS / "appliance-discs.service").read_text(), re.MULTILINE)
    if mode is None:
        os.kill(tool, signal.SIGKILL)
    else:
        assert mode[1] == "process", "the others kill what is left of the group"
    worker.terminate()
    worker.wait(60)


@pytest.mark.slow
def test_a_disc_that_is_being_written_when_its_worker_is_stopped_is_found_by_the_next_one(store: Store) -> None:
    drive = store.folder.root / "drive.iso"
    drive.touch()
    os.truncate(drive, 1 << 30)
    add(store, "drive", f"drive:stdio:{drive}")
    disc_id = ordered(store, burner="drive")
    with disc_worker(store) as worker:
        tool = writer(worker)
        stop(worker, tool)
    with disc_worker(store):
        eventually(lambda: "is being written" in show_disc(store, disc_id)["message"], 60)
        os.kill(tool, signal.SIGCONT)
        eventually(lambda: show_disc(store, disc_id)["execution_status"] == "DONE", 60)
    [piece] = show_disc(store, disc_id)["volumes"][0]["pieces"]
    assert piece["state"] == "verified", piece
