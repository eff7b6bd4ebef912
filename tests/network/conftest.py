"""A server on a free port, and what the tests want to know of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from appliance.network.incidents import Incident
from appliance.network.limits import Limits
from appliance.network.server import Listen, ServerGroup, start_server

CONTEXTS = (
    "1.2.840.10008.1.1",
    "1.2.840.10008.5.1.1.9",
    "1.2.840.10008.5.1.1.1",
    "1.2.840.10008.5.1.1.14",
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.7",
)
QUICK = Limits(
    request_deadline=0.8,
    pdu_deadline=0.8,
    send_timeout=0.8,
    tls_deadline=0.8,
    message_time=2.0,
    empty_dataset_after=0.3,
)
"""Deadlines short enough to wait for in a test."""


LISTEN = (Listen(),)


class Bench:
    """Starts servers, keeps their incidents, and stops them."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.incidents: list[Incident] = []
        self.groups: list[ServerGroup] = []

    def serve(self, *handlers: Any, limits: Limits = QUICK, listen: Any = LISTEN, **more: Any) -> ServerGroup:
        ae = AE("APPLIANCE")
        for uid in CONTEXTS:
            ae.add_supported_context(uid)
        more.setdefault("spool", self.spool)
        group = start_server(ae, listen, handlers, limits=limits, on_incident=self.incidents.append, **more)
        self.groups.append(group)
        return group

    @property
    def kinds(self) -> set[str]:
        return {incident.kind for incident in self.incidents}

    @property
    def leftovers(self) -> list[Path]:
        return list(self.spool.rglob("*"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for group in bench.groups:
        group.stop()


def eventually(condition: Callable[[], Any], within: float = 5.0) -> bool:
    """Whether `condition` comes true in a while."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def our_threads() -> int:
    """Threads of associations and their upper layers."""
    return sum(thread.name.startswith(("association-", "Thread-")) for thread in threading.enumerate())
