"""Audit entries in the database: added and read, never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select, true

from appliance.store.tables.security import audit
from appliance.store.tables.studies import study

HASHED = ("at", "event", "outcome", "actor", "actor_kind", "address", "object_kind", "object_id", "detail")
"""The columns an entry's hash covers."""


def last_hash(connection: Connection) -> str | None:
    last = newest(connection)
    return last[1] if last else None


def last_moment(connection: Connection) -> dt.datetime | None:
    """When the newest entry was added."""
    return connection.scalar(select(audit.c.at).order_by(audit.c.audit_id.desc()).limit(1))


def newest(connection: Connection) -> tuple[int, str] | None:
    """Number and hash of the last entry."""
    row = connection.execute(select(audit.c.audit_id, audit.c.hash).order_by(audit.c.audit_id.desc()).limit(1)).first()
    return (int(row.audit_id), row.hash) if row else None


def has_hash(connection: Connection, wanted: str) -> bool:
    """Whether an entry bears this hash. Reads them all: there is no index of it."""
    return connection.scalar(select(audit.c.audit_id).where(audit.c.hash == wanted).limit(1)) is not None


def patient_of(connection: Connection, study_instance_uid: str) -> str:
    """The Patient ID of a study that is here, else nothing."""
    query = select(study.c.patient_id).where(study.c.study_instance_uid == study_instance_uid)
    return connection.scalar(query) or ""


def append(connection: Connection, **values: Any) -> None:
    connection.execute(audit.insert().values(**values))


def in_order(connection: Connection) -> Iterator[Row[Any]]:
    """Every entry, oldest first, a thousand in memory at a time."""
    yield from connection.execute(select(audit).order_by(audit.c.audit_id).execution_options(yield_per=1000))


def page(
    connection: Connection,
    *,
    actor: str = "",
    event: str = "",
    text: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Row[Any]]:
    """The newest entries that fit, by keyset: those with a number below `before`."""
    conditions = [
        audit.c.actor == actor if actor else None,
        audit.c.event == event if event else None,
        or_(*(column.icontains(text, autoescape=True) for column in (audit.c.object_id, audit.c.actor)))
        if text
        else None,
        audit.c.at >= since if since else None,
        audit.c.at < until if until else None,
        audit.c.audit_id < before if before else None,
    ]
    query = select(audit).where(*[c for c in conditions if c is not None])
    return list(connection.execute(query.order_by(audit.c.audit_id.desc()).limit(limit)))


def count_after(connection: Connection, number: int) -> int:
    """Entries with a higher number."""
    return int(connection.scalar(select(func.count()).where(audit.c.audit_id > number)) or 0)


def after(connection: Connection, number: int, limit: int) -> list[Row[Any]]:
    """The next entries with a higher number, in order."""
    query = select(audit).where(audit.c.audit_id > number).order_by(audit.c.audit_id).limit(limit)
    return list(connection.execute(query))


def oldest_run(connection: Connection, moment: dt.datetime, last: int = 1 << 62) -> Row[Any] | None:
    """The last entry, up to number `last`, of the oldest run that is all before `moment`; None when there is none."""
    young = select(func.min(audit.c.audit_id)).where(audit.c.at >= moment).scalar_subquery()
    query = (
        select(audit)
        .where(audit.c.at < moment, audit.c.audit_id < func.coalesce(young, 1 << 62))
        .where(audit.c.audit_id <= last)
    )
    return connection.execute(query.order_by(audit.c.audit_id.desc()).limit(1)).first()


def remove_until(connection: Connection, number: int) -> int:
    """Forget the entries up to that number: the rest stays a chain."""
    return connection.execute(delete(audit).where(audit.c.audit_id <= number)).rowcount


def event_names(connection: Connection) -> list[str]:
    """Every kind of event there is, by name. Hops from one to the next in the index: the table may be long."""
    names: list[str] = []
    while True:
        after = audit.c.event > names[-1] if names else true()
        name = connection.scalar(select(audit.c.event).where(after).order_by(audit.c.event).limit(1))
        if name is None:
            return names
        names.append(name)
