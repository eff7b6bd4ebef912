"""Refused and hostile peers in the audit trail: written by a thread, so that no association waits for the disk."""

from __future__ import annotations

import logging
import queue
import threading

from appliance.errors import ApplianceError
from appliance.events import Actor
from appliance.network.incidents import Incident
from appliance.security.audit import record
from appliance.store.store import Store

WAITING = 1000
"""Incidents that wait to be written; more are counted only (the network logs them all the same)."""
REFUSED = ("rejected", "too-many-associations", "tls-failed")

log = logging.getLogger(__name__)


class IncidentAudit:
    """The network's ``on_incident``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.Queue[Incident | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="incidents", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def __call__(self, incident: Incident) -> None:
        outcome = "rejected" if incident.kind in REFUSED else "broken"
        self._store.tally.add("associations", outcome, count=1 + incident.unreported)
        try:
            self._queue.put_nowait(incident)
        except queue.Full:
            log.warning("incident %s is not in the audit trail: too many at once", incident.kind)

    def stop(self) -> None:
        """Write what waits, then end."""
        self._queue.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (incident := self._queue.get()) is not None:
            waiting = [incident]
            while not self._queue.empty() and self._queue.queue[0] is not None:
                waiting.append(self._queue.get())  # type: ignore[arg-type]
            self._write(waiting)

    def _write(self, incidents: list[Incident]) -> None:
        """All that wait in one transaction: a flood costs one sync, not one each."""
        try:
            with self._store.database.write() as connection:
                for incident in incidents:
                    event = "association-refused" if incident.kind in REFUSED else "peer-misbehaved"
                    actor = Actor(name=incident.ae_title or "unknown", kind="peer", address=incident.address)
                    detail = {"kind": incident.kind, "message": incident.message, "unreported": incident.unreported}
                    record(
                        connection,
                        event,
                        actor,
                        outcome="failure",
                        object_kind="association",
                        object_id=incident.address,
                        detail=detail,
                    )
        except ApplianceError as error:
            log.error("%s incidents are not in the audit trail: %s", len(incidents), error)
