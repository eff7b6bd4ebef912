"""The watchdog is fed by work done, not by a loop that turns; what hangs is killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.dicom.server import DicomServer
from appliance.store import audit
from appliance.store.store import Store, open_store
from appliance.upkeep import pulse
from appliance.upkeep.pulse import Pulse, page_answers, store_answers
from appliance.web.serve import make_server
from tests.network.raw import RawPeer
from tests.support.ports import free_port
from tests.support.service import ROOT, wait_for_port
from tests.trust.collector import eventually

SUPERVISED = """
import sys
import threading
from pathlib import Path
from appliance import run
run.PARTS = ("dicom",)
run.STUCK_SECONDS = {"dicom": 8.0}
sys.exit(run.supervise(Path(sys.argv[1]), None))
"""


@contextlib.contextmanager
def door_of(store: Store) -> Iterator[DicomServer]:
    server = DicomServer(store)
    server.start()
    try:
        yield server
    finally:
        server.stop(0)


def test_a_beat_comes_when_every_proof_is_given_and_stops_when_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "EVERY_SECONDS", 0.0)
    beats, given = [], [True]
    alive = Pulse(lambda: beats.append(1), lambda: True, lambda: given[-1])
    alive()
    given.append(False)
    alive()
    assert len(beats) == 1
    given.append(True)
    alive()
    assert len(beats) == 2


def test_a_proof_that_breaks_ends_no_part_and_gives_no_beat() -> None:
    def broken() -> bool:
        raise OSError(24, "Too many open files")

    beats: list[int] = []
    Pulse(lambda: beats.append(1), broken)()
    assert beats == []


def test_the_door_calls_itself_without_a_trace_also_where_strangers_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dicom = {"ports": [0], "unknown_peers": "refuse", "strict_called_ae": True}
    settings = Settings.model_validate({"dicom": dicom, "storage": {"reserve_percent": 0}})
    store = open_store(tmp_path / "data", settings=settings)
    caplog.set_level("INFO")
    with door_of(store) as door:
        assert door.answers_itself(5)
    assert "OWN" not in caplog.text
    with store.database.read() as connection:
        assert audit.after(connection, 0, 10) == []
    store.close()


def test_a_door_with_no_association_free_still_answers_itself(tmp_path: Path) -> None:
    settings = Settings.model_validate({"dicom": {"ports": [0], "associations": 1}})
    store = open_store(tmp_path / "data", settings=settings)
    with door_of(store) as door, RawPeer(door.port) as peer:
        assert peer.associate()[:1] == b"\x02"
        assert door.answers_itself(5)
    store.close()


def test_a_door_that_is_deadlocked_does_not_answer_itself(store: Store) -> None:
    with door_of(store) as door:
        assert door.group is not None
        with door.group._lock:
            assert not door.answers_itself(1)
        assert door.answers_itself(5)


def test_a_page_whose_threads_all_hang_does_not_answer_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "ANSWER_SECONDS", 1.0)
    server = make_server(store)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert page_answers(server.effective_host, int(server.effective_port))
    go_on, application = threading.Event(), server.application
    server.application = lambda *given: (go_on.wait(20), application(*given))[1]
    assert not page_answers(server.effective_host, int(server.effective_port))
    go_on.set()
    server.close()
    server.task_dispatcher.shutdown()


def test_a_full_or_locked_store_is_an_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_answers(store)()
    before = sorted(store.folder.spool.iterdir())
    store.folder.spool.rmdir()
    assert store_answers(store)()
    store.folder.spool.mkdir()
    assert sorted(store.folder.spool.iterdir()) == before


@pytest.mark.slow
def test_a_part_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "APPLIANCE_DICOM_PORT": str(port), "APPLIANCE_DICOM_TLS_PORT": str(free_port())}
    log = tmp_path / "log"
    with log.open("wb") as file:
        line = [sys.executable, "-c", SUPERVISED, str(tmp_path / "data")]
        supervisor = subprocess.Popen(line, cwd=ROOT, env=environment, stderr=file)
    try:
        eventually(lambda: "The appliance is running" in log.read_text(), 60)
        hung = children(supervisor.pid)
        assert len(hung) == 1
        os.kill(hung[0], signal.SIGSTOP)
        eventually(lambda: children(supervisor.pid) not in ([], hung), 60)
        assert "shows no life" in log.read_text()
        wait_for_port(port)
        time.sleep(1)
        supervisor.terminate()
        assert supervisor.wait(30) == 0
    finally:
        supervisor.kill()
        supervisor.wait()


def children(pid: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
