"""Tallies for /metrics: added up in memory where something happens, written to the database every few seconds.

The parts of the appliance are processes that share the database alone; whoever shows figures reads them there. What a
killed process had not written yet is lost: at most a few seconds of figures, never a film.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select

from appliance.errors import ApplianceError
from appliance.store.database import Database, insert_of
from appliance.store.tables.base import now
from appliance.store.tables.ground import tally

WRITE_SECONDS = 5.0
FRESH = dt.timedelta(seconds=6 * WRITE_SECONDS)
"""A level not written for so long was left by a process that is gone."""

log = logging.getLogger(__name__)


@dataclass
class Sum:
    """How many, and seconds or bytes of all of them."""

    count: int = 0
    total: float = 0.0


class Tally:
    """What happened in this process and is not written yet. Adding costs a lock, nothing more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, str], Sum] = defaultdict(Sum)

    def add(self, name: str, label: str = "", *, total: float = 0.0, count: int = 1) -> None:
        with self._lock:
            each = self._sums[name, label]
            each.count += count
            each.total += total

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the seconds of what is done inside to a step, whether it succeeds or not."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.add("steps", step, total=time.monotonic() - began)

    def write(self, database: Database) -> None:
        """Put what was added since the last time into the database; kept for the next time when that fails."""
        with self._lock:
            taken, self._sums = self._sums, defaultdict(Sum)
        try:
            if taken:
                _add_to(database, taken)
        except ApplianceError:
            for (name, label), each in taken.items():
                self.add(name, label, total=each.total, count=each.count)
            raise

    def run(self, database: Database, stop: threading.Event) -> None:
        """Write every few seconds until `stop`, and once more then."""
        stopped = False
        while not stopped:
            stopped = stop.wait(WRITE_SECONDS)
            try:
                self.write(database)
            except ApplianceError as error:
                log.warning("figures are not written now: %s", error)


def _add_to(database: Database, sums: dict[tuple[str, str], Sum]) -> None:
    rows = [
        {"name": name, "label": label, "count": each.count, "total": each.total, "at": now()}
        for (name, label), each in sums.items()
    ]
    with database.write() as connection:
        insert = insert_of(connection)(tally)
        more = {"count": tally.c.count + insert.excluded.count, "total": tally.c.total + insert.excluded.total}
        connection.execute(
            insert.on_conflict_do_update(index_elements=["name", "label"], set_={**more, "at": insert.excluded.at}),
            rows,
        )


def put_level(database: Database, name: str, value: float, label: str = "") -> None:
    """Say how high something stands now; `label`: on which of several machines."""
    values = {"name": name, "label": label, "count": 0, "total": value, "at": now()}
    with database.write() as connection:
        insert = insert_of(connection)(tally).values(**values)
        connection.execute(insert.on_conflict_do_update(index_elements=["name", "label"], set_=values))


def read(database: Database, name: str) -> dict[str, Sum]:
    """Label -> its sum, of everything written so far."""
    with database.read() as connection:
        query = select(tally.c.label, tally.c.count, tally.c.total).where(tally.c.name == name)
        rows = connection.execute(query.order_by(tally.c.label)).all()
    return {label: Sum(count, total) for label, count, total in rows}


def level(database: Database, name: str, label: str = "") -> float:
    """How high it stands; 0 when nobody has said so lately."""
    with database.read() as connection:
        row = connection.execute(select(tally).where(tally.c.name == name, tally.c.label == label)).first()
    return row.total if row is not None and now() - row.at < FRESH else 0.0
