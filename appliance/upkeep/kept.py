"""What upkeep remembers between rounds, in the database: small values by name."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from appliance.store import secrets
from appliance.store.store import Store

LAST_BACKUP = "last-backup"
FORWARDED = "audit-forwarded"
TOLD = "notices-told"


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
