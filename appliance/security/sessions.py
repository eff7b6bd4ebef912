"""Sessions of the page: opened by a log-in, kept on the server, ended by idling, by age, or by anyone entitled."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from appliance.errors import NotAllowedError, ResourceError
from appliance.events import Actor
from appliance.security import throttle
from appliance.security.audit import record
from appliance.security.passwords import LONGEST, hash_password, needs_rehash, verify
from appliance.security.users import normal_name
from appliance.store import sessions, users
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import Words, say

TOUCH_AFTER = dt.timedelta(minutes=1)
"""Use is noted this often at most: a page looked at should not cost a write."""


class LoginError(NotAllowedError):
    """Nobody was logged in."""

    def __init__(self, message: Words, *, seconds: int = 0) -> None:
        super().__init__(message)
        self.seconds = seconds  # to wait before the next try


@dataclass(frozen=True, kw_only=True)
class Session:
    """One browser in which someone is logged in."""

    id_hash: str
    user: str
    address: str
    agent: str
    created: dt.datetime
    seen: dt.datetime
    role: str = ""  # of the user, now
    language: str = ""


def log_in(store: Store, name: str, password: str, *, address: str, agent: str = "") -> str:
    """Check a name and password; the id of the new session. Raises LoginError, telling as little as it can."""
    name = normal_name(name)[:64]
    with store.database.read() as connection:
        _refuse_hasty(connection, name, address)
        row = users.get(connection, name)
    fits = verify(row.password_hash if row else None, password) and len(password) <= LONGEST
    if row is None or not fits or row.disabled:
        _note_failure(store, name, address, known=row is not None)
        raise LoginError(say("Name or password is wrong."))
    opened = _open(store, row, password, address, agent)
    return log_in(store, name, password, address=address, agent=agent) if opened is None else opened


def _refuse_hasty(connection: Connection, name: str, address: str) -> None:
    if wait := throttle.seconds_to_wait(connection, name, address):
        raise LoginError(say("Too many failed tries. Try again in %(seconds)s seconds.", seconds=wait), seconds=wait)


def _note_failure(store: Store, name: str, address: str, *, known: bool) -> None:
    """A name nobody has is not written down: people type passwords there."""
    actor = Actor(name=name if known else "", kind="user", address=address)
    with store.database.write() as connection:
        throttle.note_failure(connection, name, address)
        record(connection, "login", actor, outcome="failure", object_kind="user", object_id=actor.name)


def _open(store: Store, row: Row[Any], password: str, address: str, agent: str) -> str | None:
    """A session for the password of `row`; None when the user is not as in it any more: looking at it took a while."""
    actor = Actor(name=row.name, kind="user", address=address)
    better = {"password_hash": hash_password(password)} if needs_rehash(row.password_hash) else {}
    with store.database.write() as connection:
        _refuse_hasty(connection, row.name, address)
        still = users.get(connection, row.name)
        if still is None or (still.password_hash, still.disabled) != (row.password_hash, row.disabled):
            return None
        _sweep(store, connection)
        throttle.note_success(connection, row.name, address)
        users.change(connection, row.name, seen=now(), **better)
        record(connection, "login", actor, object_kind="user", object_id=row.name)
        return open_session(connection, row.name, address=address, agent=agent)


def open_session(connection: Connection, name: str, *, address: str, agent: str) -> str:
    """A new session inside the caller's transaction; its id, which is kept only as a hash."""
    session_id = secrets.token_urlsafe(32)
    sessions.insert(connection, id_hash=hash_id(session_id), user=name, address=address, agent=agent[:200])
    return session_id


def hash_id(secret: str) -> str:
    """SHA-256 of a random id or token; they are long enough to need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def find_session(store: Store, session_id: str, *, in_use: bool = True) -> Session | None:
    """The living session of an id, with the user's role of now. `in_use` puts its idle end off."""
    id_hash = hash_id(session_id)
    moment = now()
    with store.database.read() as connection:
        row = sessions.find(connection, id_hash)
    if row is None or row.disabled or _is_over(store, row, moment):
        return None
    if in_use and moment - row.seen > TOUCH_AFTER:
        with suppress(ResourceError), store.database.write() as connection:  # a full disk can still be looked at
            sessions.touch(connection, id_hash)
    return _from_row(row, role=row.role, language=row.language)


def sessions_of(store: Store, name: str) -> list[Session]:
    """A user's living sessions, the last used first."""
    moment = now()
    with store.database.read() as connection:
        return [_from_row(row) for row in sessions.of_user(connection, name) if not _is_over(store, row, moment)]


def log_out(store: Store, id_hash: str, actor: Actor) -> None:
    """End one session."""
    with store.database.write() as connection:
        if sessions.remove(connection, id_hash):
            record(connection, "logout", actor, object_kind="user", object_id=actor.name)


def log_out_everywhere(store: Store, name: str, actor: Actor) -> int:
    """End every session of a user; how many there were."""
    with store.database.write() as connection:
        ended = sessions.remove_of_user(connection, name)
        detail = {"sessions": ended}
        record(connection, "logout-everywhere", actor, object_kind="user", object_id=name, detail=detail)
    return ended


def _limits(store: Store) -> tuple[dt.timedelta, dt.timedelta]:
    web = store.settings.web
    return dt.timedelta(minutes=web.idle_minutes), dt.timedelta(hours=web.session_hours)


def _is_over(store: Store, row: Row[Any], moment: dt.datetime) -> bool:
    idle, whole = _limits(store)
    # of a clock that was put back since, nobody could say when it ends
    return bool(abs(moment - row.seen) > idle or abs(moment - row.created) > whole)


def _sweep(store: Store, connection: Connection) -> None:
    idle, whole = _limits(store)
    moment = now()
    sessions.remove_over(connection, seen_before=moment - idle, created_before=moment - whole, seen_after=moment + idle)


def _from_row(row: Row[Any], **more: str) -> Session:
    return Session(
        id_hash=row.id_hash,
        user=row.user,
        address=row.address,
        agent=row.agent,
        created=row.created,
        seen=row.seen,
        **more,
    )
