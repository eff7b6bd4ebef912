"""A disc worker: builds in its own thread, burns in one thread a burner, and recovers what dead workers left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import IntegrityError

from appliance.errors import ResourceError
from appliance.media import housekeeping, recovery
from appliance.media.burning import burn_disc
from appliance.media.making import build_disc
from appliance.store import discs
from appliance.store.store import Store

POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
RECOVER_SECONDS = 3.0
JOIN_SECONDS = 20.0

log = logging.getLogger(__name__)


class DiscWorker:
    """One process's share of the work on discs."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = store.locks.hold("discs")
        self.keeper = housekeeping.Keeper(store)
        self._stopping = threading.Event()
        self._build: threading.Thread | None = None
        self._building: int | None = None  # the disc of that thread, while it lives
        self._burns: dict[int, threading.Thread] = {}
        self._recovered = self._looked = 0.0
        self._seen = -1

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set. `beat` is called each round: it lives."""
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
        changes = self.store.database.changes("disc", "burner")
        # what waits for a moment (back-off, a dead worker's claim) changes nothing: look once in a while all the same
        if changes == self._seen and time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        self._renew_lock()
        self._recover()
        self.keeper.keep()
        busy = self._start_burns() | self._start_build()
        self._seen = -1 if busy else changes
        return busy

    def work_off(self, until: Callable[[], bool] = lambda: False) -> None:
        """Do all that can be done now, in the foreground, or until `until`: for ``--wait`` with no service running."""
        self._recover()
        busy = True
        while busy and not until():
            busy = self._is_busy()  # asked first: what ends meanwhile may have made more work
            busy |= self._start_burns() | self._start_build()
            time.sleep(0.02)
        self._end()

    def _is_busy(self) -> bool:
        self._reap()
        return bool(self._burns) or (self._build is not None and self._build.is_alive())

    def _start_build(self) -> bool:
        """One at a time: a second one would only share its disk and cores."""
        if self._build is not None and self._build.is_alive():
            return False
        with self.store.database.read() as connection:
            disc_id = discs.to_build(connection)
        if disc_id is None:
            return False
        with self.store.database.write("disc") as connection:
            claimed = discs.claim_build(connection, disc_id, self.lock.name)
        if claimed:
            arguments = (self.store, disc_id, self.lock.name, self._stopped(self.lock.name))
            self._build = threading.Thread(target=build_disc, args=arguments, name=f"build-{disc_id}", daemon=True)
            self._build.start()
            self._building = disc_id
        return claimed

    def _start_burns(self) -> bool:
        self._reap()
        with self.store.database.read() as connection:
            due = discs.to_burn(connection, self.store.node)
        started = [self._start_burn(disc_id) for disc_id in due]
        return any(started)

    def _start_burn(self, disc_id: int) -> bool:
        try:
            with self.store.database.write("disc", "burner") as connection:
                if not discs.claim_burn(connection, disc_id, self.lock.name):
                    return False
        except IntegrityError:  # another worker has this burner: the index said so
            return False
        self._burn(disc_id)
        return True

    def _burn(self, disc_id: int) -> None:
        """Burn a disc this worker has claimed, or go on with it, in a thread of its own."""
        arguments = (self.store, disc_id, self.lock.name, self._stopped(self.lock.name))
        thread = threading.Thread(target=burn_disc, args=arguments, name=f"burn-{disc_id}", daemon=True)
        self._burns[disc_id] = thread
        thread.start()

    def _reap(self) -> None:
        self._burns = {disc_id: thread for disc_id, thread in self._burns.items() if thread.is_alive()}

    def _renew_lock(self) -> None:
        """One that was lost is given up: what it claimed is found out about, by us or another, and we go on anew."""
        if not self.lock.is_held():
            self.lock.release()
            self.lock = self.store.locks.hold("discs")
            self._burns = {}

    def _stopped(self, worker: str) -> Callable[[], bool]:
        """Whether what this worker has begun under that lock must stop."""
        return lambda: self._stopping.is_set() or not self.store.locks.holds(worker)

    def _recover(self) -> None:
        if time.monotonic() - self._recovered < RECOVER_SECONDS and self._recovered:
            return
        self._recovered = time.monotonic()
        if self._build is None or not self._build.is_alive():
            self._building = None
        for disc_id in recovery.take_over_claims(self.store, self.lock.name, set(self._burns), self._building):
            self._burn(disc_id)

    def _end(self) -> None:
        """Builds stop where they are and are made anew; a burn under way is asked about by whoever comes next."""
        self._stopping.set()
        end = time.monotonic() + JOIN_SECONDS
        for thread in (*self._burns.values(), *([self._build] if self._build else ())):
            thread.join(max(0.0, end - time.monotonic()))
        self.keeper.close()
        self.lock.release()
