"""Print jobs in the database. Each function is one statement or a few inside the caller's transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, or_, select, update

from appliance.store import job_events, print_job_words
from appliance.store import job_states as states
from appliance.store.tables.base import is_due, is_for, now
from appliance.store.tables.printing import film, print_job, printer

Job = Row[Any]
"""A row of print_job."""

ORDER = (print_job.c.priority.desc(), print_job.c.job_id)
"""HIGH before MED before LOW, then as they came."""

HELD_BY_A_PERSON = "job-hold-until-specified"
"""The one reason of a job that nobody need be told of."""
WAITING = (states.PENDING, states.PROCESSING, states.STOPPED, states.HELD)


def insert(connection: Connection, job: Mapping[str, Any], films: Sequence[Mapping[str, Any]], actor: str) -> None:
    """A new job with its films."""
    connection.execute(print_job.insert().values(**job))
    connection.execute(film.insert(), list(films))
    _history(connection, job["job_id"], job["job_state"], job["job_state_reasons"], job["job_state_message"], actor)


def get(connection: Connection, job_id: int) -> Job | None:
    return connection.execute(select(print_job).where(print_job.c.job_id == job_id)).first()


def by_print_job_uid(connection: Connection, uid: str) -> Job | None:
    return connection.execute(select(print_job).where(print_job.c.print_job_uid == uid)).first()


def films(connection: Connection, job_ids: Iterable[int]) -> list[Row[Any]]:
    """The films of some jobs, in order."""
    query = select(film).where(film.c.job_id.in_(list(job_ids))).order_by(film.c.job_id, film.c.film)
    return list(connection.execute(query))


def count_waiting(connection: Connection, *, printer_name: str | None = None, profile: str | None = None) -> int:
    """Jobs of a printer or a print profile that are not final."""
    query = select(func.count()).where(_is_of(printer_name, profile), print_job.c.job_state.in_(WAITING))
    return int(connection.scalar(query) or 0)


def _is_of(printer_name: str | None, profile: str | None) -> Any:
    return print_job.c.profile == profile if profile else print_job.c.printer == printer_name


def waiting_since(connection: Connection, moment: dt.datetime) -> list[Job]:
    """Jobs accepted before a moment that nobody holds and that are not final: job_id and printer, the oldest first."""
    waiting = (states.PENDING, states.PROCESSING, states.STOPPED)
    query = select(print_job.c.job_id, print_job.c.printer).where(
        print_job.c.job_state.in_(waiting), print_job.c.created < moment
    )
    return list(connection.execute(query.order_by(print_job.c.job_id)))


def held_since(connection: Connection, moment: dt.datetime) -> list[Job]:
    """Jobs accepted before a moment that the appliance holds for a person: job_id and printer, the oldest first."""
    query = select(print_job.c.job_id, print_job.c.printer, print_job.c.job_state_reasons).where(
        print_job.c.job_state == states.HELD, print_job.c.created < moment
    )
    held: list[Job] = list(connection.execute(query.order_by(print_job.c.job_id)))
    return [job for job in held if job.job_state_reasons != [HELD_BY_A_PERSON]]


def failed_since(connection: Connection, moment: dt.datetime) -> list[Job]:
    """Jobs that failed after a moment and were not printed again since: job_id and printer, the oldest first."""
    again = select(print_job.c.reprint_of).where(print_job.c.reprint_of.isnot(None))
    query = select(print_job.c.job_id, print_job.c.printer).where(
        print_job.c.job_state == states.ABORTED, print_job.c.completed >= moment, print_job.c.job_id.not_in(again)
    )
    return list(connection.execute(query.order_by(print_job.c.job_id)))


def has_twin(connection: Connection, fingerprint: str, originator: str, minutes: int) -> bool:
    """Whether the same peer sent the same films within the last minutes, and they came out or still may."""
    since = now() - dt.timedelta(minutes=minutes)
    query = select(print_job.c.job_id).where(
        print_job.c.fingerprint == fingerprint,
        print_job.c.originator == originator,
        print_job.c.created >= since,
        print_job.c.reprint_of.is_(None),
        print_job.c.job_state.not_in((states.CANCELED, states.ABORTED)),
    )
    return connection.execute(query.limit(1)).first() is not None


def page(
    connection: Connection,
    *,
    printer_name: str | None = None,
    originator: str | None = None,
    job_states: Sequence[str] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    prefixes: Sequence[str] = (),
    before: int | None = None,
    limit: int = 50,
) -> list[Job]:
    """The newest jobs that fit, by keyset: those with a number below `before`; `prefixes` of words, all of them."""
    conditions = [
        print_job.c.printer == printer_name if printer_name else None,
        print_job.c.originator == originator if originator else None,
        print_job.c.job_state.in_(job_states) if job_states else None,
        print_job.c.created >= since if since else None,
        print_job.c.created < until if until else None,
        print_job.c.job_id < before if before else None,
        *print_job_words.fitting(connection, prefixes),
    ]
    query = select(print_job).where(*[c for c in conditions if c is not None])
    return list(connection.execute(query.order_by(print_job.c.job_id.desc()).limit(limit)))


def count_by_state(connection: Connection, only: Sequence[str] = states.JOB_STATES) -> dict[tuple[str, str], int]:
    """(printer, job state) -> number of jobs; those states alone that `only` names, by the index of the queue."""
    query = select(print_job.c.printer, print_job.c.job_state, func.count()).where(print_job.c.job_state.in_(only))
    query = query.group_by(print_job.c.printer, print_job.c.job_state)
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def count_since(connection: Connection, since: dt.datetime) -> dict[str, int]:
    """Final job state -> jobs accepted since then that ended so."""
    query = select(print_job.c.job_state, func.count()).where(
        print_job.c.created >= since, print_job.c.job_state.in_(states.FINAL)
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(print_job.c.job_state))}


def oldest_waiting(connection: Connection) -> dict[str, dt.datetime]:
    """Printer -> when its oldest waiting job came."""
    query = select(print_job.c.printer, func.min(print_job.c.created)).where(print_job.c.job_state.in_(WAITING))
    return {row[0]: row[1] for row in connection.execute(query.group_by(print_job.c.printer))}


def settle(
    connection: Connection,
    job_id: int,
    seen: Sequence[str],
    state: str,
    *,
    actor: str,
    reasons: Sequence[str] = (),
    message: str = "",
    **values: Any,
) -> bool:
    """Bring a job to `state` if it is still in one of the states `seen`; False: someone else was there first."""
    moment = now()
    changed = {"job_state": state, "job_state_reasons": list(reasons), "job_state_message": message, "updated": moment}
    if state in states.FINAL:
        changed["completed"] = moment
    query = update(print_job).where(print_job.c.job_id == job_id, print_job.c.job_state.in_(seen))
    if connection.execute(query.values(**changed | values)).rowcount != 1:
        return False
    _history(connection, job_id, state, reasons, message, actor)
    return True


def change(connection: Connection, job_id: int, **values: Any) -> None:
    """Set columns that are no state."""
    connection.execute(update(print_job).where(print_job.c.job_id == job_id).values(updated=now(), **values))


def change_film(connection: Connection, job_id: int, number: int, **values: Any) -> None:
    connection.execute(update(film).where(film.c.job_id == job_id, film.c.film == number).values(**values))


# claims -------------------------------------------------------------------------------------------------------------


def to_compose(connection: Connection, ahead: int) -> int | None:
    """The next job to compose: queue order, at most `ahead` films composed and waiting before it for its printer.

    Those behind it do not count: nothing is sent before it, and they would keep it from being composed for ever.
    """
    taken = or_(print_job.c.composed, print_job.c.composing_by.isnot(None))
    films = func.sum(case((taken, print_job.c.films), else_=0))
    before = films.over(partition_by=print_job.c.printer, order_by=ORDER, rows=(None, -1)).label("before")
    queue = select(print_job.c.job_id, before).where(print_job.c.job_state == states.PENDING).subquery()
    query = (
        select(print_job.c.job_id)
        .join(queue, queue.c.job_id == print_job.c.job_id)
        .where(_uncomposed(), func.coalesce(queue.c.before, 0) < ahead)
        .order_by(*ORDER)
        .limit(1)
    )
    return connection.scalar(query)


def _uncomposed() -> Any:
    return and_(
        print_job.c.job_state == states.PENDING,
        print_job.c.composed.is_(False),
        print_job.c.composing_by.is_(None),
        is_due(print_job.c.not_before),
    )


def claim_compose(connection: Connection, job_id: int, worker: str) -> bool:
    """Take a job for composing; False: another worker got there first."""
    query = update(print_job).where(print_job.c.job_id == job_id, _uncomposed())
    claim = {"composing_by": worker, "compose_attempts": print_job.c.compose_attempts + 1}
    return connection.execute(query.values(**claim)).rowcount == 1


def to_send(connection: Connection, node: str = "") -> list[int]:
    """For each printer that may print and has nothing on its way: its next job, if that is composed and due.

    One that could not be composed and is put off (its folder can't be written) lets the others pass.
    `node`: a machine among several, which leaves printers bound to another one to it.
    """
    ready = select(printer.c.name).where(printer.c.paused.is_(False), printer.c.printer_state != "stopped")
    if node:
        ready = ready.where(is_for(printer.c.settings, node))
    busy = select(print_job.c.printer).where(print_job.c.sending_by.isnot(None))
    place = func.row_number().over(partition_by=print_job.c.printer, order_by=ORDER).label("place")
    put_off = and_(~print_job.c.composed, ~is_due(print_job.c.not_before))
    heads = (
        select(print_job.c.job_id, print_job.c.composed, print_job.c.not_before, place)
        .where(
            print_job.c.job_state == states.PENDING,
            print_job.c.printer.in_(ready),
            print_job.c.printer.not_in(busy),
            ~put_off,
        )
        .subquery()
    )
    due = is_due(heads.c.not_before)
    return list(connection.scalars(select(heads.c.job_id).where(heads.c.place == 1, heads.c.composed, due)))


def claim_send(connection: Connection, job_id: int, worker: str) -> bool:
    """Take a composed job for sending. The index one_sending_a_printer forbids a second one on the same printer."""
    seen = and_(print_job.c.job_state == states.PENDING, print_job.c.composed, print_job.c.sending_by.is_(None))
    moment = now()
    claimed = {
        "sending_by": worker,
        "send_started": False,
        "send_began": moment,
        "attempts": print_job.c.attempts + 1,
        "job_state": states.PROCESSING,
        "job_state_reasons": ["job-outgoing"],
        "job_state_message": "",
        "updated": moment,
    }
    if connection.execute(update(print_job).where(print_job.c.job_id == job_id, seen).values(**claimed)).rowcount != 1:
        return False
    _history(connection, job_id, states.PROCESSING, ["job-outgoing"], "", worker)
    return True


def mark_started(connection: Connection, job_id: int, worker: str, evidence: str) -> bool:
    """Bytes may leave from now on; False: the claim is not this worker's any more. `evidence`: where they go."""
    query = update(print_job).where(print_job.c.job_id == job_id, print_job.c.sending_by == worker)
    return connection.execute(query.values(send_started=True, evidence=evidence, updated=now())).rowcount == 1


def claimed(connection: Connection, node: str = "", worker: str = "") -> list[Job]:
    """Jobs that a worker has claimed, for composing or sending; without those others send to another machine's printer.

    `worker`: whoever asks, which finds out about what it has begun wherever the printer was bound since.
    """
    query = select(print_job).where(or_(print_job.c.composing_by.isnot(None), print_job.c.sending_by.isnot(None)))
    if node:
        elsewhere = select(printer.c.name).where(~is_for(printer.c.settings, node))
        sending = print_job.c.sending_by
        query = query.where(or_(sending.is_(None), sending == worker, print_job.c.printer.not_in(elsewhere)))
    return list(connection.execute(query))


def take_over(connection: Connection, job_id: int, gone: str, worker: str) -> bool:
    """Take the sending claim of a worker that is gone."""
    query = update(print_job).where(print_job.c.job_id == job_id, print_job.c.sending_by == gone)
    return connection.execute(query.values(sending_by=worker)).rowcount == 1


def release_compose(connection: Connection, job_id: int, gone: str) -> bool:
    """Free the composing claim of a worker; False: it has none."""
    query = update(print_job).where(print_job.c.job_id == job_id, print_job.c.composing_by == gone)
    return connection.execute(query.values(composing_by=None)).rowcount == 1


def compose_anew(connection: Connection, *, printer_name: str | None = None, profile: str | None = None) -> None:
    """Jobs of a printer or a print profile lose their documents: what they should look like has changed.

    One that is being sent goes on with those it has: it needs others if it comes back to the queue.
    """
    query = update(print_job).where(_is_of(printer_name, profile), print_job.c.job_state.in_(WAITING))
    connection.execute(query.values(composed=False, compose_attempts=0))


def to_redirect(connection: Connection, printer_name: str, before: dt.datetime) -> list[Job]:
    """Jobs that came before a moment and wait for a printer that failed to print one of them at least once.

    One that is half printed stays with its printer; those behind it need not wait for it.
    """
    late = select(print_job).where(
        print_job.c.printer == printer_name, print_job.c.job_state == states.PENDING, print_job.c.created < before
    )
    jobs = list(connection.execute(late.order_by(*ORDER)))
    return [job for job in jobs if job.sent_documents == 0] if any(job.attempts for job in jobs) else []


def known(connection: Connection, job_ids: Sequence[int]) -> set[int]:
    """Which of these numbers have a row."""
    return set(connection.scalars(select(print_job.c.job_id).where(print_job.c.job_id.in_(list(job_ids)))))


def purgeable(connection: Connection, before: dt.datetime | None, limit: int = 200) -> list[Job]:
    """Final jobs, oldest first, whose files are still kept and that ended before a moment (None: whenever)."""
    query = select(print_job).where(print_job.c.job_state.in_(states.FINAL), print_job.c.purged.is_(False))
    if before is not None:
        query = query.where(print_job.c.completed < before)
    return list(connection.execute(query.order_by(print_job.c.completed).limit(limit)))


def kept_bytes(connection: Connection) -> int:
    """Bytes of jobs whose files are kept."""
    return int(connection.scalar(select(func.coalesce(func.sum(print_job.c.bytes), 0)).where(~print_job.c.purged)) or 0)


def _history(connection: Connection, job_id: int, state: str, reasons: Sequence[str], message: str, actor: str) -> None:
    job_events.add(connection, "print", job_id, state, reasons, message, actor)
