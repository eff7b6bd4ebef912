"""The audit trail: append only, each entry chained to the one before by a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from appliance.events import Actor
from appliance.store import audit
from appliance.store.postgresql import storable
from appliance.store.tables.base import now

FIRST = "0" * 64
"""The hash before the first entry."""


def record(
    connection: Connection,
    event: str,
    actor: Actor,
    *,
    outcome: str = "success",
    object_kind: str = "",
    object_id: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry inside the transaction of what it tells of: both are kept, or neither.

    One about a study names its patient, as PS3.15 A.5.3 wants it: the study may be gone when somebody asks.
    """
    detail = dict(detail or {})
    if object_kind == "study" and (patient := audit.patient_of(connection, object_id)):
        detail["patient_id"] = patient
    entry = {
        "at": now(),
        "event": event,
        "outcome": outcome,
        "actor": actor.name,
        "actor_kind": actor.kind,
        "address": actor.address,
        "object_kind": object_kind,
        "object_id": object_id,
        "detail": json.loads(json.dumps(detail, default=str)),
    }
    entry = storable(entry)
    previous = audit.last_hash(connection) or FIRST
    audit.append(connection, **entry, previous_hash=previous, hash=entry_hash(previous, entry))


def entry_hash(previous: str, entry: Mapping[str, Any]) -> str:
    """SHA-256 over the hash before and this entry's values."""
    text = json.dumps([previous, {key: _text(value) for key, value in sorted(entry.items())}], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def first_broken(connection: Connection) -> int | None:
    """The number of the first entry that does not follow from the one before; None: the chain is whole.

    Where old entries were purged, the purge's own entry says after which number and hash the rest begins.
    """
    previous: str | None = None
    beginning: tuple[int, str] | None = None
    purged: dict[str, int] = {FIRST: 0}
    for row in audit.in_order(connection):
        entry = {key: getattr(row, key) for key in audit.HASHED}
        beginning = beginning or (int(row.audit_id), row.previous_hash)
        if (previous is not None and row.previous_hash != previous) or row.hash != entry_hash(row.previous_hash, entry):
            return int(row.audit_id)
        if row.event == "audit-purged":
            purged[str(row.detail.get("hash"))] = int(row.detail.get("until", 0))
        previous = row.hash
    if beginning is not None and purged.get(beginning[1]) is None:
        return beginning[0]
    return None
