"""Retrievals from archives in the database: asked for, claimed, followed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update

from appliance.store.tables.base import now
from appliance.store.tables.studies import retrieval
from appliance.words import say

METHODS = ("auto", "get", "move")
Retrieval = Row[Any]
"""A row of retrieval."""

PENDING, PROCESSING, COMPLETED, ABORTED, CANCELED = "pending", "processing", "completed", "aborted", "canceled"
FINAL = (COMPLETED, ABORTED, CANCELED)
ON_ITS_WAY = dt.timedelta(minutes=10)
"""An instance may still be made durable so long after its archive fell silent and the retrieval ended."""


def insert(connection: Connection, **values: Any) -> int:
    moment = now()
    result = connection.execute(retrieval.insert().values(**values, state=PENDING, created=moment, updated=moment))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def get(connection: Connection, retrieval_id: int) -> Retrieval | None:
    return connection.execute(select(retrieval).where(retrieval.c.retrieval_id == retrieval_id)).first()


def page(
    connection: Connection, *, study_instance_uid: str = "", before: int | None = None, limit: int = 50
) -> list[Retrieval]:
    """The newest retrievals."""
    query = select(retrieval)
    if study_instance_uid:
        query = query.where(retrieval.c.study_instance_uid == study_instance_uid)
    if before:
        query = query.where(retrieval.c.retrieval_id < before)
    return list(connection.execute(query.order_by(retrieval.c.retrieval_id.desc()).limit(limit)))


def underway(connection: Connection, peer: str, study_instance_uid: str, series: Sequence[str]) -> Retrieval | None:
    """The retrieval of just that, if it waits or runs."""
    query = select(retrieval).where(
        retrieval.c.study_instance_uid == study_instance_uid,
        retrieval.c.peer == peer,
        retrieval.c.state.in_((PENDING, PROCESSING)),
    )
    return next((row for row in connection.execute(query) if row.series == list(series)), None)


def claim(connection: Connection, worker: str, only: int | None = None) -> Retrieval | None:
    """The oldest that waits and whose archive nobody fetches from, or the one named; now this worker's."""
    query = select(retrieval.c.retrieval_id).where(retrieval.c.state == PENDING)
    if only is not None:
        query = query.where(retrieval.c.retrieval_id == only)
    else:
        busy = select(retrieval.c.peer).where(retrieval.c.state == PROCESSING)
        query = query.where(retrieval.c.peer.not_in(busy))
    found = connection.scalar(query.order_by(retrieval.c.retrieval_id).limit(1))
    if found is None or not change(connection, int(found), seen=PENDING, state=PROCESSING, working=worker):
        return None
    return get(connection, int(found))


def change(
    connection: Connection, retrieval_id: int, *, seen: str | None = None, claimed_by: str | None = None, **values: Any
) -> bool:
    """Set columns, if it is in the state `seen` and claimed by that worker (any where none is named)."""
    query = update(retrieval).where(retrieval.c.retrieval_id == retrieval_id)
    if seen is not None:
        query = query.where(retrieval.c.state == seen)
    if claimed_by is not None:
        query = query.where(retrieval.c.working == claimed_by)
    return connection.execute(query.values(**values, updated=now())).rowcount == 1


def claimed(connection: Connection) -> list[Retrieval]:
    return list(connection.execute(select(retrieval).where(retrieval.c.state == PROCESSING)))


def studies_underway(connection: Connection) -> set[str]:
    """Studies that are being retrieved: nothing of them is purged."""
    query = select(retrieval.c.study_instance_uid).where(retrieval.c.state.in_((PENDING, PROCESSING)))
    return set(connection.scalars(query))


def known_of_new(connection: Connection, study_instance_uid: str) -> dict[str, Any]:
    """Columns of a study whose first instance comes by a retrieval under way, or one that has just ended without it.

    Such a study is half of one, and must not look whole for a moment; {} for one that comes otherwise.
    """
    late = and_(retrieval.c.state.in_((ABORTED, CANCELED)), retrieval.c.updated >= now() - ON_ITS_WAY)
    query = select(retrieval).where(
        retrieval.c.study_instance_uid == study_instance_uid,
        or_(retrieval.c.state.in_((PENDING, PROCESSING)), late),
    )
    row = connection.execute(query.order_by(retrieval.c.retrieval_id.desc()).limit(1)).first()
    if row is None:
        return {}
    if row.total is not None and not row.series:
        return {"retrieved_from": row.peer, "expected": row.total, "expected_by": "retrieval"}
    return {"retrieved_from": row.peer, "incomplete_reason": row.message or say("it is being fetched")}


def release(connection: Connection, workers: Collection[str]) -> int:
    """What dead workers had begun waits again."""
    query = update(retrieval).where(retrieval.c.state == PROCESSING, retrieval.c.working.in_(list(workers)))
    return connection.execute(query.values(state=PENDING, working=None, updated=now())).rowcount


def count_underway(connection: Connection) -> dict[str, int]:
    """State -> retrievals that have not ended."""
    query = select(retrieval.c.state, func.count()).where(retrieval.c.state.in_((PENDING, PROCESSING)))
    return {row[0]: row[1] for row in connection.execute(query.group_by(retrieval.c.state))}
