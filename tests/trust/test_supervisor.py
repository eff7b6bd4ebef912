"""The supervisor on a machine that is short of everything for a moment."""

from __future__ import annotations

import errno
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from appliance import run
from appliance.config import Settings
from appliance.run import Supervisor


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_part_the_system_gives_no_process_for_is_started_later_and_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(tmp_path, None, Settings())
    child, before = supervisor.children[0], open_files()
    child.command = [sys.executable, "-c", "import time; time.sleep(60)"]

    def none_left(*arguments: Any, **named: Any) -> subprocess.Popen[bytes]:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(run.subprocess, "Popen", none_left)
    supervisor._keep(child)
    assert child.process is None and child.start_at > time.monotonic()
    assert open_files() == before
    monkeypatch.undo()
    child.start_at = 0.0
    supervisor._keep(child)
    assert child.process is not None
    child.process.kill()
    child.process.wait()
    child.forget()
