"""Burners and copy types in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from appliance.store.tables.base import now
from appliance.store.tables.media import burner, copy_type


def all_burners(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(burner).order_by(burner.c.name)))


def get(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(burner).where(burner.c.name == name)).first()


def insert(connection: Connection, **values: Any) -> None:
    moment = now()
    empty: dict[str, Any] = {"burner_state_reasons": [], "supplies": []}
    connection.execute(burner.insert().values(**empty | values, created=moment, updated=moment))


def change(connection: Connection, name: str, *, version: int | None = None, **values: Any) -> bool:
    """Set columns; with `version`, only if it is still that one. False: it was not."""
    query = update(burner).where(burner.c.name == name)
    if version is not None:
        query = query.where(burner.c.version == version)
    values["version"] = burner.c.version + 1
    return connection.execute(query.values(**values, updated=now())).rowcount == 1


def report_state(connection: Connection, name: str, **values: Any) -> None:
    """What the burner says of itself: no new version, it is no setting."""
    connection.execute(update(burner).where(burner.c.name == name).values(**values, updated=now()))


def remove(connection: Connection, name: str) -> bool:
    return connection.execute(delete(burner).where(burner.c.name == name)).rowcount == 1


def all_copy_types(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(copy_type).order_by(copy_type.c.name)))


def get_copy_type(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(copy_type).where(copy_type.c.name == name)).first()


def put_copy_type(connection: Connection, name: str, settings: dict[str, Any], *, version: int | None = None) -> bool:
    """Keep a copy type; with `version`, only if it is still that one. False: it was not."""
    query = update(copy_type).where(copy_type.c.name == name)
    if version is not None:
        query = query.where(copy_type.c.version == version)
    if connection.execute(query.values(settings=settings, version=copy_type.c.version + 1)).rowcount == 1:
        return True
    if version or get_copy_type(connection, name) is not None:  # it was removed or changed meanwhile
        return False
    connection.execute(copy_type.insert().values(name=name, settings=settings))
    return True


def remove_copy_type(connection: Connection, name: str) -> bool:
    return connection.execute(delete(copy_type).where(copy_type.c.name == name)).rowcount == 1
