"""The latest association of each application that called."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select

from appliance.store.database import insert_of
from appliance.store.tables.base import now
from appliance.store.tables.security import caller

KEPT = 500
"""The latest callers: whoever makes up AE titles pushes others out, and fills no disk."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One application's latest association."""

    ae_title: str  # calling AE title
    address: str
    called_ae_title: str
    peer: str  # name of the known peer; "" a stranger
    asked: str  # association, or the latest request: C-ECHO, C-STORE, …
    outcome: str  # accepted, rejected
    message: str = ""  # why it was rejected
    at: dt.datetime | None = None
    echoed: dt.datetime | None = None  # when it sent its latest C-ECHO; None: not since the last write


def put(connection: Connection, calls: Sequence[Call]) -> None:
    """Note calls; an older C-ECHO of the same caller stays known. The oldest callers are forgotten."""
    insert = insert_of(connection)(caller)
    values: dict[str, Any] = {column.name: insert.excluded[column.name] for column in caller.c}
    values["echoed"] = func.coalesce(insert.excluded.echoed, caller.c.echoed)
    insert = insert.on_conflict_do_update(index_elements=["ae_title", "address"], set_=values)
    connection.execute(insert, [asdict(each) | {"at": each.at or now()} for each in calls])
    newest = select(caller.c.at).order_by(caller.c.at.desc()).offset(KEPT).limit(1).scalar_subquery()
    connection.execute(delete(caller).where(caller.c.at <= newest))


def latest(
    connection: Connection, *, peer: str | None = None, ae_title: str | None = None, limit: int = KEPT
) -> list[Row[Any]]:
    """Who called, the latest first: all, or those that were taken for a peer or had that AE title."""
    query = select(caller)
    wanted = [caller.c.peer == peer if peer is not None else None]
    wanted.append(caller.c.ae_title == ae_title if ae_title is not None else None)
    conditions = [each for each in wanted if each is not None]
    if conditions:
        query = query.where(or_(*conditions))
    return list(connection.execute(query.order_by(caller.c.at.desc()).limit(limit)))
