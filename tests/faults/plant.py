"""One appliance to break: its data folder, its printers, its processes, and the clients that drive it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.config import Settings
from appliance.events import process_actor
from appliance.network.limits import DEFAULT_LIMITS
from appliance.printing.printer_verbs import add_printer
from appliance.printing.printers import Printer, PrinterSettings
from appliance.store.store import open_store
from appliance.studies import retention
from tests.dicom.clients import boxes, gray_image, print_client
from tests.faults.ledger import Ledger, Verdict, picture
from tests.support.fault_printers import FakeJob, FaultPrinter, IppPrinter, LpdPrinter, SocketPrinter
from tests.support.patience import patient
from tests.support.ports import free_port
from tests.support.service import ROOT, wait_for_port

SETTINGS = Settings.model_validate({"storage": {"reserve_percent": 0, "reserve_mib": 1}})
DEVICES = ("folder", "ipp", "socket", "lpd")
STATES = {"completed": "completed", "pending-held": "held", "canceled": "ended", "aborted": "ended"}
DRAIN_SECONDS = 40.0
EARLIER = FakeJob(1, "of another program", state=9, reasons=(), created=1)
"""A printer whose list reaches back before our job can be believed when it knows nothing of it."""


class Zygote:
    """The process parts are forked from."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self._answer()

    def ask(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def start(self, part: str, data: Path, log: Path, environment: dict[str, str], **conditions: Any) -> Running:
        """A part on a data folder. `conditions`: limits, clock, spans, fault, recorded."""
        order = {"part": part, "data": str(data), "log": str(log), "environment": environment, **conditions}
        return Running(self, self.ask(**order)["pid"])

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def address_space(self) -> int:
        """Bytes a part has before it has done anything."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize"))

    def stop(self) -> None:
        self.process.communicate()


@dataclass
class Running:
    """A part at work."""

    zygote: Zygote
    pid: int
    code: int | None = None  # exit code, once it ended; -9: killed

    def ended(self) -> bool:
        if self.code is None:
            self.code = self.zygote.ask(poll=self.pid)["code"]
        return self.code is not None

    def wait(self, seconds: float) -> bool:
        """Whether it ended within `seconds`, or more on a busy machine."""
        end = time.monotonic() + patient(seconds)
        while not self.ended():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def stop(self, number: int = signal.SIGTERM, seconds: float = 40) -> None:
        if not self.ended():
            os.kill(self.pid, number)
        assert self.wait(seconds), f"process {self.pid} does not end"


class Plant:
    """A data folder with one printer of each kind of device, and what drives it."""

    spans: dict[str, float] = {}  # of the locks of several machines
    host = "127.0.0.1"  # where its clients call it
    drive_node = ""  # the machine a drive is in
    cut_off = False  # parts started now have no network

    def __init__(
        self, folder: Path, zygote: Zygote, template: Path, outside: Path | None = None, **faults: str
    ) -> None:
        outside = outside or folder
        self.root = folder
        folder.mkdir(exist_ok=True)
        self.data = folder / "data"
        shutil.copytree(template, self.data)
        self.zygote = zygote
        outside.mkdir(exist_ok=True)
        self.ledger = Ledger(outside / "ledger.jsonl")
        self.log = outside / "log.jsonl"
        self.port = free_port()
        self.environment: dict[str, str] = {}
        self.limits: dict[str, int] = {}
        self.clock: list[list[float]] = []
        self.parts: list[Running] = []
        self.sent = 0
        self.devices: dict[str, FaultPrinter] = {
            "ipp": IppPrinter(faults.get("ipp", ""), loaded=[(20320, 25400)], jobs={1: EARLIER}),
            "socket": SocketPrinter(faults.get("socket", "")),
            "lpd": LpdPrinter(faults.get("lpd", "")),
        }
        self._add_printers()

    def _add_printers(self) -> None:
        ports = {kind: device.port for kind, device in self.devices.items()}
        uris = {
            "folder": f"folder:{self.data / 'printed'}",
            "ipp": f"ipp://127.0.0.1:{ports['ipp']}/ipp/print",
            "socket": f"socket://127.0.0.1:{ports['socket']}",
            "lpd": f"lpd://127.0.0.1:{ports['lpd']}/film",
        }
        store = open_store(self.data, settings=self.settings())
        for kind, uri in uris.items():
            settings = PrinterSettings(resolution=72)
            printer = Printer(name=kind, device_uri=uri, ae_titles=(kind.upper(),), settings=settings)
            add_printer(store, printer, process_actor("tests"))
        store.close()

    def settings(self) -> Settings:
        """What the tests open its store with."""
        return SETTINGS

    # --- processes ---

    def start(self, part: str, fault: str = "", *, recorded: bool = False) -> Running:
        environment = {
            "APPLIANCE_DICOM_PORT": str(self.port),
            "APPLIANCE_WEB_PORT": str(free_port()),
            "APPLIANCE_STORAGE_RESERVE_PERCENT": "0",
            "APPLIANCE_STORAGE_RESERVE_MIB": "1",
            **self.environment,
        }
        conditions = {"fault": fault, "recorded": recorded or bool(fault), "spans": self.spans, "cut_off": self.cut_off}
        running = self.zygote.start(
            part, self.data, self.log, environment, limits=self.limits, clock=self.clock, **conditions
        )
        self.parts.append(running)
        if part == "dicom":
            self._wait_for_port(running)
        return running

    def _wait_for_port(self, running: Running) -> None:
        while not running.ended():
            with contextlib.suppress(SystemExit):
                wait_for_port(self.port, 0.3)
                return

    def stop(self) -> None:
        for running in self.parts:
            running.stop()
        self.parts = []

    def close(self) -> None:
        for running in self.parts:
            running.stop(signal.SIGKILL)
        for device in self.devices.values():
            device.stop()

    # --- films ---

    def send_film(self, device: str) -> str:
        """Send a film as a modality would, and note what it was told: acknowledged, refused, nothing."""
        self.sent += 1
        number = self.sent * 7919 + os.getpid()
        self.ledger.note(number, "nothing")
        answer = "nothing"
        try:
            answer = self._print(device.upper(), number)
        except Exception as error:  # the association may break anywhere: then it was told nothing
            print(f"{time.strftime('%H:%M:%S')} film {number} was told nothing: {error!r}")
        self.ledger.note(number, answer)
        return answer

    def _print(self, called: str, number: int) -> str:
        pixels = picture(number)
        item = gray_image(*pixels.shape, bits=8, PixelData=pixels.tobytes())
        limits = replace(DEFAULT_LIMITS, connect_timeout=patient(DEFAULT_LIMITS.connect_timeout))
        with print_client(self.port, host=self.host, called=called, calling="FAULTS", limits=limits) as client:
            session = client.session(FilmSessionLabel=str(number))
            film = client.film(session, FilmSizeID="8INX10IN", FilmOrientation="PORTRAIT")
            if film.status:
                return "refused"
            box = boxes(film)[0]
            client.last = {}  # of no earlier request: what breaks off has no status
            if client.image(box, item=item).status:
                return "refused"
            client.last = {}
            status = client.action("1.2.840.10008.5.1.1.2", film.instance).status
            return "acknowledged" if status == 0 else "refused"

    # --- after the fault ---

    def recover(self) -> None:
        """Start it again without a fault and let it work until nothing is open."""
        self.age()
        self.query("update printer set printer_state = 'idle' where printer_state = 'stopped'")  # as a person would
        self.start("dicom")
        self.start("films")
        self.drain()

    def age(self) -> None:
        """What a crash left is older than a minute by now."""
        for folder in (self.data / "spool", self.data / "jobs", self.data / "instances"):
            for path in [*folder.rglob("*"), folder]:
                with contextlib.suppress(OSError):
                    os.utime(path, (time.time() - 600,) * 2)

    def drain(self, seconds: float = DRAIN_SECONDS, worker: Running | None = None) -> None:
        """Wait until every job is settled, or `worker` has ended. Back-off is over at once."""
        end = time.monotonic() + patient(seconds)
        while "open" in self.jobs().values() and time.monotonic() < end and not (worker and worker.ended()):
            self.query("update print_job set not_before = null where not_before is not null")
            time.sleep(0.1)

    def sweep_studies(self) -> int:
        """The housekeeping among studies, which comes in its own time: files without a row it removed."""
        store = open_store(self.data, settings=self.settings())
        try:
            return retention.sweep(store, settled_seconds=0)
        finally:
            store.close()

    def query(self, sql: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.data / "appliance.db", timeout=10)) as connection, connection:
            return connection.execute(sql).fetchall()

    def operations(self) -> list[str]:
        """What the part that was started with a fault did to files and database, in order."""
        path = self.log.with_suffix(".operations")
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [line for line in lines if not line.startswith("failpoint ")]

    def trace(self) -> list[list[str]]:
        """The same with the failpoints passed: [kind, path, second path] each."""
        path = self.log.with_suffix(".operations")
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [line.split(" ") for line in lines]

    def jobs(self) -> dict[int, str]:
        rows = self.query("select label, job_state, job_state_reasons from print_job")
        return {int(label): STATES.get(state, "open") for label, state, _ in rows}

    def printed(self) -> list[bytes]:
        folder = [path.read_bytes() for path in sorted((self.data / "printed").iterdir()) if path.suffix == ".pdf"]
        return folder + [document for device in self.devices.values() for document in device.printed]

    def verdict(self) -> Verdict:
        return self.ledger.judge(self.printed(), self.jobs())

    def remains(self) -> list[str]:
        """What lies about though nothing refers to it: half files, spool, job folders without a row."""
        known = {str(row[0]) for row in self.query("select job_id from print_job")}
        parts = [path for path in self.data.rglob("*.part") if path.is_file()]
        spool = list((self.data / "spool").iterdir())
        folders = [path for path in (self.data / "jobs").iterdir() if path.name not in known]
        return [str(path.relative_to(self.data)) for path in (*parts, *spool, *folders)]

    def logged(self) -> list[dict[str, Any]]:
        """The lines of the log; one that is no JSON is something that wrote around it."""
        if not self.log.exists():
            return []
        return [_line(text) for text in self.log.read_text("utf-8", errors="replace").splitlines()]

    def tracebacks(self) -> list[str]:
        return [str(line) for line in self.logged() if "Traceback" in str(line) or line.get("from") == "?"]


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"from": "?", "says": text}
    return found if isinstance(found, dict) else {"from": "?", "says": text}


def make_template(folder: Path) -> Path:
    """A fresh data folder, migrated, to be copied."""
    open_store(folder, settings=SETTINGS).close()
    return folder


@contextlib.contextmanager
def plant(folder: Path, zygote: Zygote, template: Path, outside: Path | None = None, **faults: str) -> Iterator[Plant]:
    """An appliance in `folder`, its ledger and log in `outside`; its processes are killed in the end."""
    made = Plant(folder, zygote, template, outside, **faults)
    try:
        yield made
    finally:
        made.close()


def wait_until(condition: Any, seconds: float = 20) -> bool:
    end = time.monotonic() + patient(seconds)
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


__all__: Sequence[str] = ("DEVICES", "Plant", "Zygote", "make_template", "np", "plant", "wait_until")
