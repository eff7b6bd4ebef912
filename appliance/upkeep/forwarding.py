"""Audit entries to the collector, in order and at least once: what it has got stands in the database.

Its absence loses nothing, nor does our end; a crash between sending and noting it sends some again.
"""

from __future__ import annotations

import logging
import socket
import time

from appliance.errors import ApplianceError
from appliance.store import audit
from appliance.store.files import failpoint
from appliance.store.store import Store
from appliance.upkeep import kept, syslog
from appliance.upkeep.audit_message import Source, message

AT_ONCE = 200
WAITS = (5.0, 15.0, 60.0)
"""Seconds after the first, second, every later failure."""

log = logging.getLogger(__name__)


class Forwarder:
    """Sends what is new, once a round."""

    def __init__(self, store: Store) -> None:
        self.store = store
        dicom, web = store.settings.dicom, store.settings.web
        self.source = Source(ae_title=dicom.ae_title, host=socket.gethostname(), site=web.site_name)
        self._failures = 0
        self._again = 0.0

    def forward(self) -> int:
        """Send everything that waits; how many entries. Never raises for what the collector does."""
        if not self.store.settings.syslog.host or time.monotonic() < self._again:
            return 0
        count = 0
        try:
            while sent := self._some():
                count += sent
        except ApplianceError as error:
            self._failed(error)
            return count
        if self._failures:
            log.warning("the audit collector is there again")
        if count:
            kept.note_well(self.store, "syslog")
        self._failures = 0
        return count

    def _some(self) -> int:
        """The next entries; the position is kept only when they are out."""
        position = int(kept.recall(self.store, kept.FORWARDED, 0))
        with self.store.database.read() as connection:
            entries = audit.after(connection, position, AT_ONCE)
        if not entries:
            return 0
        lines = [
            syslog.line(
                entry.at,
                self.source.host,
                message(entry, self.source),
                severity=syslog.NOTICE if entry.outcome == "success" else syslog.WARNING,
            )
            for entry in entries
        ]
        syslog.send(self.store.settings.syslog, lines)
        failpoint("audit.sent")  # who dies here sends these again: at least once, in order
        kept.keep(self.store, kept.FORWARDED, entries[-1].audit_id)
        return len(entries)

    def _failed(self, error: ApplianceError) -> None:
        if not self._failures:
            log.error("%s Messages wait and are sent when it is there.", error)
        kept.note_failing(self.store, "syslog", str(error))
        self._again = time.monotonic() + WAITS[min(self._failures, len(WAITS) - 1)]
        self._failures += 1
