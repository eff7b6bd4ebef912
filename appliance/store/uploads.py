"""Uploaded files on their way into the index: kept, claimed, followed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from appliance.store.tables.base import now
from appliance.store.tables.studies import file_import

Upload = Row[Any]
"""A row of file_import."""

UPLOADING, PENDING, PROCESSING = "uploading", "pending", "processing"
COMPLETED, ABORTED, CANCELED = "completed", "aborted", "canceled"
FINAL = (COMPLETED, ABORTED, CANCELED)
DEATHS = "deaths"
"""Of a report: how many workers died over the file that comes next."""


def insert(connection: Connection, **values: Any) -> int:
    moment = now()
    values = {"names": [], "report": {}, "state": UPLOADING, "created": moment, "updated": moment, **values}
    result = connection.execute(file_import.insert().values(**values))
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def get(connection: Connection, import_id: int) -> Upload | None:
    return connection.execute(select(file_import).where(file_import.c.import_id == import_id)).first()


def page(connection: Connection, *, before: int | None = None, limit: int = 50) -> list[Upload]:
    """The newest imports."""
    query = select(file_import)
    if before:
        query = query.where(file_import.c.import_id < before)
    return list(connection.execute(query.order_by(file_import.c.import_id.desc()).limit(limit)))


def change(
    connection: Connection,
    import_id: int,
    *,
    seen: Collection[str] = (),
    claimed_by: str | None = None,
    **values: Any,
) -> bool:
    """Set columns, if it is in one of the states `seen` and claimed by that worker (any where none is named)."""
    query = update(file_import).where(file_import.c.import_id == import_id)
    if seen:
        query = query.where(file_import.c.state.in_(list(seen)))
    if claimed_by is not None:
        query = query.where(file_import.c.working == claimed_by)
    return connection.execute(query.values(**values, updated=now())).rowcount == 1


def abort_all(connection: Connection, message: str) -> None:
    """End all that have not ended."""
    query = update(file_import).where(file_import.c.state.not_in(FINAL))
    connection.execute(query.values(state=ABORTED, message=message, working=None, updated=now()))


def claim(connection: Connection, worker: str) -> Upload | None:
    """The oldest that waits, now this worker's."""
    query = select(file_import.c.import_id).where(file_import.c.state == PENDING)
    found = connection.scalar(query.order_by(file_import.c.import_id).limit(1))
    if found is None or not change(connection, int(found), seen=(PENDING,), state=PROCESSING, working=worker):
        return None
    return get(connection, int(found))


def workers(connection: Connection) -> set[str]:
    """Who has claimed something."""
    query = select(file_import.c.working).where(file_import.c.state == PROCESSING)
    return {name for name in connection.scalars(query) if name}


def release(connection: Connection, gone: Collection[str]) -> None:
    """What dead workers had begun waits again; a death over the same file is counted in its report."""
    query = select(file_import).where(file_import.c.state == PROCESSING, file_import.c.working.in_(list(gone)))
    for row in connection.execute(query).all():
        report = {**row.report, DEATHS: row.report.get(DEATHS, 0) + 1}
        change(connection, row.import_id, claimed_by=row.working, state=PENDING, working=None, report=report)


def left_behind(connection: Connection, before: dt.datetime) -> list[Upload]:
    """Uploads that nobody added to since and nobody ended: a browser that was closed."""
    query = select(file_import).where(file_import.c.state == UPLOADING, file_import.c.updated < before)
    return list(connection.execute(query))


def folders_in_use(connection: Connection) -> set[str]:
    return set(connection.scalars(select(file_import.c.folder).where(file_import.c.state.not_in(FINAL))))


def count_underway(connection: Connection) -> dict[str, int]:
    """State -> imports that have not ended."""
    query = select(file_import.c.state, func.count()).where(file_import.c.state.not_in(FINAL))
    return {row[0]: row[1] for row in connection.execute(query.group_by(file_import.c.state))}
