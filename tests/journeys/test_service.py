"""The whole service: all parts under one supervisor, restarted when they die, stopped when told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.patience import patient
from tests.support.ports import free_port
from tests.support.service import ROOT, wait_for_port

PARTS = {"dicom": 1, "web": 1, "films": 2, "discs": 1}


class Service:
    """``appliance serve`` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.data, self.dicom, self.web = folder / "data", free_port(), free_port()
        ports = {"APPLIANCE_DICOM_PORT": str(self.dicom), "APPLIANCE_WEB_PORT": str(self.web)}
        command = [sys.executable, "-m", "appliance", "serve", "--data", str(self.data)]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **ports}, stderr=log)
        self.eventually(lambda: "The appliance is running" in self.log.read_text())

    def children(self) -> dict[int, str]:
        """Process number -> part."""
        found = {}
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = status.read_bytes().decode().split("\0")
            except OSError:
                continue
            if "--only" in words and str(self.data) in words:
                found[int(status.parent.name)] = words[words.index("--only") + 1]
        return found

    def eventually(self, happened: Callable[[], object], seconds: float = 60) -> None:
        end = time.monotonic() + patient(seconds)
        while not happened():
            assert time.monotonic() < end, f"it did not happen:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.1)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.process.kill()
    service.process.wait()


@pytest.mark.slow
def test_the_service_runs_restarts_what_dies_and_stops_when_told(service: Service) -> None:
    assert sorted(service.children().values()) == sorted(part for part, count in PARTS.items() for _ in range(count))
    with urllib.request.urlopen(f"http://127.0.0.1:{service.web}/login") as page:
        assert page.status == 200
    victim = next(number for number, part in service.children().items() if part == "dicom")
    os.kill(victim, signal.SIGKILL)
    service.eventually(lambda: "dicom" in [part for number, part in service.children().items() if number != victim])
    wait_for_port(service.dicom)
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0
    assert service.children() == {}
    lines = [line for line in service.log.read_text().splitlines() if line.startswith("{")]
    assert any(json.loads(line).get("part") == "dicom" and json.loads(line)["level"] == "error" for line in lines)
