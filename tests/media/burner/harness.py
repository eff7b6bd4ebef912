"""What the common suite needs of each burner: its URI, an image for it, and what came out."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.commands import burner_agent
from appliance.media.burner import agent
from appliance.media.burner.options import BurnerOptions
from appliance.media.burner.outcome import BurnOutcome, BurnRequest, BurnResult
from appliance.media.burner.registry import open_burner
from appliance.store import files
from appliance.web.api.agent import AgentReport
from tests.support.robots import EpsonRobot, Robot

ROBOTS = {"primera": Robot, "epson": EpsonRobot}
SCHEMES = ("folder", "drive", "agent", *ROBOTS)
DRIVES = ("drive", "agent")
AT_WORK = (BurnOutcome.WORKING, BurnOutcome.WAITING)


@dataclass
class DirectServer:
    """What an agent sees of the appliance, without HTTP."""

    folder: Path

    def jobs(self) -> list[dict[str, Any]]:
        return agent.jobs_of(self.folder)

    def report(self, job_name: str, said: dict[str, Any]) -> None:
        agent.report(self.folder, job_name, {**agent_defaults(), **said})

    def fetch(self, job_name: str, what: str, target: Path, sha256: str = "") -> None:
        data = agent.file_of(self.folder, job_name, what).read_bytes()
        assert sha256 in ("", hashlib.sha256(data).hexdigest())
        files.write_file(target, data)


def agent_defaults() -> dict[str, Any]:
    """What the API fills in."""
    return AgentReport(state="done").model_dump(mode="json")


@dataclass
class Harness:
    """One burner of one scheme."""

    scheme: str
    folder: Path
    fault: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    robot: Robot | None = None
    thread: threading.Thread | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.place = self.folder / "there"
        self.disc = self.folder / "drive.img"
        if self.scheme in ROBOTS:
            self.robot = ROBOTS[self.scheme](self.place, self.fault)
        if self.scheme in DRIVES and self.fault != "empty":
            self.insert()
        if self.scheme == "agent":
            self.place = agent.folder_of(self.folder, "desk")
            if self.fault != "asleep":
                self.start_agent()
        target = {"drive": f"stdio:{self.disc}", "agent": "desk"}.get(self.scheme, str(self.place))
        options = BurnerOptions(folder_roots=(self.folder,), **self.options)
        self.burner = open_burner(f"{self.scheme}:{target}", options=options)

    def start_agent(self) -> None:
        """The desk's PC, without the network between."""
        work = files.make_folder(self.folder / "desk-work")
        drive = open_burner(f"drive:stdio:{self.disc}", options=BurnerOptions(folder_roots=(self.folder,)))
        desk = burner_agent.Agent(DirectServer(self.place), drive, work)  # type: ignore[arg-type]
        burner_agent.POLL_SECONDS = 0.02
        self.stopping.clear()
        self.thread = threading.Thread(target=desk.run, args=(self.stopping,), daemon=True)
        self.thread.start()
        while not (self.place / "seen").exists():
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop what runs beside."""
        self.stopping.set()
        if self.robot is not None:
            self.robot.stop()
        if self.thread is not None:
            self.thread.join(10)

    def insert(self) -> None:
        """A blank disc into the drive."""
        self.disc.write_bytes(b"")

    def request(self, **more: Any) -> BurnRequest:
        """An image of random bytes, with a label."""
        image = self.folder / "volume-1.iso"
        if not image.exists():
            image.write_bytes(b"\0" * 32768 + hashlib.shake_256(b"image").digest(300 * 2048))
        label = self.folder / f"label.{self.burner.label_kind or 'none'}"
        label.write_bytes(b"label")
        data = image.read_bytes()
        values: dict[str, Any] = {
            "job_name": "000007-1",
            "image": image,
            "form": "iso",
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "medium": "cd",
            "volume_id": "DISC7",
            "number": 1,
            "count": 1,
            "serials": ("000007-1",),
            "label": label if self.burner.label_kind else None,
            "title": "disc 1 of 1",
            "ticket": {"disc_id": 7},
        }
        return BurnRequest(**values | more)

    def burn(self, request: BurnRequest) -> BurnResult:
        """Submit, and ask until it ends or waits for a person."""
        result = self.burner.submit(request)
        return self.follow(request, result)

    def follow(self, request: BurnRequest, result: BurnResult | None = None, until: Any = None) -> BurnResult:
        """Ask until it ends; `until` may end it earlier."""
        result = result or self.burner.status(request)
        for _ in range(500):
            if result.outcome not in AT_WORK or (until and until(result)):
                break
            time.sleep(0.02)
            result = self.burner.status(request)
        return result

    def came_out(self) -> list[str]:
        """SHA-256 of what is on each disc that came out."""
        size = self.request().bytes
        if self.robot is not None:
            return list(self.robot.discs)
        if self.scheme in DRIVES:
            data = self.disc.read_bytes() if self.disc.exists() else b""
            return [hashlib.sha256(data[:size]).hexdigest()] if data else []
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(self.place.glob("*.iso"))]
