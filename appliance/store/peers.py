"""Known peers in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from appliance.store.tables.security import peer


def all_peers(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(peer).order_by(peer.c.name)))


def get(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(peer).where(peer.c.name == name)).first()


def insert(connection: Connection, **values: Any) -> None:
    connection.execute(peer.insert().values(**values))


def change(connection: Connection, name: str, *, version: int | None = None, **values: Any) -> bool:
    query = update(peer).where(peer.c.name == name)
    if version is not None:
        query = query.where(peer.c.version == version)
    return connection.execute(query.values(**values, version=peer.c.version + 1)).rowcount == 1


def remove(connection: Connection, name: str) -> bool:
    return connection.execute(delete(peer).where(peer.c.name == name)).rowcount == 1
