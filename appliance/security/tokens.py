"""API tokens: a role each, shown once, kept as a hash."""

from __future__ import annotations

import datetime as dt
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from appliance.errors import NotFoundError, ResourceError, UsageError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.security.revoking import as_maker, by_token, revoke_made_by
from appliance.security.roles import TOKEN_ROLES, check_role
from appliance.security.sessions import TOUCH_AFTER, hash_id
from appliance.store import tokens
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

PREFIX = "appl_"
"""What every token starts with, so that scanners find one that leaked."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token without its secret."""

    token_id: int
    name: str
    role: str  # of roles.TOKEN_ROLES
    created: dt.datetime
    created_by: str
    expires: dt.datetime | None  # None: never
    revoked: dt.datetime | None
    seen: dt.datetime | None  # last use, to the minute

    def is_good(self, moment: dt.datetime) -> bool:
        return self.revoked is None and (self.expires is None or moment < self.expires)


def all_tokens(store: Store) -> list[Token]:
    """Every token there was, the newest first."""
    with store.database.read() as connection:
        return [_from_row(row) for row in tokens.all_tokens(connection)]


def create_token(store: Store, name: str, role: str, actor: Actor, *, days: int | None = None) -> str:
    """A new token, to be shown this once. `days`: how long it is good, None for ever. Raises UsageError."""
    name = name.strip()
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise UsageError(say("A token needs a name of 1 to 64 characters that says what it is for."), field="name")
    check_role(role, TOKEN_ROLES)
    if days is not None and not 1 <= days <= 3650:
        raise UsageError(say("A token is good for 1 to 3650 days, or for ever."), field="days")
    secret = PREFIX + secrets.token_urlsafe(32)
    expires = now() + dt.timedelta(days=days) if days is not None else None
    with store.database.write("people") as connection:
        token_id = tokens.insert(
            connection,
            name=name,
            role=role,
            token_hash=hash_id(secret),
            created_by=as_maker(actor.name),
            expires=expires,
        )
        detail = {"name": name, "role": role, "expires": expires}
        record(connection, "token-created", actor, object_kind="token", object_id=str(token_id), detail=detail)
    return secret


def find_token(store: Store, secret: str) -> Token | None:
    """The good token of a secret; its use is noted."""
    moment = now()
    with store.database.read() as connection:
        row = tokens.find(connection, hash_id(secret))
    token = _from_row(row) if row is not None else None
    if token is None or not token.is_good(moment):
        return None
    if token.seen is None or moment - token.seen > TOUCH_AFTER:
        with suppress(ResourceError), store.database.write() as connection:
            tokens.touch(connection, token.token_id)
    return token


def revoke_token(store: Store, token_id: int, actor: Actor) -> None:
    """End a token, and what was made with it. Raises NotFoundError when there is none, or it was revoked before."""
    with store.database.write("people") as connection:
        name = tokens.revoke(connection, token_id)
        if name is None:
            raise NotFoundError(say("There is no token %(token_id)s in force.", token_id=token_id))
        record(connection, "token-revoked", actor, object_kind="token", object_id=str(token_id))
        revoke_made_by(connection, by_token(name), actor)


def _from_row(row: Row[Any]) -> Token:
    return Token(
        token_id=row.token_id,
        name=row.name,
        role=row.role,
        created=row.created,
        created_by=row.created_by,
        expires=row.expires,
        revoked=row.revoked,
        seen=row.seen,
    )
