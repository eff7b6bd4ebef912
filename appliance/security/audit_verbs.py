"""The audit trail as an admin reads it: reading is in it, too."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from appliance.errors import ResourceError
from appliance.events import Actor, process_actor
from appliance.security.audit import first_broken, record
from appliance.store import audit
from appliance.store.store import Store

log = logging.getLogger(__name__)

Entry = Row[Any]
"""A row of audit."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries."""

    actor: str = ""
    event: str = ""
    text: str = ""  # in the actor's or the object's name
    since: dt.datetime | None = None
    until: dt.datetime | None = None  # before this

    def given(self) -> dict[str, Any]:
        """What narrows the choice."""
        return {key: value for key, value in vars(self).items() if value}


def read_entries(
    store: Store, wanted: Wanted, actor: Actor, *, before: int | None = None, limit: int = 50
) -> list[Entry]:
    """The newest entries that fit, those with a number below `before`."""
    with store.database.write() as connection:
        rows = audit.page(connection, **vars(wanted), before=before, limit=limit)
        record(connection, "audit-viewed", actor, object_kind="audit", detail=wanted.given())
    return rows


def export_entries(store: Store, wanted: Wanted, actor: Actor) -> Iterator[Entry]:
    """Every entry that fits, the newest first, a thousand in memory at a time."""
    with store.database.write() as connection:
        record(connection, "audit-exported", actor, object_kind="audit", detail=wanted.given())
    before: int | None = None
    while True:
        with store.database.read() as connection:
            rows = audit.page(connection, **vars(wanted), before=before, limit=1000)
        if not rows:
            return
        yield from rows
        before = rows[-1].audit_id


def note_look(
    store: Store,
    actor: Actor,
    event: str,
    *,
    object_kind: str,
    object_id: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Keep that someone looked at a patient's data, or took it along."""
    with store.database.write() as connection:
        record(connection, event, actor, object_kind=object_kind, object_id=object_id, detail=detail)


def note_denied(store: Store, actor: Actor, what: str) -> None:
    """Keep that somebody asked for what their role does not allow."""
    with store.database.write() as connection:
        record(connection, "access-denied", actor, outcome="denied", object_kind="page", object_id=what[:128])


def note_part(store: Store, part: str, event: str) -> None:
    """Keep that a part of the service started or stopped. A full disk holds up neither."""
    try:
        with store.database.write() as connection:
            record(connection, event, process_actor(part), object_kind="part", object_id=part)
    except ResourceError as error:
        log.error("%s is not in the audit trail: %s", event, error)


def check_chain(store: Store) -> int | None:
    """The number of the first entry that does not follow from the one before; None: the trail is whole."""
    with store.database.read() as connection:
        return first_broken(connection)


def newest_entry(store: Store) -> tuple[int, str] | None:
    """Number and hash of the last entry: who notes it elsewhere can tell later whether the end was cut off."""
    with store.database.read() as connection:
        return audit.newest(connection)


def has_entry(store: Store, noted: str) -> bool:
    """Whether the entry of a hash noted elsewhere is still there."""
    with store.database.read() as connection:
        return audit.has_hash(connection, noted.strip().lower())


def event_names(store: Store) -> list[str]:
    """Every kind of event there is in the trail."""
    with store.database.read() as connection:
        return audit.event_names(connection)
