"""Two appliances that are one: a PostgreSQL server, one shared folder, parts of two machines' names side by side."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from appliance.config import Settings
from tests.faults.ledger import Ledger
from tests.faults.plant import EARLIER, Plant, Running, Zygote, wait_until
from tests.support import postgres
from tests.support.fault_printers import IppPrinter, LpdPrinter, SocketPrinter
from tests.support.ports import free_port

NODES = ("east", "west")
SHORT = {"BEAT_SECONDS": 1.0, "LEASE_SECONDS": 4.0, "SILENT_SECONDS": 5, "GRACE_SECONDS": 4.5}
"""Spans of the locks at half their length, for short runs."""


class Nodes(Plant):
    """Two nodes; films go to either, printers are everybody's."""

    drive_node = NODES[0]

    def __init__(self, folder: Path, zygote: Zygote, server: postgres.Server, url: str, *, short: bool = True) -> None:
        self.root = folder
        self.data = folder / "data"
        self.zygote = zygote
        self.server, self.url = server, url
        self.spans = SHORT if short else {}
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.log = folder / "log.jsonl"
        self.ports = {node: free_port() for node in NODES}
        self.port = self.ports[NODES[0]]
        self.environment, self.limits, self.clock, self.parts = {}, {}, [], []
        self.sent = 0
        self.devices = {
            "ipp": IppPrinter(loaded=[(20320, 25400)], jobs={1: EARLIER}),
            "socket": SocketPrinter(),
            "lpd": LpdPrinter(),
        }
        self._add_printers()

    def settings(self) -> Settings:
        return Settings.model_validate(
            {
                "storage": {"reserve_percent": 0, "reserve_mib": 1},
                "database": {"url": self.url},
                "node": {"name": "tests"},
            }
        )

    def start_on(self, node: str, part: str, fault: str = "") -> Running:
        """One part of one machine."""
        self.port = self.ports[node]
        self.environment = {"APPLIANCE_DATABASE_URL": self.url, "APPLIANCE_NODE_NAME": node}
        return self.start(part, fault)

    def start_cut_off(self, node: str, part: str) -> Running:
        """The same without a network: it reaches the database, by its socket, and the share, but no printer."""
        self.environment = {"APPLIANCE_DATABASE_URL": self.server.local_url(self.url), "APPLIANCE_NODE_NAME": node}
        self.cut_off = True
        try:
            return self.start(part)
        finally:
            self.cut_off = False

    def send_to(self, node: str, device: str) -> str:
        """A film to one of the machines; what it was told."""
        self.port = self.ports[node]
        return self.send_film(device)

    def query(self, sql: str) -> list[Any]:
        """Rows, also while the server starts again."""
        end = time.monotonic() + 20
        while True:
            try:
                return self.server.execute(self.url.rpartition("/")[2], sql)
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def settled(self, seconds: float) -> float:
        """Wait until no film is open; how long it took. Back-off is over at once."""
        began = time.monotonic()
        self.drain(seconds)
        return time.monotonic() - began

    @contextlib.contextmanager
    def stands_still(self, part: Running, point: str) -> Iterator[None]:
        """A part that was started with a delay at `point` is stopped there, and goes on after the block."""
        name = point.partition(":")[0]
        reached = [["failpoint", name, ""], ["failpoint", name]]
        skipped = int(point.partition(":")[2] or 0)
        assert wait_until(lambda: sum(step in reached for step in self.trace()) > skipped, 30), f"{point} was not met"
        os.kill(part.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(part.pid, signal.SIGCONT)
        time.sleep(2.0)  # what it would do now

    def remains(self) -> list[str]:
        """What lies about though nothing refers to it; the machines' own folders of the spool stay."""
        spool = [path for path in (self.data / "spool").rglob("*") if path.is_file()]
        known = {str(row[0]) for row in self.query("select job_id from print_job")}
        folders = [path for path in (self.data / "jobs").iterdir() if path.name not in known]
        parts = [path for path in self.data.rglob("*.part") if path.is_file()]
        return [str(path.relative_to(self.data)) for path in {*spool, *folders, *parts}]

    def evidence(self) -> str:
        """For the message of a failed test."""
        rows = self.query(
            "select job_id, printer, label, job_state, job_state_reasons, job_state_message, composing_by, sending_by, "
            "send_started, evidence from print_job order by job_id"
        )
        lines = [str(line) for line in self.logged() if line.get("level") != "INFO"]
        return "\n".join([str(self.verdict()), *map(str, rows), *lines[-40:]])


@contextlib.contextmanager
def nodes(
    folder: Path, zygote: Zygote, server: postgres.Server, template: str, *, short: bool = True
) -> Iterator[Nodes]:
    """Two machines with nothing running yet; their processes are killed in the end."""
    name = server.database(template)
    made = Nodes(folder, zygote, server, server.url(name), short=short)
    try:
        yield made
    finally:
        made.close()
