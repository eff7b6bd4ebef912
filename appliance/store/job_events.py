"""The history of jobs, print and disc alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from appliance.store.tables.base import now
from appliance.store.tables.printing import job_event


def add(
    connection: Connection, kind: str, job_id: int, state: str, reasons: Sequence[str], message: str, actor: str
) -> None:
    """One more line of history."""
    connection.execute(
        job_event.insert().values(
            kind=kind, job_id=job_id, at=now(), state=state, reasons=list(reasons), message=message, actor=actor
        )
    )


def of(connection: Connection, kind: str, job_id: int) -> list[Row[Any]]:
    """The history of one job, oldest first."""
    query = select(job_event).where(job_event.c.kind == kind, job_event.c.job_id == job_id)
    return list(connection.execute(query.order_by(job_event.c.event_id)))


def since(connection: Connection, kind: str, event_id: int, limit: int = 500) -> list[Row[Any]]:
    """What happened after an event, oldest first: for those who tell others."""
    query = select(job_event).where(job_event.c.kind == kind, job_event.c.event_id > event_id)
    return list(connection.execute(query.order_by(job_event.c.event_id).limit(limit)))


def last(connection: Connection, kind: str) -> int:
    """The number of the newest event; 0 when there is none."""
    query = select(job_event.c.event_id).where(job_event.c.kind == kind)
    return int(connection.scalar(query.order_by(job_event.c.event_id.desc()).limit(1)) or 0)
