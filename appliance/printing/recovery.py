"""What a crash left: claims of dead workers, folders without a row, half-written files."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from appliance.events import process_actor
from appliance.store import files, job_events, print_jobs
from appliance.store import job_states as states
from appliance.store.locks import works_on
from appliance.store.store import Store
from appliance.words import say

IN_USE = ("backup-", "reprint-", "page-", "import-", "retrieve-", "paper-")
"""Spool folders that verbs make, in whichever process; all others are the associations'."""

DIED = "composer-died"
MOST_DEATHS = 3
"""A job whose worker died so often while it composed it waits for a person; released, it has as many again."""

OTHERS_SECONDS = 600.0
"""A folder of jobs younger than this may be another machine's, which has still to write its row."""

log = logging.getLogger(__name__)


def take_over_claims(store: Store, worker: str, mine: set[int]) -> list[int]:
    """Free or take over claims whose lock nobody holds; the jobs `worker` must now ask their device about.

    Composing is simply free again: it can be redone. A send that had not begun goes back to the queue. One that had is
    taken over, for the device to be asked: it is never sent again by itself.
    """
    with store.database.read() as connection:
        claimed = print_jobs.claimed(connection, store.node, worker)
    names = {name for job in claimed for name in (job.composing_by, job.sending_by) if name}
    gone = set(store.locks.dead(names))
    to_ask = []
    for job in claimed:
        if job.composing_by in gone or job.composing_by == worker:  # ours: its last round broke off
            _free_composing(store, job, worker)
        if job.sending_by in gone and _take_over_sending(store, job, worker):
            to_ask.append(job.job_id)
        if job.sending_by == worker and job.job_id not in mine:  # claimed by us, and its thread never ran
            to_ask.append(job.job_id)
    return to_ask


def _free_composing(store: Store, job: print_jobs.Job, worker: str) -> None:
    died = job.composing_by != worker and not works_on(store.locks, job.composing_by)
    with store.database.write("print") as connection:
        if not print_jobs.release_compose(connection, job.job_id, job.composing_by):
            return  # another one was first, and may be composing it
        if died:
            _count_death(connection, job, str(process_actor(worker)))
    log.warning("worker %s died composing; the job is composed again", job.composing_by, extra={"job": job.job_id})


def _count_death(connection: Connection, job: print_jobs.Job, actor: str) -> None:
    """It is composed again, or waits for a person when that has killed too many: it would kill each worker in turn."""
    deaths = 1 + sum(DIED in event.reasons for event in job_events.of(connection, "print", job.job_id))
    state, message = states.PENDING, job.job_state_message
    if deaths % MOST_DEATHS == 0:
        state = states.HELD
        message = say(
            "The worker died %(number)s times while it composed this job, perhaps for want of memory. Look at the log, "
            "then release the job, or cancel it.",
            number=deaths,
        )
    reasons = [*(reason for reason in job.job_state_reasons if reason != DIED), DIED]
    seen = (states.PENDING,)
    print_jobs.settle(connection, job.job_id, seen, state, actor=actor, reasons=reasons, message=message)


def _take_over_sending(store: Store, job: print_jobs.Job, worker: str) -> bool:
    """True when the device must be asked."""
    with store.database.write("print") as connection:
        if not print_jobs.take_over(connection, job.job_id, job.sending_by, worker):
            return False
        if not job.send_started:
            _back_to_the_queue(connection, job.job_id, worker)
    log.warning("worker %s died sending; started: %s", job.sending_by, job.send_started, extra={"job": job.job_id})
    return bool(job.send_started)


def _back_to_the_queue(connection: Connection, job_id: int, worker: str) -> None:
    """Nothing of it has left. Whoever cancelled it meanwhile was told that it stops: it does."""
    job = print_jobs.get(connection, job_id)
    canceled = job is not None and "processing-to-stop-point" in job.job_state_reasons
    print_jobs.settle(
        connection,
        job_id,
        (states.PROCESSING,),
        states.CANCELED if canceled else states.PENDING,
        actor=str(process_actor(worker)),
        reasons=("job-canceled-by-user",) if canceled else (),
        sending_by=None,
        not_before=None,
    )


def sweep(store: Store, settled_seconds: float = 60.0) -> None:
    """Before associations are taken: empty the spool, remove half files, set aside folders no row knows.

    What lies in the spool was never acknowledged. A folder without a row is one whose N-ACTION was not answered: it is
    kept aside for a while, and not printed. What somebody works in, or is younger than `settled_seconds`, may be a
    command's or a page's of this moment, and is left for the next time. The spool is this machine's own; the jobs are
    everybody's, and another machine may be about to write the row of a folder.
    """
    moment = store.file_clock()
    for path in store.folder.spool.iterdir():
        if not (path.name.startswith(IN_USE) and _is_in_use(path, moment - settled_seconds)):
            files.remove_tree(path) if path.is_dir() else files.remove(path)
    store.locks.sweep(("films", "discs"))
    numbered = {int(path.name): path for path in store.folder.jobs.iterdir() if path.name.isdigit()}
    with store.database.read() as connection:
        known = print_jobs.known(connection, list(numbered))
    settled_seconds = OTHERS_SECONDS if store.node else settled_seconds
    for number in sorted(set(numbered) - known):
        with suppress(FileNotFoundError):  # another machine starts, too, and was first
            if moment - numbered[number].stat().st_mtime > settled_seconds:
                _set_aside(store, numbered[number])


def _is_in_use(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since or files.is_work_folder(path)
    except FileNotFoundError:  # it has just ended
        return False


def _set_aside(store: Store, path: Path) -> None:
    aside = files.make_folder(store.folder.root / "quarantine")
    target = aside / f"job-{path.name}"
    files.remove_tree(target)
    files.rename(path, target)
    log.warning("job folder %s has no row: never acknowledged, set aside in %s", path.name, aside)
