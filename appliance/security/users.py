"""People who use the page: the verbs on them."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.security import throttle
from appliance.security.audit import record
from appliance.security.passwords import check_password, hash_password, verify
from appliance.security.revoking import revoke_made_by
from appliance.security.roles import ADMIN, check_role
from appliance.store import sessions, users
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

LANGUAGES = ("en", "ru", "uk", "pt", "zh_Hans")
"""Languages of the page."""


@dataclass(frozen=True, kw_only=True)
class User:
    """Someone who may log in."""

    name: str  # lower case
    role: str  # of roles.ROLES
    language: str  # of LANGUAGES; "" as the browser wants
    disabled: bool
    created: dt.datetime
    seen: dt.datetime | None  # last log-in


def from_row(row: Row[Any]) -> User:
    return User(
        name=row.name,
        role=row.role,
        language=row.language,
        disabled=row.disabled,
        created=row.created,
        seen=row.seen,
    )


def normal_name(name: str) -> str:
    """A user name as it is kept and looked up: case and composition make no other user."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def all_users(store: Store) -> list[User]:
    """Every user, by name."""
    with store.database.read() as connection:
        return [from_row(row) for row in users.all_users(connection)]


def get_user(store: Store, name: str) -> User:
    """A user by name. Raises NotFoundError."""
    with store.database.read() as connection:
        return from_row(_found(connection, name))


def add_user(store: Store, name: str, role: str, password: str, actor: Actor, *, language: str = "") -> User:
    """Add a user. Raises UsageError naming the field, ConflictError when the name is taken."""
    name = check_new_user(name, role, password, language)
    password_hash = hash_password(password)
    with store.database.write("people") as connection:
        insert_user(connection, name, role, password_hash, actor, language=language)
        return from_row(_found(connection, name))


def check_new_user(name: str, role: str, password: str, language: str = "") -> str:
    """The name as it will be kept. Raises UsageError naming the field at fault."""
    name = normal_name(name)
    if not re.fullmatch(r"[\w.@+-]{1,64}", name):
        raise UsageError(say("A user name is 1 to 64 letters, digits and . _ - + @, without spaces."), field="name")
    check_role(role)
    check_password(password, name=name)
    check_language(language)
    return name


def insert_user(
    connection: Connection, name: str, role: str, password_hash: str, actor: Actor, *, language: str = ""
) -> None:
    """Add a checked user inside the caller's transaction. Raises ConflictError when the name is taken."""
    if users.get(connection, name) is not None:
        raise ConflictError(say("There is a user %(name)s already.", name=name))
    users.insert(connection, name=name, role=role, password_hash=password_hash, language=language)
    record(connection, "user-added", actor, object_kind="user", object_id=name, detail={"role": role})


def set_password(store: Store, name: str, password: str, actor: Actor, *, keep_session: str = "") -> None:
    """Give a user a password; their sessions end (but `keep_session`, a hash) and their failed tries are forgotten.

    Raises NotFoundError, UsageError.
    """
    _set_password(store, name, password, actor, keep_session=keep_session)


def _set_password(store: Store, name: str, password: str, actor: Actor, *, keep_session: str, was: str = "") -> bool:
    """`was`: the hash it must still have, else nothing is done, and False."""
    name = normal_name(name)
    check_password(password, name=name)
    password_hash = hash_password(password)
    with store.database.write("people") as connection:
        before = _found(connection, name)
        if was and before.password_hash != was:
            return False
        users.change(connection, name, password_hash=password_hash, password_changed=now())
        sessions.remove_of_user(connection, name, but=keep_session)
        throttle.forgive(connection, name)
        record(connection, "password-changed", actor, object_kind="user", object_id=name)
    return True


def change_own_password(store: Store, name: str, old: str, new: str, actor: Actor, *, session: str) -> None:
    """A user changes their own password, knowing the one they have; their other sessions end. Raises UsageError.

    Who sits down before an open page may guess it here no faster than at the log-in.
    """
    with store.database.read() as connection:
        password_hash = _found(connection, name).password_hash
        wait = throttle.seconds_to_wait(connection, name, actor.address)
    if wait:
        raise UsageError(say("Too many failed tries. Try again in %(seconds)s seconds.", seconds=wait), field="old")
    known = verify(password_hash, old)
    if not (known and _set_password(store, name, new, actor, keep_session=session, was=password_hash)):
        with store.database.write() as connection:
            throttle.note_failure(connection, name, actor.address)
            record(connection, "password-changed", actor, outcome="failure", object_kind="user", object_id=name)
        raise UsageError(say("This is not your password."), field="old")


def set_role(store: Store, name: str, role: str, actor: Actor) -> None:
    """Change what a user may do; the tokens of one who is no admin any more end.

    Raises NotFoundError, UsageError, ConflictError when nobody would be left to administer.
    """
    check_role(role)
    with store.database.write("people") as connection:
        before = _found(connection, name)
        users.change(connection, before.name, role=role)
        _keep_an_admin(connection, before)
        if role != ADMIN:
            _revoke_tokens(connection, before, actor)
        detail = {"from": before.role, "to": role}
        record(connection, "user-changed", actor, object_kind="user", object_id=before.name, detail=detail)


def set_disabled(store: Store, name: str, disabled: bool, actor: Actor) -> None:
    """Keep a user out, or let them in; sessions and an admin's tokens end. Raises NotFoundError, ConflictError."""
    with store.database.write("people") as connection:
        before = _found(connection, name)
        users.change(connection, before.name, disabled=disabled)
        _keep_an_admin(connection, before)
        sessions.remove_of_user(connection, before.name)
        if disabled:
            _revoke_tokens(connection, before, actor)
        detail = {"disabled": disabled}
        record(connection, "user-changed", actor, object_kind="user", object_id=before.name, detail=detail)


def set_language(store: Store, name: str, language: str, actor: Actor) -> None:
    """The language a user reads. Raises NotFoundError, UsageError."""
    check_language(language)
    with store.database.write("people") as connection:
        _found(connection, name)
        users.change(connection, name, language=language)
        detail = {"language": language}
        record(connection, "user-changed", actor, object_kind="user", object_id=name, detail=detail)


def remove_user(store: Store, name: str, actor: Actor) -> None:
    """Forget a user; the audit trail keeps the name, an admin's tokens end. Raises NotFoundError, ConflictError."""
    with store.database.write("people") as connection:
        before = _found(connection, name)
        users.remove(connection, before.name)
        _keep_an_admin(connection, before)
        _revoke_tokens(connection, before, actor)
        record(connection, "user-removed", actor, object_kind="user", object_id=before.name)


def check_language(language: str) -> None:
    """Raise UsageError unless the page speaks it."""
    if language and language not in LANGUAGES:
        raise UsageError(
            say("The page does not speak %(language)s, but: %(all)s.", language=language, all=", ".join(LANGUAGES)),
            field="language",
        )


def _found(connection: Connection, name: str) -> Row[Any]:
    row = users.get(connection, normal_name(name))
    if row is None:
        raise NotFoundError(say("There is no user %(name)s.", name=name))
    return row


def _revoke_tokens(connection: Connection, before: Row[Any], actor: Actor) -> None:
    """An admin's alone: nobody else makes any, but root at the command line may be called like a clerk."""
    if before.role == ADMIN:
        revoke_made_by(connection, before.name, actor)


def _keep_an_admin(connection: Connection, before: Row[Any]) -> None:
    """Undo the caller's transaction when it took the last admin away."""
    if before.role == ADMIN and not before.disabled and not users.count_active(connection, ADMIN):
        raise ConflictError(say("%(name)s is the last admin: make another one first.", name=before.name))
