"""Printers and print profiles in the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from appliance.store.tables.base import now
from appliance.store.tables.printing import print_profile, printer


def all_printers(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(printer).order_by(printer.c.name)))


def get(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(printer).where(printer.c.name == name)).first()


def insert(connection: Connection, **values: Any) -> None:
    moment = now()
    empty: dict[str, Any] = {"printer_state_reasons": [], "supplies": []}
    connection.execute(printer.insert().values(**empty | values, created=moment, updated=moment))


def change(connection: Connection, name: str, *, version: int | None = None, **values: Any) -> bool:
    """Set columns; with `version`, only if it is still that one. False: it was not."""
    query = update(printer).where(printer.c.name == name)
    if version is not None:
        query = query.where(printer.c.version == version)
    values["version"] = printer.c.version + 1
    return connection.execute(query.values(**values, updated=now())).rowcount == 1


def report_state(connection: Connection, name: str, **values: Any) -> None:
    """What the device says of itself: no new version, it is no setting."""
    connection.execute(update(printer).where(printer.c.name == name).values(**values, updated=now()))


def remove(connection: Connection, name: str) -> bool:
    return connection.execute(delete(printer).where(printer.c.name == name)).rowcount == 1


def all_profiles(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(print_profile).order_by(print_profile.c.name)))


def get_profile(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(print_profile).where(print_profile.c.name == name)).first()


def insert_profile(connection: Connection, **values: Any) -> None:
    connection.execute(print_profile.insert().values(**values))


def change_profile(connection: Connection, name: str, *, version: int | None = None, **values: Any) -> bool:
    query = update(print_profile).where(print_profile.c.name == name)
    if version is not None:
        query = query.where(print_profile.c.version == version)
    values["version"] = print_profile.c.version + 1
    return connection.execute(query.values(**values)).rowcount == 1


def remove_profile(connection: Connection, name: str) -> bool:
    return connection.execute(delete(print_profile).where(print_profile.c.name == name)).rowcount == 1
