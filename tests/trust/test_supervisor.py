"""The supervisor on a machine that is short of everything for a moment."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from appliance import run
from appliance.config import Settings
from appliance.errors import ConflictError
from appliance.run import Supervisor
from appliance.store import files
from appliance.store.store import Store
from appliance.upkeep.pulse import Pulse


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


def test_a_second_service_on_a_data_folder_is_refused_and_empties_no_spool(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin starts one by hand beside systemd's: what lies in the spool is films on their way in."""
    monkeypatch.setattr(run, "NAME_SECONDS", 0.0)
    first, stop = run.hold_name(store), threading.Event()
    stop.set()
    on_its_way = files.write_scratch(store.folder.spool / "print-of-the-first", b"pixels")
    with pytest.raises(ConflictError, match="already"):
        run.RUNNERS["dicom"](store, stop, Pulse(lambda: None))
    assert on_its_way.exists()
    first.close()
    run.hold_name(store).close()


@pytest.mark.parametrize("part", ["dicom", "web"])
@pytest.mark.parametrize(
    ("address", "said"), [("192.0.2.1", "has no address 192.0.2.1"), ("a b", "nobody knows the address 'a b'")]
)
def test_an_address_that_is_not_here_is_said_in_words(tmp_path: Path, part: str, address: str, said: str) -> None:
    (tmp_path / "appliance.toml").write_text(f'[{part}]\naddress = "{address}"\n')
    command = [sys.executable, "-m", "appliance", "serve", "--data", str(tmp_path), "--only", part]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and f"Part {part} can't listen: " in done.stderr and said in done.stderr
    assert "Traceback" not in done.stderr
