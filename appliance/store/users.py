"""People in the database, with the places they logged in from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from appliance.store.tables.base import now
from appliance.store.tables.security import login_place, user


def all_users(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(user).order_by(user.c.name)))


def get(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(user).where(user.c.name == name)).first()


def any_user(connection: Connection) -> bool:
    return connection.execute(select(user.c.name).limit(1)).first() is not None


def insert(connection: Connection, **values: Any) -> None:
    moment = now()
    connection.execute(user.insert().values(**values, created=moment, password_changed=moment))


def change(connection: Connection, name: str, **values: Any) -> bool:
    return connection.execute(update(user).where(user.c.name == name).values(**values)).rowcount == 1


def remove(connection: Connection, name: str) -> bool:
    return connection.execute(delete(user).where(user.c.name == name)).rowcount == 1


def count_active(connection: Connection, role: str) -> int:
    """People of a role who may log in."""
    query = select(func.count()).where(user.c.role == role, user.c.disabled.is_(False))
    return int(connection.scalar(query) or 0)


def knows_place(connection: Connection, name: str, address: str) -> bool:
    query = select(login_place.c.at).where(login_place.c.user == name, login_place.c.address == address)
    return connection.execute(query).first() is not None


def remember_place(connection: Connection, name: str, address: str) -> None:
    here = (login_place.c.user == name) & (login_place.c.address == address)
    if not connection.execute(update(login_place).where(here).values(at=now())).rowcount:
        connection.execute(login_place.insert().values(user=name, address=address, at=now()))
