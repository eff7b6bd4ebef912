"""Storage commitment requests in the database, until they are answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, update

from appliance.store.instances import parts
from appliance.store.tables.base import is_due, now
from appliance.store.tables.studies import commitment, instance

Commitment = Row[Any]
"""A row of commitment."""

PENDING, ANSWERED, GIVEN_UP = "pending", "answered", "given-up"
LONGEST_WAIT = dt.timedelta(hours=2)
"""More than any time until a peer is told again."""


def insert(connection: Connection, **values: Any) -> int:
    moment = now()
    result = connection.execute(commitment.insert().values(**values, state=PENDING, not_before=moment, created=moment))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def pending_of(connection: Connection, transaction_uid: str, ae_title: str) -> list[Commitment]:
    """The requests of that transaction that were not answered yet."""
    query = select(commitment).where(
        commitment.c.transaction_uid == transaction_uid,
        commitment.c.ae_title == ae_title,
        commitment.c.state == PENDING,
    )
    return list(connection.execute(query))


def _due() -> tuple[Any, ...]:
    """What was never answered is due at once: its moment may be one of a clock that was put back since."""
    return commitment.c.state == PENDING, or_(commitment.c.attempts == 0, is_due(commitment.c.not_before, LONGEST_WAIT))


def peers_due(connection: Connection) -> list[str]:
    """Peers with requests to be answered now, who waits longest first."""
    query = select(commitment.c.peer).where(*_due())
    return list(connection.scalars(query.group_by(commitment.c.peer).order_by(func.min(commitment.c.not_before))))


def due(connection: Connection, peer: str, limit: int = 20) -> list[Commitment]:
    """Requests of a peer to be answered now."""
    query = select(commitment).where(commitment.c.peer == peer, *_due())
    return list(connection.execute(query.order_by(commitment.c.not_before).limit(limit)))


def change(connection: Connection, commitment_id: int, **values: Any) -> None:
    """Set columns of a request that waits; one that was answered meanwhile stays as it is."""
    waits = commitment.c.commitment_id == commitment_id, commitment.c.state == PENDING
    connection.execute(update(commitment).where(*waits).values(**values))


def still_due(connection: Connection, seen: Commitment) -> Commitment | None:
    """A request that was due, as it is now; None: another machine has answered it meanwhile, or put it off."""
    query = select(commitment).where(commitment.c.commitment_id == seen.commitment_id, *_due())
    return connection.execute(query).first()


def get(connection: Connection, commitment_id: int) -> Commitment | None:
    return connection.execute(select(commitment).where(commitment.c.commitment_id == commitment_id)).first()


def mark(connection: Connection, uids: Collection[str]) -> set[str]:
    """These instances are promised to be kept; those of them that are there."""
    marked: set[str] = set()
    for part in parts(uids):
        fitting = instance.c.sop_instance_uid.in_(part), ~instance.c.kept_aside
        connection.execute(update(instance).where(*fitting).values(committed=True))
        marked.update(connection.scalars(select(instance.c.sop_instance_uid).where(*fitting)))
    return marked


def promised(connection: Connection, sop_instance_uid: str) -> set[int]:
    """The rows of an instance whose keeping was promised."""
    query = select(instance.c.instance_id).where(instance.c.sop_instance_uid == sop_instance_uid, instance.c.committed)
    return set(connection.scalars(query))
