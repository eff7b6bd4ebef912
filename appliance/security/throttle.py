"""Back-off after failed log-ins: per account and per address, never for good.

Failures of strangers are counted against the account; those from an address its user logged in from before are counted
apart. So nobody can keep an admin out of their own place by failing elsewhere, and the command line always gets in.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection

from appliance.store import logins, users
from appliance.store.tables.base import now

FREE_TRIES = {"user": 5, "place": 5, "address": 10}
"""Kind of counter -> failures before the first wait; a ward may share one address."""

FIRST_WAIT = 5
LONGEST_WAIT = 15 * 60
"""Seconds; the wait doubles from the one to the other."""

FORGET = dt.timedelta(hours=1)
"""Failures count until this long after the last one."""


def wait_after(kind: str, failures: int) -> int:
    """Seconds to wait after the last of so many failures."""
    over = failures - FREE_TRIES[kind]
    return 0 if over < 0 else min(LONGEST_WAIT, FIRST_WAIT << min(over, 10))


def keys(connection: Connection, name: str, address: str) -> tuple[str, str]:
    """The counters a try of `name` from `address` is held against."""
    if users.knows_place(connection, name, address):
        return f"place:{name} {address}", f"address:{address}"
    return f"user:{name}", f"address:{address}"


def seconds_to_wait(connection: Connection, name: str, address: str) -> int:
    """How long `name` has to wait at `address` before the next try; 0: not at all."""
    moment = now()
    rows = logins.failures(connection, keys(connection, name, address))
    waits = [
        wait_after(row.who.partition(":")[0], row.failures) - (moment - row.at).total_seconds()
        for row in rows
        if abs(moment - row.at) < FORGET  # the clock may have been put back since
    ]
    return max(0, *(-int(-wait // 1) for wait in waits)) if waits else 0


def note_failure(connection: Connection, name: str, address: str) -> None:
    """Count a failed try."""
    moment = now()
    logins.forget_outside(connection, moment - FORGET, moment + FORGET)
    for key in keys(connection, name, address):
        logins.add_failure(connection, key, moment)


def note_success(connection: Connection, name: str, address: str) -> None:
    """Forget this person's failures here, and know the place. The address keeps its own: others may guess there."""
    logins.forget(connection, keys(connection, name, address)[:1])
    users.remember_place(connection, name, address)


def forgive(connection: Connection, name: str) -> None:
    """Forget every failure of an account, as when an admin sets its password."""
    logins.forget(connection, [f"user:{name}"])
    logins.forget_prefix(connection, f"place:{name} ")
