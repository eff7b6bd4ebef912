"""The moment that ages are counted to: what the clock says, without the time that nobody saw pass.

A clock that leaps years ahead makes everything too old to be kept, and housekeeping would remove it within a minute. So
what a clock leapt counts only once it has stood by it for a week, or when a person says that it is right.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from appliance.errors import ResourceError
from appliance.store import secrets
from appliance.store.store import Store
from appliance.store.tables.base import now

LEAP = dt.timedelta(days=3)
"""As much may pass unseen, forward or back: a machine is switched off over a weekend, a clock is set right."""
STEADY_SECONDS = 7 * 86400.0
NOTED_SECONDS = 600.0
_NONE = dt.timedelta()
_NAME = "seen-time"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was last seen of the clock."""

    clock: dt.datetime
    boottime: float  # seconds since the machine started, which no clock can change
    leap: dt.timedelta = _NONE  # how far the clock is ahead of what was seen to pass
    steady: float = 0.0  # seconds seen since it leapt

    @property
    def moment(self) -> dt.datetime:
        """What ages are counted to."""
        return self.clock - self.leap

    @property
    def trusted_in(self) -> float:
        """Seconds until the clock is believed by itself; 0 when it is."""
        return STEADY_SECONDS - self.steady if self.leap else 0.0

    def then(self, clock: dt.datetime, boottime: float) -> Seen:
        """The next look."""
        passed = boottime - self.boottime if boottime >= self.boottime else boottime  # else it was started anew
        ahead = clock - self.clock
        leap, steady = self.leap, self.steady + passed
        if abs(ahead - dt.timedelta(seconds=passed)) > LEAP:  # the two disagree: the clock is not believed
            leap, steady = max(_NONE, leap + ahead), 0.0
        if leap <= LEAP or steady >= STEADY_SECONDS:
            leap = _NONE
        return Seen(clock=clock, boottime=boottime, leap=leap, steady=steady)


def moment(store: Store) -> dt.datetime:
    """The moment to count ages to. Raises ResourceError when the database can't be read."""
    with store.database.read() as connection:
        before, seen = _looked(store, connection)
    if before is None or seen.leap != before.leap or not 0 <= seen.boottime - before.boottime < NOTED_SECONDS:
        with suppress(ResourceError), store.database.write() as connection:  # who makes room comes by here
            _, seen = _looked(store, connection)  # others look as well
            _note(store, connection, seen)
    return seen.moment


def seen_now(store: Store) -> Seen:
    """What the clock looks like now; nothing is written down."""
    with store.database.read() as connection:
        return _looked(store, connection)[1]


def trust_clock(store: Store) -> None:
    """A person says that the clock is right."""
    with store.database.write() as connection:
        _note(store, connection, Seen(clock=now(), boottime=_boottime()))


def _looked(store: Store, connection: Connection) -> tuple[Seen | None, Seen]:
    """What was noted last, and what is seen now."""
    text = secrets.get(connection, _name(store))
    if text is None:
        return None, Seen(clock=now(), boottime=_boottime())
    values = json.loads(text)
    clock, leap = dt.datetime.fromisoformat(values.pop("clock")), dt.timedelta(seconds=values.pop("leap"))
    before = Seen(clock=clock, leap=leap, **values)
    return before, before.then(now(), _boottime())


def _note(store: Store, connection: Connection, seen: Seen) -> None:
    values = asdict(seen) | {"clock": seen.clock.isoformat(), "leap": seen.leap.total_seconds()}
    secrets.put(connection, _name(store), json.dumps(values))


def _name(store: Store) -> str:
    """Each machine has a clock of its own."""
    return f"{_NAME}-{store.node}" if store.node else _NAME


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
