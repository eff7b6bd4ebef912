"""kill -9 of ``appliance serve`` itself among films: its parts end with it, the next goes on, the ledger balances."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.faults.plant import Plant, wait_until
from tests.faults.test_kill import REPEATS, assert_balanced
from tests.support.patience import patient
from tests.support.ports import free_port
from tests.support.service import ROOT

DEVICES = ("folder", "ipp")
FILMS = 4


class Service:
    """The whole service on a plant's data folder."""

    def __init__(self, works: Plant) -> None:
        self.works = works
        ports = {"APPLIANCE_DICOM_PORT": str(works.port), "APPLIANCE_WEB_PORT": str(free_port())}
        room = {"APPLIANCE_STORAGE_RESERVE_PERCENT": "0", "APPLIANCE_STORAGE_RESERVE_MIB": "1"}
        line = [sys.executable, "-m", "appliance", "serve", "--data", str(works.data)]
        before = works.log.read_text().count("is running") if works.log.exists() else 0
        with works.log.open("ab") as log:
            self.process = subprocess.Popen(line, cwd=ROOT, env={**os.environ, **ports, **room}, stderr=log)
        assert wait_until(lambda: works.log.read_text().count("is running") > before, 60), works.logged()[-5:]

    def parts(self) -> list[int]:
        """The processes of its parts, whoever their parent is by now."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode().split("\0")
            except OSError:
                continue
            if "--only" in words and str(self.works.data) in words:
                found.append(int(path.parent.name))
        return found

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(patient(60)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("count", range(REPEATS))
def test_the_supervisor_killed_among_films_takes_its_parts_along_and_the_next_goes_on(works: Plant, count: int) -> None:
    chance = random.Random(count)
    service = Service(works)
    kill = threading.Timer(chance.uniform(0.05, 1.5), os.kill, (service.process.pid, signal.SIGKILL))
    kill.start()
    told = [works.send_film(DEVICES[number % 2]) for number in range(FILMS)]
    kill.join()
    service.process.wait()
    assert wait_until(lambda: not service.parts(), 40), "a part outlives its supervisor"
    works.age()
    again = Service(works)
    told += [works.send_film(device) for device in DEVICES]
    assert told[-2:] == ["acknowledged"] * 2
    works.drain()
    again.stop()
    assert_balanced(works)
    assert set(works.jobs().values()) == {"completed"}, "these printers can be asked: nobody need look"
    assert again.parts() == []
