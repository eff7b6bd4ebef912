"""A disc worker: builds in its own thread, burns in one thread a burner, and recovers what dead workers left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from appliance.errors import ResourceError
from appliance.jobs.keeping import begin
from appliance.jobs.worker import Worker
from appliance.media import housekeeping, recovery
from appliance.media.burning import burn_disc
from appliance.media.making import build_disc
from appliance.store import discs
from appliance.store.store import Store

log = logging.getLogger(__name__)


class DiscWorker(Worker):
    """One process's share of the work on discs."""

    kind = "discs"
    topics = ("disc", "burner")

    def __init__(self, store: Store) -> None:
        super().__init__(store, housekeeping.keepers(store))
        self._stopping = threading.Event()
        self._build: threading.Thread | None = None
        self._building: int | None = None  # the disc of that thread, while it lives

    def _work(self) -> bool:
        return self._start_burns() | self._start_build()

    def _to_ask(self, driving: set[int]) -> Iterable[int]:
        if not self._is_building():
            self._building = None
        return recovery.take_over_claims(self.store, self.lock.name, driving, self._building)

    def _is_building(self) -> bool:
        return self._build is not None and self._build.is_alive()

    def _start_build(self) -> bool:
        """One at a time: a second one would only share its disk and cores."""
        if self._is_building():
            return False
        with self.store.database.read() as connection:
            disc_id = discs.to_build(connection)
        if disc_id is None:
            return False
        with self.store.database.write("disc") as connection:
            claimed = discs.claim_build(connection, disc_id, self.lock.name)
        if claimed:
            arguments = (disc_id, self.lock.name)
            thread = threading.Thread(target=self._make, args=arguments, name=f"build-{disc_id}", daemon=True)
            begin(thread)
            self._build = thread
            self._building = disc_id
        return claimed

    def _make(self, disc_id: int, worker: str) -> None:
        try:
            build_disc(self.store, disc_id, worker, self._stopped(worker))
        except ResourceError as error:  # how it ended can't be told: the claim stays, and is found to be nobody's
            log.warning("disc %s is built anew once the database is there: %s", disc_id, error)

    def _start_burns(self) -> bool:
        self._reap()
        with self.store.database.read() as connection:
            due = discs.to_burn(connection, self.store.node)
        return self._start_driving(due)

    def _claim(self, job_id: int) -> bool:
        with self.store.database.write("disc", "burner") as connection:
            return discs.claim_burn(connection, job_id, self.lock.name)

    def _drive(self, job_id: int) -> None:
        """Burn a disc this worker has claimed, or go on with it."""
        self._in_thread(job_id, "burn", burn_disc, self.store, job_id, self.lock.name, self._stopped(self.lock.name))

    def _stopped(self, worker: str) -> Callable[[], bool]:
        """Whether what this worker has begun under that lock must stop."""
        return lambda: self._stopping.is_set() or not self.store.locks.holds(worker)

    def _is_busy(self) -> bool:
        return super()._is_busy() or self._is_building()

    def _threads(self) -> list[threading.Thread]:
        return [*super()._threads(), *([self._build] if self._build else ())]

    def _end(self) -> None:
        """Builds stop where they are and are made anew; a burn under way is asked about by whoever comes next."""
        self._stopping.set()
        super()._end()
