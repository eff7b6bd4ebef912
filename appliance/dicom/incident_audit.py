"""Refused and hostile peers in the audit trail: written by a thread, so that no association waits for the disk.

Entries are kept for years. A device somebody forgot, refused every few seconds, would fill the disk with them: while an
address goes on with the same thing, an entry comes every ten minutes, with the count of those it stands for.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from dataclasses import replace

from appliance.calm import Bucket
from appliance.errors import ApplianceError
from appliance.events import Actor
from appliance.network.incidents import Incident
from appliance.security.audit import record
from appliance.store.store import Store

WAITING = 1000
"""Incidents that wait to be written; more are counted only (the network logs them all the same)."""
EACH = (20, 1 / 600)
"""Entries of one kind about one address: so many in a row, then so many a second."""
REMEMBERED = 2000
"""Kinds and addresses that are counted at once."""
REFUSED = ("rejected", "too-many-associations", "tls-failed")

log = logging.getLogger(__name__)


class Damper:
    """Which incidents get an entry."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def passes(self, incident: Incident, moment: float) -> Incident | None:
        """It, with the count of those left out before it; None when it is to be left out at `moment` (monotonic)."""
        burst, rate = EACH
        key = (incident.kind, incident.address)
        with self._lock:
            bucket = self._buckets.setdefault(key, Bucket(burst=burst, rate=rate, left=burst, at=moment))
            self._buckets.move_to_end(key)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
            bucket.refill(moment)
            if bucket.left < 1:
                bucket.kept_back += 1 + incident.unreported
                return None
            bucket.left -= 1
            before, bucket.kept_back = bucket.kept_back, 0
        return replace(incident, unreported=incident.unreported + before)


class IncidentAudit:
    """The network's ``on_incident``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._damper = Damper()
        self._queue: queue.Queue[Incident | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="incidents", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def __call__(self, incident: Incident) -> None:
        outcome = "rejected" if incident.kind in REFUSED else "broken"
        self._store.tally.add("associations", outcome, count=1 + incident.unreported)
        entry = self._damper.passes(incident, time.monotonic())
        if entry is None:
            return
        try:
            self._queue.put_nowait(entry)
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
