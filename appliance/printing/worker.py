"""A film worker: composes in its own thread, sends in one thread a printer, and recovers what dead workers left."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.jobs.worker import Worker
from appliance.printing import housekeeping, recovery
from appliance.printing.composing import compose_job
from appliance.printing.sending import send_job
from appliance.printing.turns import LeftToOthers
from appliance.store import files, print_jobs
from appliance.store.store import Store


class FilmWorker(Worker):
    """One process's share of the work on print jobs."""

    kind = "films"
    topics = ("print",)

    def __init__(self, store: Store) -> None:
        super().__init__(store, housekeeping.keepers(store))
        self._left = LeftToOthers(store)

    def _work(self) -> bool:
        sending = self._start_sends()
        return self._compose_one() or sending

    def _to_ask(self, driving: set[int]) -> Iterable[int]:
        return recovery.take_over_claims(self.store, self.lock.name, driving)

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
            compose_job(self.store, job_id, self.lock.name, self.beat)
        return True

    def _start_sends(self) -> bool:
        self._reap()
        with self.store.database.read() as connection:
            due = self._left.ours(connection, print_jobs.to_send(connection, self.store.node))
        return self._start_driving(due)

    def _claim(self, job_id: int) -> bool:
        with self.store.database.write("print") as connection:
            claimed = print_jobs.claim_send(connection, job_id, self.lock.name)
        if claimed:
            files.failpoint("send.claimed")
        return claimed

    def _drive(self, job_id: int) -> None:
        """Send (or ask about) a job this worker has claimed."""
        self._in_thread(job_id, "send", self._send, job_id, self.lock.name)

    def _send(self, job_id: int, worker: str) -> None:
        printer, left = send_job(self.store, job_id, worker)
        self._left.note(printer, left=left)
