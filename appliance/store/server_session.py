"""A connection to PostgreSQL that waits no longer than its server lives.

A server that stands still (stopped, swapping, its machine or a balancer in between hung) keeps its connections: a
kernel acknowledges what it is sent, so that neither keepalives nor the kernel's own limits end the wait. Who has waited
for a while asks by a new connection whether anybody is there. A long statement of one that lives takes what it takes.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
from sqlalchemy import Engine, event

SILENT_SECONDS = 8.0
"""After so long without an answer the server is asked whether it lives."""


class Patient(psycopg.Connection[Any]):
    """Is closed, and raises OperationalError, when its server answers nobody."""

    address: dict[str, Any]
    """What it was opened with, by name."""

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        return super().wait(self._watched(gen), *arguments, **options)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The driver's steps, which are sent what is ready, nothing several times a second."""
        asks_at = time.monotonic() + SILENT_SECONDS
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > asks_at:
                    self._ask()
                    asks_at = time.monotonic() + SILENT_SECONDS
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _ask(self) -> None:
        try:
            here = {**self.address, "host": self.info.host, "port": self.info.port}
            psycopg.connect(**here).close()
        except psycopg.errors.ConnectionTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server gives no answer") from None
        except psycopg.OperationalError:  # it says no: too many are connected, or it is being started
            return


def be_patient(engine: Engine) -> None:
    """Have an engine open such connections."""
    event.listen(engine, "do_connect", _connect)


def _connect(_dialect: Any, _record: Any, arguments: list[Any], address: dict[str, Any]) -> Patient:
    made = Patient.connect(*arguments, **address)
    made.address = dict(address)
    return made
