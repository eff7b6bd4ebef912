"""A worker: one process's share of the work of one kind, films or discs.

One loop does what is due and is short; a job that holds a device has a thread of its own. Whatever a worker has
claimed bears the name of its lock, so that another one knows when it is dead.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from sqlalchemy.exc import IntegrityError

from appliance.errors import ResourceError
from appliance.jobs.keeping import Keeper, begin
from appliance.store.store import Store

POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
RECOVER_SECONDS = 3.0
JOIN_SECONDS = 20.0

log = logging.getLogger(__name__)


class Worker(ABC):
    """The loop, the lock, and the threads of jobs that hold a device; films and discs say what there is to do."""

    kind: ClassVar[str]
    """The lock's kind (store/locks.py)."""
    topics: ClassVar[tuple[str, ...]]
    """Whose changes in the database may mean work."""

    def __init__(self, store: Store, keepers: Iterable[Keeper]) -> None:
        self.store = store
        self.lock = store.locks.hold(self.kind)
        self.keepers = tuple(keepers)
        self.beat: Callable[[], None] = lambda: None
        self._driving: dict[int, threading.Thread] = {}
        self._recovered = self._looked = 0.0
        self._seen = -1

    @abstractmethod
    def _work(self) -> bool:
        """Start or do what is due; False when there was nothing."""

    @abstractmethod
    def _to_ask(self, driving: set[int]) -> Iterable[int]:
        """Free or take over what dead workers had claimed; the jobs whose device this one must ask."""

    @abstractmethod
    def _claim(self, job_id: int) -> bool:
        """Claim a job for its device; False when another was first."""

    @abstractmethod
    def _drive(self, job_id: int) -> None:
        """Bring a claimed job, or one taken over, through its device, in a thread of its own."""

    # --- the loop ---

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then let threads end for a while. `beat` is called each round: it lives."""
        self.beat, waits = beat, ""
        while not stop.is_set():
            beat()
            try:
                if not self._round():
                    stop.wait(POLL_SECONDS)
                waits = ""
            except (ResourceError, OSError) as error:  # the database, or a lock's file, can't be had now
                if str(error) != waits:  # said once, however long
                    log.warning("work waits: %s", error)
                waits = str(error)
                stop.wait(1.0)
            except Exception as error:
                if type(error).__name__ != waits:
                    log.exception("a round failed; the next ones come in a moment each")
                waits = type(error).__name__
                stop.wait(1.0)
        self._end()

    def work_off(self, until: Callable[[], bool] = lambda: False) -> None:
        """Do all that can be done now, in the foreground, or until `until`: for ``--wait`` with no service running."""
        self._recover()
        seen, busy = -1, True
        while busy and not until():
            busy = self._is_busy()  # asked first: what ends meanwhile may have made more work
            changes = self.store.database.changes(*self.topics)
            if changes != seen or not busy:
                worked = self._work()
                seen, busy = -1 if worked else changes, busy or worked
            time.sleep(0.02)
        self._end()

    def _round(self) -> bool:
        """Do what is due; False when there was nothing."""
        changes = self.store.database.changes(*self.topics)
        # what waits for a moment (back-off, a dead worker's claim) changes nothing: look once in a while all the same
        if changes == self._seen and time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        self._renew_lock()
        self._recover()
        for keeper in self.keepers:
            keeper.keep()
        busy = self._work()
        self._seen = -1 if busy else changes
        return busy

    def _renew_lock(self) -> None:
        """One that was lost is given up: what it claimed is found out about, by us or another, and we go on anew."""
        if not self.lock.is_held():
            self.lock.release()
            self.lock = self.store.locks.hold(self.kind)
            self._driving = {}

    def _recover(self) -> None:
        if time.monotonic() - self._recovered < RECOVER_SECONDS and self._recovered:
            return
        self._recovered = time.monotonic()
        for job_id in self._to_ask(set(self._driving)):
            self._drive(job_id)

    # --- jobs that hold a device ---

    def _start_driving(self, due: Iterable[int]) -> bool:
        """Claim and start those; whether there was one."""
        started = [self._start(job_id) for job_id in due]
        return any(started)

    def _start(self, job_id: int) -> bool:
        try:
            if not self._claim(job_id):
                return False
        except IntegrityError:  # another worker has this device: the index said so
            return False
        self._drive(job_id)
        return True

    def _in_thread(self, job_id: int, name: str, work: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            try:
                work(*arguments)
            except ResourceError as error:  # the claim stays: the device is asked when the database is there
                log.warning("%s %s is not found out about yet: %s", name, job_id, error)

        thread = threading.Thread(target=run, name=f"{name}-{job_id}", daemon=True)
        begin(thread)  # else the claim is found to be nobody's, and taken up again
        self._driving[job_id] = thread

    def _is_busy(self) -> bool:
        self._reap()
        return bool(self._driving)

    def _reap(self) -> None:
        self._driving = {job_id: thread for job_id, thread in self._driving.items() if thread.is_alive()}

    # --- the end ---

    def _threads(self) -> list[threading.Thread]:
        """All whose end is waited for."""
        return list(self._driving.values())

    def _end(self) -> None:
        end = time.monotonic() + JOIN_SECONDS
        for thread in self._threads():
            thread.join(max(0.0, end - time.monotonic()))
        for keeper in self.keepers:
            keeper.close()
        self.lock.release()
