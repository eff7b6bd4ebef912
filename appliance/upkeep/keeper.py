"""Upkeep goes round in one thread of one process: forward the audit, tell people, purge the audit."""

from __future__ import annotations

import logging
import threading
import time

from appliance.store.store import Store
from appliance.upkeep import node_checks, purging
from appliance.upkeep.forwarding import Forwarder
from appliance.upkeep.notices import Notifier

ROUND_SECONDS = 2.0
NOTICE_SECONDS = 15.0
PURGE_SECONDS = 3600.0
SEEN_SECONDS = 30.0

log = logging.getLogger(__name__)


class Keeper:
    """Does what is due, in whichever process holds the lock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.forwarder = Forwarder(store)
        self.notifier = Notifier(store)
        self._only = store.locks.only_one("upkeep")
        self._told = self._purged = self._seen = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. What breaks is logged and tried again."""
        while not stop.wait(ROUND_SECONDS):
            try:
                self.round()
            except Exception:
                log.exception("a round of upkeep failed; the next one comes in a moment")
        self._only.close()

    def round(self) -> None:
        if time.monotonic() - self._seen > SEEN_SECONDS:
            self._seen = time.monotonic()
            node_checks.be_seen(self.store)
        if not self._only.take():
            return
        self.forwarder.forward()
        moment = time.monotonic()
        if moment - self._told > NOTICE_SECONDS:
            self._told = moment
            self.notifier.tell()
        if moment - self._purged > PURGE_SECONDS:
            self._purged = moment
            purging.purge_audit(self.store)
