"""What the appliance keeps to itself, by name."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from appliance.store.tables.base import now
from appliance.store.tables.security import secret

PLACE = "data-folder"
"""Where the data folder lay when it was opened last."""
FIRST_PRINTER = "first-printer"
FIRST_BURNER = "first-burner"
"""Kept once a fresh data folder has had them: one that is removed does not come back."""
RESTORED = "restored-from"
"""When the backup was made that all this comes from."""


def get(connection: Connection, name: str) -> str | None:
    return connection.scalar(select(secret.c.value).where(secret.c.name == name))


def names(connection: Connection, prefix: str) -> list[str]:
    """What is kept under names that begin so."""
    query = select(secret.c.name).where(secret.c.name.startswith(prefix, autoescape=True))
    return list(connection.scalars(query.order_by(secret.c.name)))


def put(connection: Connection, name: str, value: str) -> None:
    """Keep `value`, in place of what was kept under the name before."""
    remove(connection, name)
    connection.execute(secret.insert().values(name=name, value=value, created=now()))


def remove(connection: Connection, name: str) -> None:
    connection.execute(delete(secret).where(secret.c.name == name))
