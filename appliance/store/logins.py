"""Failed log-ins in the database, counted by whom they are held against."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from appliance.store.tables.security import login_failure


def failures(connection: Connection, keys: Sequence[str]) -> list[Row[Any]]:
    return list(connection.execute(select(login_failure).where(login_failure.c.who.in_(keys))))


def add_failure(connection: Connection, key: str, at: dt.datetime) -> None:
    """One more against `key`."""
    one_more = update(login_failure).where(login_failure.c.who == key)
    if not connection.execute(one_more.values(failures=login_failure.c.failures + 1, at=at)).rowcount:
        connection.execute(login_failure.insert().values(who=key, failures=1, at=at))


def forget(connection: Connection, keys: Sequence[str]) -> None:
    connection.execute(delete(login_failure).where(login_failure.c.who.in_(keys)))


def forget_prefix(connection: Connection, prefix: str) -> None:
    connection.execute(delete(login_failure).where(login_failure.c.who.startswith(prefix, autoescape=True)))


def forget_outside(connection: Connection, since: dt.datetime, until: dt.datetime) -> None:
    connection.execute(delete(login_failure).where(~login_failure.c.at.between(since, until)))
