"""Robots that watch a job folder as real ones do: take a job by renaming it, work, rename it again; or misbehave."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

STEP_SECONDS = 0.02


@dataclass
class Robot:
    """A simulated robot; `fault` is what it does wrong."""

    folder: Path
    fault: str = ""  # fails, jams, empty, slow, asleep, tidy (puts ended jobs away), forgets
    discs: list[str] = field(default_factory=list)  # SHA-256 of the image on each disc that came out
    jobs: list[dict[str, str]] = field(default_factory=list)  # what each job file said

    submitted = ".JRQ"
    states = (".QRJ", ".INP")
    abort_suffix = ".PTM"

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True, parents=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.wait(STEP_SECONDS):
            for path in sorted(self.folder.glob(f"*{self.submitted}")):
                if self.fault != "asleep":
                    self._take(path)

    def _take(self, path: Path) -> None:
        job = self.read(path)
        self.jobs.append(job)
        for suffix in self.states:
            path = path.rename(path.with_suffix(suffix))
            if not self._work(path):
                return
        if self.fault == "forgets":
            path.unlink()
            return
        if self.fault == "fails":
            self.say(path.stem, "Drive 1 failed to burn the disc")
            path.rename(path.with_suffix(".ERR"))
            return
        self.discs.append(hashlib.sha256(Path(self.image(job)).read_bytes()).hexdigest())
        path.rename(path.with_suffix(".DON"))

    def _work(self, path: Path) -> bool:
        """A step of the work; False when it ended there."""
        time.sleep(STEP_SECONDS * (20 if self.fault == "slow" else 1))
        while self.fault in ("jams", "empty") and not self._stop.is_set():
            self.say("", "Disc picking error: a disc is stuck" if self.fault == "jams" else "There are no discs left")
            if self._aborted(path):
                return False
            time.sleep(STEP_SECONDS)
        self.say("", "")
        return not (self._stop.is_set() or self._aborted(path))

    def _aborted(self, path: Path) -> bool:
        if not path.with_suffix(self.abort_suffix).exists():
            return False
        path.with_suffix(self.abort_suffix).unlink()
        path.rename(path.with_suffix(".ERR"))
        return True

    def read(self, path: Path) -> dict[str, str]:
        """The keys of a job file."""
        lines = path.read_bytes().decode("cp1252").split("\r\n")
        return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines) if key.strip()}

    def image(self, job: dict[str, str]) -> str:
        return job["ImageFile"]

    def say(self, job: str, text: str) -> None:
        """Write the status file."""
        status = self.folder / "Status"
        status.mkdir(exist_ok=True)
        section = job or "System"
        key = "JobErrorString" if job else "SysErrorString"
        (status / "Robot1.txt").write_bytes(f"[{section}]\r\n{key} = {text or 'No errors'}\r\n".encode())


@dataclass
class EpsonRobot(Robot):
    """TD Bridge."""

    submitted = ".JDF"
    states = (".RJD", ".INP")
    abort_suffix = ".JCF"

    def image(self, job: dict[str, str]) -> str:
        return job["IMAGE"]

    def say(self, job: str, text: str) -> None:
        """TDBStatus.txt as its guide describes it (PP-100II, page 76): an error belongs to a job."""
        jobs = [each["JOB_ID"] for each in self.jobs]
        lines = ["[ACTIVE_JOB]", *(f"JOB{number}={name}" for number, name in enumerate(jobs, 1))]
        for name in jobs:
            lines += [f"[{name}]", "STATUS=2", "COMPLETION_NUMBER=0", "ERRORDISC_NUMBER=-1", f"ERROR={text}"]
        lines += ["[PUBLISHER1]", "NAME=PP-100", "INK_C=-1", "INFO1=CAE001"]
        (self.folder / "TDBStatus.txt").write_bytes("\r\n".join(lines).encode())
