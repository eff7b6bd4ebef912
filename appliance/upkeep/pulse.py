"""Whether a part still does its work: what the watchdog is fed by.

A part beats only after proofs that go the way its work goes: over its own port, through its database, onto its disk. A
proof is that an answer came, also a no: a full disk is told on the health page, and starting again would not mend it.
What hangs gives no answer.
"""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Callable

from appliance.errors import ApplianceError
from appliance.store import files
from appliance.store.store import Store

EVERY_SECONDS = 5.0
ANSWER_SECONDS = 10.0

Proof = Callable[[], bool]

log = logging.getLogger(__name__)


class Pulse:
    """Called by a part each time its loop turns; beats when the proofs are given, every few seconds."""

    def __init__(self, beat: Callable[[], None], *proofs: Proof) -> None:
        self.proofs = list(proofs)
        self._beat = beat
        self._next = 0.0
        self._well = True

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        well = self._proven()
        self._next = time.monotonic() + EVERY_SECONDS
        if well:
            self._beat()
        elif self._well:
            log.error("this part does not answer itself; it is started again unless it comes round")
        self._well = well

    def _proven(self) -> bool:
        """Whether every proof is given. One that breaks, for want of descriptors, say, is none: it ends no part."""
        try:
            return all(proof() for proof in self.proofs)
        except Exception as error:
            log.warning("this part could not ask itself: %s: %s", type(error).__name__, error)
            return False


def store_answers(store: Store) -> Proof:
    """The database was read and a file without a name written and synced, or both said why not."""

    def proof() -> bool:
        for deed in (store.database.changes, lambda: files.try_disk(store.folder.spool)):
            try:
                deed()
            except (ApplianceError, OSError) as error:
                log.debug("the store says: %s", error)
        return True

    return proof


def page_answers(host: str, port: int) -> bool:
    """One of the page's threads answered a request."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/static/favicon.svg")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
