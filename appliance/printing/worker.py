"""A film worker: composes in its own thread, sends in one thread a printer, and recovers what dead workers left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import IntegrityError

from appliance.errors import ResourceError
from appliance.printing import housekeeping, recovery
from appliance.printing.composing import compose_job
from appliance.printing.sending import send_job
from appliance.store import files, print_jobs
from appliance.store.store import Store

POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
RECOVER_SECONDS = 3.0
JOIN_SECONDS = 20.0

log = logging.getLogger(__name__)


class FilmWorker:
    """One process's share of the work on print jobs."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = store.locks.hold("films")
        self.keeper = housekeeping.Keeper(store)
        self._sends: dict[int, threading.Thread] = {}
        self._recovered = self._looked = 0.0
        self._seen = -1
        self._beat: Callable[[], None] = lambda: None

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then let sends end for a while. `beat` is called each round and film: it lives."""
        self._beat = beat
        while not stop.is_set():
            beat()
            try:
                if not self._round():
                    stop.wait(POLL_SECONDS)
            except ResourceError as error:
                log.warning("work waits: %s", error)
                stop.wait(1.0)
            except Exception:
                log.exception("a round failed; the next one comes in a moment")
                stop.wait(1.0)
        self._end()

    def _round(self) -> bool:
        """Do what is due; False when there was nothing."""
        changes = self.store.database.changes("print")
        # what waits for a moment (back-off, a dead worker's claim) changes nothing: look once in a while all the same
        if changes == self._seen and time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        self._renew_lock()
        self._recover()
        self.keeper.keep()
        sending = self._start_sends()
        busy = self._compose_one() or sending
        self._seen = -1 if busy else changes
        return busy

    def work_off(self) -> None:
        """Do all that can be done now, in the foreground: for ``--wait`` with no service running."""
        self._recover()
        while self._start_sends() or self._compose_one() or self._sends:
            self._reap()
            time.sleep(0.01)
        self._end()

    def _compose_one(self) -> bool:
        ahead = self.store.settings.printing.compose_ahead
        with self.store.database.read() as connection:
            job_id = print_jobs.to_compose(connection, ahead)
        if job_id is None:
            return False
        with self.store.database.write() as connection:
            claimed = print_jobs.claim_compose(connection, job_id, self.lock.name)
        if claimed:
            files.failpoint("compose.claimed")
            compose_job(self.store, job_id, self.lock.name, self._beat)
        return True

    def _start_sends(self) -> bool:
        self._reap()
        with self.store.database.read() as connection:
            due = print_jobs.to_send(connection, self.store.node)
        started = [self._start(job_id) for job_id in due]
        return any(started)

    def _start(self, job_id: int) -> bool:
        try:
            with self.store.database.write("print") as connection:
                if not print_jobs.claim_send(connection, job_id, self.lock.name):
                    return False
        except IntegrityError:  # another worker is sending to this printer: the index said so
            return False
        files.failpoint("send.claimed")
        self.send(job_id)
        return True

    def send(self, job_id: int) -> None:
        """Send (or ask about) a job this worker has claimed, in a thread of its own."""
        thread = threading.Thread(
            target=send_job, args=(self.store, job_id, self.lock.name), name=f"send-{job_id}", daemon=True
        )
        self._sends[job_id] = thread
        thread.start()

    def _reap(self) -> None:
        self._sends = {job_id: thread for job_id, thread in self._sends.items() if thread.is_alive()}

    def _renew_lock(self) -> None:
        """One that was lost is given up: what it claimed is found out about, by us or another, and we go on anew."""
        if not self.lock.is_held():
            self.lock.release()
            self.lock = self.store.locks.hold("films")
            self._sends = {}

    def _recover(self) -> None:
        if time.monotonic() - self._recovered < RECOVER_SECONDS and self._recovered:
            return
        self._recovered = time.monotonic()
        for job_id in recovery.take_over_claims(self.store, self.lock.name, set(self._sends)):
            self.send(job_id)

    def _end(self) -> None:
        end = time.monotonic() + JOIN_SECONDS
        for thread in self._sends.values():
            thread.join(max(0.0, end - time.monotonic()))
        self.keeper.close()
        self.lock.release()
