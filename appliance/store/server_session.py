"""A connection to PostgreSQL, to the right one of its servers, that waits no longer than that lives.

A server that stands still (stopped, swapping, its machine or a balancer in between hung) keeps its connections: a
kernel acknowledges what it is sent, so that neither keepalives nor the kernel's own limits end the wait. Who has waited
for a while asks by a new connection whether anybody is there. A long statement of one that lives takes what it takes,
but for a commit: it may wait for a stand-by that is away, as long as that is.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any, NoReturn

import psycopg
from sqlalchemy import Engine, event

from appliance import clock
from appliance.store.lineage import LeftBehindError, Lineage

SILENT_SECONDS = 8.0
"""After so long without an answer the server is asked whether it lives."""
COMMIT_SECONDS = 8.0
"""After so long a commit is waited for no more by who made it: the server is asked what became of it."""


class Patient(psycopg.Connection[Any]):
    """Is closed, and raises OperationalError, when its server answers nobody."""

    address: dict[str, Any]
    """What it was opened with, by name."""
    _commits_until: float | None = None

    def commit(self) -> None:
        self._commits_until = time.monotonic() + COMMIT_SECONDS
        try:
            super().commit()
        finally:
            self._commits_until = None

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        return super().wait(self._watched(gen), *arguments, **options)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """The driver's steps, which are sent what is ready, nothing several times a second."""
        asks_at = time.monotonic() + SILENT_SECONDS
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and self._commits_until is not None and time.monotonic() > self._commits_until:
                    self._give_up("the commit gets no answer")
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
            self._give_up("the server gives no answer")
        except psycopg.OperationalError:  # it says no: too many are connected, or it is being started
            return

    def _give_up(self, why: str) -> NoReturn:
        self.pgconn.finish()
        raise psycopg.OperationalError(why) from None


class Servers:
    """The servers of an address, the one that answered last asked first: one that is switched off is waited for."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._last: int | None = None

    def connect(self, _dialect: Any, _record: Any, arguments: list[Any], address: dict[str, Any]) -> Patient:
        """A connection to the first that will do. Raises OperationalError when none does."""
        places = list(enumerate(places_of(address)))
        if self._last is None:
            self._last = self._meet(places, arguments, address) if len(places) > 1 else 0
        errors: list[psycopg.OperationalError] = []
        for number, place in places[self._last :] + places[: self._last]:
            try:
                made = self._open(arguments, {**address, **place})
            except psycopg.OperationalError as error:
                errors.append(error)
            else:
                self._last = number
                return made
        left_behind = [error for error in errors if isinstance(error, LeftBehindError)]
        raise (left_behind or errors)[0]

    def _meet(self, places: list[tuple[int, dict[str, str]]], arguments: list[Any], address: dict[str, Any]) -> int:
        """Each of them once; the last that will do. All machines may have stood still when another was promoted: of two
        that take writes only the one that was promoted knows, and the lineage is told by it.
        """
        last = 0
        for number, place in places:
            with suppress(psycopg.OperationalError):
                self._open(arguments, {**address, **place}).close()
                last = number
        return last

    def _open(self, arguments: list[Any], address: dict[str, Any]) -> Patient:
        made = Patient.connect(*arguments, **address)
        made.address = address
        try:
            made.autocommit = True
            self._lineage.refuse_left_behind(made)
            _follow_clock(made)
            made.autocommit = False
        except BaseException:
            made.close()
            raise
        return made


def _follow_clock(connection: Patient) -> None:
    asked = clock.machine()
    [(theirs,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    clock.follow(theirs, asked, clock.machine())


def places_of(address: dict[str, Any]) -> list[dict[str, str]]:
    """Host and port of each server an address names; one empty place where it names none, or by numbers."""
    hosts, ports = str(address.get("host", "")).split(","), str(address.get("port", "")).split(",")
    if len(hosts) == 1 or "hostaddr" in address:
        return [{}]
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [{"host": host, "port": port} for host, port in zip(hosts, ports, strict=False)]


def be_patient(engine: Engine, lineage: Lineage) -> None:
    """Have an engine open such connections."""
    event.listen(engine, "do_connect", Servers(lineage).connect)
