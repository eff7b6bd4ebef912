"""The audit of what came by C-STORE: an entry for each study of an association, written when that has ended."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

from appliance.errors import ResourceError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store.batch import Batch
from appliance.store.database import Database

Counts = Counter[tuple[str, str]]
"""(Study Instance UID, outcome): instances."""

MOST_KEPT = 10_000
"""Associations whose entries wait for a database that is away."""

log = logging.getLogger(__name__)


class InstancesReceived:
    """Writes the entries of associations that end at the same moment together. Shared by threads."""

    def __init__(self, database: Database) -> None:
        self._batch = Batch(database)
        self._lock = threading.Lock()
        self._waiting: list[tuple[Actor, Counts]] = []

    def tell(self, actor: Actor, taken: Counts) -> None:
        """Add the entries. A database that is away gets them with those of an association that ends later."""
        with self._lock:
            due, self._waiting = [*self._waiting, (actor, taken)], []
        try:
            self._batch.write(lambda connection: _record(connection, due))
        except ResourceError as error:
            with self._lock:
                self._waiting = (due + self._waiting)[-MOST_KEPT:]
            log.warning("the audit of instances from %s waits: %s", actor, error)


def _record(connection: Any, due: list[tuple[Actor, Counts]]) -> None:
    for actor, taken in due:
        for study in sorted({study for study, _ in taken}):
            detail = {outcome: count for (uid, outcome), count in taken.items() if uid == study}
            record(connection, "instances-received", actor, object_kind="study", object_id=study, detail=detail)
