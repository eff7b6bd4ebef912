"""API tokens in the database, known by their hash."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select, update

from appliance.store.tables.base import now
from appliance.store.tables.security import token


def all_tokens(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(token).order_by(token.c.token_id.desc())))


def insert(connection: Connection, **values: Any) -> int:
    """A new token's number."""
    query = token.insert().values(**values, created=now()).returning(token.c.token_id)
    return int(connection.scalar(query) or 0)


def find(connection: Connection, token_hash: str) -> Row[Any] | None:
    return connection.execute(select(token).where(token.c.token_hash == token_hash)).first()


def revoke(connection: Connection, token_id: int) -> str | None:
    """The name of the token that ends; None: there is none of that number that was not revoked before."""
    query = update(token).where(token.c.token_id == token_id, token.c.revoked.is_(None))
    return connection.scalar(query.values(revoked=now()).returning(token.c.name))


def made_by(connection: Connection, maker: str) -> list[Row[Any]]:
    """Every token of a maker, revoked ones, too."""
    return list(connection.execute(select(token).where(token.c.created_by == maker)))


def touch(connection: Connection, token_id: int) -> None:
    connection.execute(update(token).where(token.c.token_id == token_id).values(seen=now()))
