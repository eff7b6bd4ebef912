"""Who called last, and what became of it: so that an admin who sets up a modality sees its echo arrive.

Kept in memory by the associations, written by a thread: no association waits for the disk.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from dataclasses import replace

from appliance.dicom.callers import Caller
from appliance.errors import ApplianceError
from appliance.store import callers
from appliance.store.callers import Call
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.store.tally import FRESH, put_level

WRITE_SECONDS = 1.0
LEVEL_AGAIN = FRESH / 3
"""A level that stays is written again so often: else it would count as left behind."""
MOST = 1000
"""Callers remembered between two writes: more are strangers at a guess."""

log = logging.getLogger(__name__)


class LastCalls:
    """The latest association of each application that called."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._new: dict[tuple[str, str], Call] = {}
        self._open = 0
        self._told, self._told_at = 0, dt.datetime.min.replace(tzinfo=dt.UTC)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calls", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is new, then end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def accepted(self, caller: Caller) -> None:
        self._store.tally.add("associations", "accepted")
        self._note(caller, _call(caller, "association"))

    def rejected(self, caller: Caller, why: str) -> None:
        self._note(caller, replace(_call(caller, "association"), outcome="rejected", message=why))

    def asked(self, caller: Caller, request: str) -> None:
        """A request came on an accepted association."""
        call = _call(caller, request)
        self._note(caller, replace(call, echoed=call.at) if request == "C-ECHO" else call)

    def are_open(self, number: int) -> None:
        """So many associations are open now."""
        self._open = number

    def _note(self, caller: Caller, call: Call) -> None:
        key = (caller.calling_ae_title, caller.address)
        with self._lock:
            known = self._new.get(key)
            if known is None and len(self._new) >= MOST:
                return
            if known is not None and known.echoed is not None and call.echoed is None:
                call = replace(call, echoed=known.echoed)
            self._new[key] = call

    def _run(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stop.wait(WRITE_SECONDS)
            try:
                self.write()
            except ApplianceError as error:
                log.warning("who called last is not written now: %s", error)

    def write(self) -> None:
        """Put what is new into the database."""
        with self._lock:
            taken, self._new = self._new, {}
        if taken:
            with self._store.database.write("caller") as connection:
                callers.put(connection, list(taken.values()))
        opened, moment = self._open, now()
        if opened != self._told or (opened and moment - self._told_at > LEVEL_AGAIN):
            put_level(self._store.database, "associations_open", opened, self._store.node)
            self._told, self._told_at = opened, moment


def _call(caller: Caller, asked: str) -> Call:
    return Call(
        ae_title=caller.calling_ae_title[:16],
        address=caller.address,
        called_ae_title=caller.called_ae_title[:16],
        peer=caller.peer.name,
        asked=asked,
        outcome="accepted",
        at=now(),
    )
