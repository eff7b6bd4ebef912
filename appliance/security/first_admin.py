"""The first admin: made by whoever can read the console or the log, through a link that works once."""

from __future__ import annotations

import hmac
import logging
import secrets as random
import sys

from appliance.errors import NotFoundError
from appliance.events import Actor
from appliance.security.passwords import hash_password
from appliance.security.roles import ADMIN
from appliance.security.sessions import hash_id, open_session
from appliance.security.users import check_new_user, insert_user
from appliance.store import secrets, users
from appliance.store.store import Store
from appliance.words import say

LINK = "first-admin-link"

logger = logging.getLogger(__name__)


def is_needed(store: Store) -> bool:
    """Whether there is nobody yet."""
    with store.database.read() as connection:
        return not users.any_user(connection)


def new_key(store: Store) -> str | None:
    """The key of a new link, in place of any older one; None when there is a user."""
    key = random.token_urlsafe(24)
    with store.database.write() as connection:
        if users.any_user(connection):
            return None
        secrets.put(connection, LINK, hash_id(key))
    return key


def announce(store: Store, base_url: str) -> None:
    """On first run, say in the log and on the console where the first admin is made."""
    key = new_key(store)
    if key is None:
        return
    link = f"{base_url}/first-run/{key}"
    logger.warning("Nobody can log in yet. Make the first admin at %s (the link works once).", link)
    print(f"\n  Make the first admin at:\n\n    {link}\n\n  The link works once.\n", file=sys.stderr, flush=True)


def is_key(store: Store, key: str) -> bool:
    """Whether a key is that of the link in force."""
    with store.database.read() as connection:
        kept = secrets.get(connection, LINK)
        return kept is not None and hmac.compare_digest(kept, hash_id(key)) and not users.any_user(connection)


def make_first_admin(store: Store, key: str, name: str, password: str, *, address: str, agent: str = "") -> str:
    """Use the link up: make the first admin and log them in; the id of their session.

    Raises NotFoundError when the link is not (or no more) in force, UsageError naming the field.
    """
    if not is_key(store, key):
        raise NotFoundError(say("This link was used, or replaced by a newer one. See the log for the one in force."))
    name = check_new_user(name, ADMIN, password)
    password_hash = hash_password(password)
    actor = Actor(name=name, kind="user", address=address)
    with store.database.write("people") as connection:
        if secrets.get(connection, LINK) != hash_id(key) or users.any_user(connection):
            raise NotFoundError(say("There is an admin already: log in."))
        secrets.remove(connection, LINK)
        insert_user(connection, name, ADMIN, password_hash, actor)
        return open_session(connection, name, address=address, agent=agent)
