"""Several machines and a printer that one of them can't reach: another one's turn comes before the error policy's.

A cable, or a firewall's rule, may be one machine's alone. Whoever could not connect leaves the printer for a while to
those that have not tried; only when none of them reached it has the printer failed.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection

from appliance.printing.device.outcome import SendOutcome, SendResult
from appliance.store import job_events, print_jobs
from appliance.store import job_states as states
from appliance.store.locks import machine_of, machines_at_work
from appliance.store.store import Store

UNREACHED = "connecting-to-device"
LEFT_SECONDS = 120.0
"""How long a printer is left to the others: every try of ours would keep its films waiting."""


def others_at_work(store: Store) -> set[str]:
    """The other machines that send films now. Raises ResourceError."""
    if not store.node:
        return set()
    return set(machines_at_work(store.locks, "films")) - {store.node}


def is_unreached(result: SendResult) -> bool:
    """Whether no connection came about, which says as much of this machine as of the printer."""
    return result.outcome is SendOutcome.RETRY and UNREACHED in result.job_state_reasons and not result.blameless


def have_tried(connection: Connection, job_id: int) -> set[str]:
    """The machines that could not connect for this job since something else last became of it."""
    found = set()
    for event in reversed(job_events.of(connection, "print", job_id)):
        if event.state == states.PENDING and UNREACHED in event.reasons:
            found.add(machine_of(event.actor))
        elif event.state != states.PROCESSING:
            break
    return found


class LeftToOthers:
    """The printers one worker leaves to other machines."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._until: dict[str, float] = {}

    def note(self, printer: str, *, left: bool) -> None:
        """What became of a send there."""
        self._until[printer] = time.monotonic() + LEFT_SECONDS if left else 0.0

    def ours(self, connection: Connection, due: list[int]) -> list[int]:
        """Those of the jobs due that this machine shall send. Raises ResourceError."""
        left = {printer for printer, until in list(self._until.items()) if until > time.monotonic()}
        if not left or not due:
            return due
        others = others_at_work(self._store)
        return [job_id for job_id in due if _is_ours(connection, job_id, left, others)]


def _is_ours(connection: Connection, job_id: int, left: set[str], others: set[str]) -> bool:
    """Left alone is what somebody else has still to try."""
    job = print_jobs.get(connection, job_id)
    return job is None or job.printer not in left or others <= have_tried(connection, job_id)
