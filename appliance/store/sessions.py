"""Sessions of the page in the database, known by the hash of their id."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update

from appliance.store.tables.base import now
from appliance.store.tables.security import user, web_session


def insert(connection: Connection, **values: Any) -> None:
    moment = now()
    connection.execute(web_session.insert().values(**values, created=moment, seen=moment))


def find(connection: Connection, id_hash: str) -> Row[Any] | None:
    """A session with the role, language and standing its user has now."""
    query = select(web_session, user.c.role, user.c.language, user.c.disabled)
    return connection.execute(query.join(user).where(web_session.c.id_hash == id_hash)).first()


def of_user(connection: Connection, name: str) -> list[Row[Any]]:
    query = select(web_session).where(web_session.c.user == name).order_by(web_session.c.seen.desc())
    return list(connection.execute(query))


def touch(connection: Connection, id_hash: str) -> None:
    connection.execute(update(web_session).where(web_session.c.id_hash == id_hash).values(seen=now()))


def remove(connection: Connection, id_hash: str) -> bool:
    return connection.execute(delete(web_session).where(web_session.c.id_hash == id_hash)).rowcount == 1


def remove_of_user(connection: Connection, name: str, *, but: str = "") -> int:
    """End a user's sessions, all or all but one; how many ended."""
    query = delete(web_session).where(web_session.c.user == name, web_session.c.id_hash != but)
    return connection.execute(query).rowcount


def remove_all(connection: Connection) -> None:
    """End everybody's."""
    connection.execute(delete(web_session))


def remove_over(
    connection: Connection, *, seen_before: dt.datetime, created_before: dt.datetime, seen_after: dt.datetime
) -> None:
    """Forget sessions that ended by themselves, and those of a time to come."""
    over = or_(
        web_session.c.seen < seen_before, web_session.c.created < created_before, web_session.c.seen > seen_after
    )
    connection.execute(delete(web_session).where(over))
