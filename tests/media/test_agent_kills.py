"""kill -9, cut cables and lost folders around a burner agent, with processes of their own and a drive of xorriso's.

Nothing is called done that was not read back, nothing is burned twice by itself, nothing gets stuck.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appliance.media import discs as verbs
from appliance.media import doubt
from appliance.media.burner.agent import ALIVE_SECONDS, folder_of
from appliance.media.housekeeping import forget_agent_jobs
from appliance.media.views import show_disc
from appliance.security.tokens import create_token
from appliance.store.store import Store
from tests.faults.plant import Running, Zygote
from tests.media.disc_helpers import CLERK, add, fresh, ordered
from tests.support.ports import free_port

# a drive one can hold still in the middle of a burn, or find half written after a power cut
SHIM = """#!/bin/sh
case "$*" in *cdrecord*)
  echo $$ >> {desk}/burns
  for image; do :; done
  if [ -e {desk}/hold ]; then
    echo "Beginning to write" >&2
    dd if="$image" of={drive} bs=2048 count=20 conv=notrunc 2>/dev/null
    touch {desk}/half
    while [ -e {desk}/hold ]; do sleep 0.05; done
    : > {drive}
  fi;;
esac
exec /usr/bin/xorriso "$@"
"""
OPTIONS = {
    "APPLIANCE_WEB_ADDRESS": "127.0.0.1",
    "APPLIANCE_STORAGE_RESERVE_MIB": "1",
    "APPLIANCE_STORAGE_RESERVE_PERCENT": "0",
}


class Desk:
    """An appliance of two processes, and the PC at the desk."""

    def __init__(self, store: Store, folder: Path, zygote: Zygote) -> None:
        self.store, self.folder, self.zygote = store, folder, zygote
        self.desk, self.work, self.drive = folder / "desk", folder / "desk" / "work", folder / "desk" / "drive.img"
        (self.desk / "bin").mkdir(parents=True)
        self.work.mkdir()
        self.drive.write_bytes(b"")
        shim = self.desk / "bin" / "xorriso"
        shim.write_text(SHIM.format(desk=self.desk, drive=self.drive))
        shim.chmod(0o755)
        self.token = self.desk / "token"
        self.token.write_text(create_token(store, "desk", "clerk", CLERK))
        self.port, self.said = free_port(), folder / "said"
        self.started: list[subprocess.Popen[bytes]] = []
        self.appliance = self._serve()

    def _start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "appliance", *arguments]
        process = subprocess.Popen(command, env=os.environ | OPTIONS | environment, stderr=self.said.open("ab"))
        self.started.append(process)
        return process

    def _serve(self) -> list[Running]:
        options = OPTIONS | {"APPLIANCE_WEB_PORT": str(self.port)}
        return [self.zygote.start(part, self.store.folder.root, self.said, options) for part in ("web", "discs")]

    def killed_and_started_again(self) -> None:
        """The server's power cord, so to speak."""
        self._kill()
        self.appliance = self._serve()

    def _kill(self) -> None:
        for part in self.appliance:
            part.stop(signal.SIGKILL)

    def agent(self, *, port: int = 0, work: Path | None = None, **environment: str) -> subprocess.Popen[bytes]:
        where = ["--server", f"http://127.0.0.1:{port or self.port}", "--burner", "desk"]
        own = ["--token-file", str(self.token), "--work", str(work or self.work)]
        own += ["--drive", f"drive:stdio:{self.drive}"]
        path = f"{self.desk / 'bin'}:{os.environ['PATH']}"
        return self._start("burner-agent", *where, *own, PATH=path, **environment)

    def hold(self) -> None:
        (self.desk / "hold").touch()

    def go_on(self) -> None:
        (self.desk / "hold").unlink()

    def is_half(self) -> bool:
        return (self.desk / "half").exists()

    @property
    def burns(self) -> list[int]:
        """The process of each burn so far."""
        path = self.desk / "burns"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def view(self, disc_id: int) -> dict[str, Any]:
        return show_disc(self.store, disc_id)

    def pieces(self, disc_id: int) -> list[str]:
        return [piece["state"] for piece in self.view(disc_id)["volumes"][0]["pieces"]]

    def files_of(self, serial: str) -> list[Path]:
        """Images, labels and marks at the desk of one piece of media."""
        return [path for path in self.work.iterdir() if re.fullmatch(rf"{serial}-\d{{6}}\..*", path.name)]

    def is_done(self, disc_id: int) -> bool:
        return self.view(disc_id)["execution_status"] == "DONE"

    def holds_the_image(self, disc_id: int) -> bool:
        volume = self.view(disc_id)["volumes"][0]
        found = hashlib.sha256(self.drive.read_bytes()[: volume["bytes"]]).hexdigest()
        return bool(found == volume["sha256"] and volume["verified"])

    def end(self) -> None:
        (self.desk / "hold").unlink(missing_ok=True)
        self._kill()
        for process in self.started:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        for pid in self.burns:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def eventually(true: Callable[[], bool]) -> None:
    """Wait until something is true; processes start slowly on a busy machine."""
    for _ in range(2400):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never came true")


@pytest.fixture
def desk(tmp_path: Path, zygote: Zygote) -> Iterator[Desk]:
    store = fresh(tmp_path / "data")
    add(store, "desk", "agent:desk-7")
    made = Desk(store, tmp_path, zygote)
    yield made
    made.end()
    store.close()


def test_an_agent_killed_in_mid_burn_goes_on_with_the_disc_its_drive_finished(desk: Desk) -> None:
    disc = ordered(desk.store, burner="desk")
    agent = desk.agent(APPLIANCE_FAULT="burn.half:kill")
    assert agent.wait(120) == -signal.SIGKILL  # its drive writes on
    assert not desk.is_done(disc)
    desk.agent()
    eventually(lambda: desk.is_done(disc))
    assert desk.holds_the_image(disc) and len(desk.burns) == 1


def test_a_power_cut_at_the_desk_leaves_a_half_disc_for_a_person_and_another_blank_is_asked_for(desk: Desk) -> None:
    desk.hold()
    disc = ordered(desk.store, burner="desk")
    agent = desk.agent()
    eventually(desk.is_half)
    agent.kill()
    agent.wait()
    os.killpg(desk.burns[0], signal.SIGKILL)
    desk.go_on()
    desk.agent()
    eventually(lambda: "not blank" in desk.view(disc)["message"])
    (spoilt, _) = desk.view(disc)["volumes"][0]["pieces"]
    assert spoilt["state"] == "failed" and "half written" in spoilt["message"]
    assert len(desk.burns) == 1 and not desk.is_done(disc)
    eventually(lambda: not desk.files_of(spoilt["serial"]))  # its image, while the next one's waits for a blank disc
    desk.drive.write_bytes(b"")  # a person puts in a blank one
    eventually(lambda: desk.is_done(disc))
    assert desk.pieces(disc) == ["failed", "verified"] and desk.holds_the_image(disc) and len(desk.burns) == 2


def test_an_appliance_killed_while_its_agent_burns_hears_of_it_when_it_is_back(desk: Desk) -> None:
    desk.hold()
    disc = ordered(desk.store, burner="desk")
    desk.agent()
    eventually(desk.is_half)
    desk.killed_and_started_again()
    desk.go_on()
    eventually(lambda: desk.is_done(disc))
    assert desk.holds_the_image(disc) and len(desk.burns) == 1


def test_a_burn_that_another_folder_began_is_not_begun_again(desk: Desk) -> None:
    desk.hold()
    disc = ordered(desk.store, burner="desk")
    agent = desk.agent()
    eventually(desk.is_half)
    agent.kill()
    agent.wait()
    os.killpg(desk.burns[0], signal.SIGKILL)
    desk.go_on()
    desk.drive.write_bytes(b"")  # a blank one is in, which would tempt
    fresh_folder = desk.desk / "work-2"
    fresh_folder.mkdir()
    desk.agent(work=fresh_folder)
    eventually(lambda: desk.view(disc)["held"])
    assert "in-doubt" in desk.view(disc)["reasons"] and "another PC" in desk.view(disc)["message"]
    assert len(desk.burns) == 1
    eventually(lambda: not list(fresh_folder.iterdir()))  # it is over there, whatever a person will say of the disc
    assert [path.suffix for path in desk.work.iterdir()].count(".iso") == 1  # of the agent that was killed
    doubt.spoil(desk.store, disc, CLERK)
    eventually(lambda: desk.is_done(disc))
    assert desk.holds_the_image(disc) and len(desk.burns) == 2
    desk.agent()  # where the first one was
    eventually(lambda: not list(desk.work.iterdir()))
    agents = folder_of(desk.store.folder.root, "desk-7")
    forget_agent_jobs(desk.store)  # the job in doubt has a patient's name, and nobody waits for it
    assert [path.name for path in agents.iterdir()] == ["seen"]


def test_an_agent_that_starts_removes_images_no_job_needs_and_nothing_of_others(desk: Desk) -> None:
    over, unknown = desk.work / "000098-1-123456.iso", desk.work / "000099-1-123456.iso"
    ours = (over, over.with_suffix(".final"), unknown, unknown.with_suffix(".iso.part"), unknown.with_suffix(".pdf"))
    others = [desk.work / name for name in ("000099.iso", "holiday.iso", "letter.pdf")]
    for path in (*ours, *others):
        path.write_bytes(b"{}")
    lost = desk.agent(port=free_port())  # the appliance does not answer
    eventually(lambda: not over.exists())
    assert unknown.exists()  # the appliance may want it
    assert over.with_suffix(".final").exists()  # still to be told
    lost.kill()
    desk.agent()
    eventually(lambda: sorted(desk.work.iterdir()) == others)


def test_a_disc_of_an_agent_that_stopped_can_be_cancelled_and_the_agent_goes_on_when_it_is_back(desk: Desk) -> None:
    desk.hold()
    disc = ordered(desk.store, burner="desk")
    agent = desk.agent()
    eventually(desk.is_half)
    agent.send_signal(signal.SIGSTOP)
    seen = folder_of(desk.store.folder.root, "desk-7") / "seen"
    long_ago = seen.stat().st_mtime - ALIVE_SECONDS - 1  # rather than a minute's wait
    eventually(lambda: _looks_absent(desk, disc, seen, long_ago))
    verbs.cancel(desk.store, disc, CLERK)
    eventually(lambda: desk.view(disc)["execution_status"] == "FAILURE")
    assert desk.pieces(disc) == ["canceled"]
    desk.go_on()
    agent.send_signal(signal.SIGCONT)
    second = ordered(desk.store, burner="desk")
    eventually(lambda: "not blank" in desk.view(second)["message"])  # the disc of the first lies in the drive
    desk.drive.write_bytes(b"")
    eventually(lambda: desk.is_done(second))
    assert desk.holds_the_image(second) and len(desk.burns) == 2
    eventually(lambda: not list(desk.work.iterdir()))


def _looks_absent(desk: Desk, disc: int, seen: Path, long_ago: float) -> bool:
    os.utime(seen, (long_ago, long_ago))
    return "Agent desk-7 is not there" in desk.view(disc)["message"]


class Cut:
    """A cable that passes some bytes of the appliance's answers, and breaks so once."""

    def __init__(self, port: int, passes: int) -> None:
        self.port, self.left = port, passes
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with suppress(OSError), near, socket.create_connection(("127.0.0.1", self.port)) as far:
            far.sendall(near.recv(1 << 16))
            while data := far.recv(4096):
                if 0 < self.left <= len(data):
                    self.left = 0
                    return
                self.left -= len(data) * (self.left > 0)
                near.sendall(data)


def test_a_cable_pulled_while_the_image_is_fetched_costs_no_disc(desk: Desk) -> None:
    disc = ordered(desk.store, burner="desk")
    eventually(lambda: any(folder_of(desk.store.folder.root, "desk-7").glob("*.json")))
    size = desk.view(disc)["volumes"][0]["bytes"]
    cable = Cut(desk.port, size // 2)
    desk.agent(port=cable.listener.getsockname()[1])
    eventually(lambda: desk.is_done(disc))
    cable.listener.close()
    assert not cable.left  # it did break
    assert desk.holds_the_image(disc) and desk.pieces(disc) == ["verified"] and len(desk.burns) == 1
