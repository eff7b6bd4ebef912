"""What upkeep remembers between rounds, in the database: small values by name."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from appliance.store import secrets
from appliance.store.store import Store
from appliance.store.tables.base import now

LAST_BACKUP = "last-backup"
FORWARDED = "audit-forwarded"
TOLD = "notices-told"
FAILING = "failing:"
"""Before the names of ways to tell people, or the collector, that can't be told by: since when, and why."""


def recall(store: Store, name: str, default: Any = None) -> Any:
    """What was kept under a name."""
    with store.database.read() as connection:
        text = secrets.get(connection, name)
    return default if text is None else json.loads(text)


def keep(store: Store, name: str, value: Any) -> None:
    """Keep a value, in place of the one before."""
    with store.database.write() as connection:
        secrets.put(connection, name, json.dumps(value))


def recall_moment(store: Store, name: str) -> dt.datetime | None:
    text = recall(store, name)
    return dt.datetime.fromisoformat(text) if text else None


def note_failing(store: Store, way: str, why: str) -> None:
    """Keep that nothing goes out by `way`, for the health page; the first moment of it stays."""
    known = recall(store, FAILING + way) or {"since": now().isoformat()}
    if known.get("why") != why:
        keep(store, FAILING + way, {**known, "why": why})


def note_well(store: Store, way: str) -> None:
    """Keep that something went out by `way`."""
    if recall(store, FAILING + way) is not None:
        keep(store, FAILING + way, None)


def failing(store: Store, way: str) -> tuple[dt.datetime, str] | None:
    """Since when, and why, nothing goes out by `way`; None while it does."""
    known = recall(store, FAILING + way)
    return (dt.datetime.fromisoformat(known["since"]), known["why"]) if known else None
