"""Print jobs, printers and profiles as JSON-ready values: the same for the command line, the API and the page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from appliance.jobs.priorities import NAMES
from appliance.printing.finding import prefixes
from appliance.printing.jobs import get_job
from appliance.printing.printers import Printer, readable, readable_uri
from appliance.printing.profiles import PrintProfile
from appliance.store import job_events, print_jobs
from appliance.store import job_states as states
from appliance.store.store import Store
from appliance.store.tables.base import now


def list_jobs(store: Store, *, text: str = "", **conditions: Any) -> list[dict[str, Any]]:
    """The newest jobs that fit: words that begin as those of `text`, and conditions of store.print_jobs.page."""
    wanted = prefixes(text)
    if text.strip() and not wanted:
        return []
    with store.database.read() as connection:
        jobs = print_jobs.page(connection, prefixes=wanted, **conditions)
        films = print_jobs.films(connection, [job.job_id for job in jobs])
    return [job_view(job, [film for film in films if film.job_id == job.job_id]) for job in jobs]


def count_held(store: Store) -> int:
    """Jobs that wait for a person."""
    with store.database.read() as connection:
        return sum(print_jobs.count_by_state(connection, (states.HELD,)).values())


def counts(store: Store, since: dt.datetime) -> dict[str, int]:
    """Jobs that wait, and those that came out or failed since a moment, by state."""
    with store.database.read() as connection:
        waiting = print_jobs.count_by_state(connection, print_jobs.WAITING)
        ended = print_jobs.count_since(connection, since)
    found: dict[str, int] = dict.fromkeys(states.JOB_STATES, 0)
    for (_, state), number in waiting.items():
        found[state] += number
    return found | ended


def jobs_by_state(store: Store) -> dict[tuple[str, str], int]:
    """(printer, state) -> jobs."""
    with store.database.read() as connection:
        return print_jobs.count_by_state(connection)


def queue_ages(store: Store) -> dict[tuple[str], float]:
    """(printer,) -> seconds its oldest waiting job has waited."""
    moment = now()
    with store.database.read() as connection:
        oldest = print_jobs.oldest_waiting(connection)
    return {(printer,): (moment - came).total_seconds() for printer, came in oldest.items()}


def queues(store: Store) -> dict[str, int]:
    """Printer -> its jobs that are not ended."""
    with store.database.read() as connection:
        waiting = print_jobs.count_by_state(connection, print_jobs.WAITING)
    found: dict[str, int] = {}
    for (printer, _), number in waiting.items():
        found[printer] = found.get(printer, 0) + number
    return found


def show_job(store: Store, job_id: int) -> dict[str, Any]:
    """One job with its history. Raises NotFoundError."""
    job = get_job(store, job_id)
    with store.database.read() as connection:
        films = print_jobs.films(connection, [job_id])
        history = job_events.of(connection, "print", job_id)
    view = job_view(job, films)
    view["history"] = [
        {
            "at": event.at.isoformat(),
            "job_state": event.state,
            "job_state_reasons": list(event.reasons),
            "job_state_message": event.message,
            "actor": event.actor,
        }
        for event in history
    ]
    return view


def job_view(job: print_jobs.Job, films: Sequence[Any]) -> dict[str, Any]:
    """A job and its films."""
    return {
        "job_id": job.job_id,
        "printer": job.printer,
        "job_state": job.job_state,
        "job_state_reasons": list(job.job_state_reasons),
        "job_state_message": job.job_state_message,
        "originator": job.originator,
        "originator_address": job.originator_address,
        "called_ae_title": job.called_ae_title,
        "profile": job.profile,
        "priority": NAMES[job.priority],
        "copies": job.copies,
        "collated": job.collated,
        "color": job.color,
        "label": job.label,
        "warnings": list(job.warnings),
        "attempts": job.attempts,
        "again": job.again,
        "evidence": job.evidence,
        "reprint_of": job.reprint_of,
        "bytes": job.bytes,
        "purged": job.purged,
        "created": job.created.isoformat(),
        "updated": job.updated.isoformat(),
        "completed": job.completed.isoformat() if job.completed else None,
        "films": [film_view(film) for film in films],
    }


def film_view(film: Any) -> dict[str, Any]:
    return {
        "film": film.film,
        "film_size_id": film.film_size_id,
        "film_orientation": film.film_orientation,
        "image_display_format": film.image_display_format,
        "document": film.document or None,
        "document_format": film.document_format or None,
        "document_sha256": film.document_sha256 or None,
        "preview": film.preview or None,
        "warnings": list(film.warnings),
    }


def printer_view(printer: Printer) -> dict[str, Any]:
    """A printer, its state and its settings."""
    reasons = list(printer.printer_state_reasons) + (["paused"] if printer.paused else [])
    return {
        "name": printer.name,
        "ae_titles": list(printer.ae_titles),
        "device_uri": readable_uri(printer.device_uri),
        "printer_state": "stopped" if printer.paused else printer.printer_state,
        "printer_state_reasons": reasons,
        "printer_state_message": printer.printer_state_message,
        "is_accepting_jobs": printer.is_accepting_jobs,
        "supplies": [{"name": name, "level": level} for name, level in printer.supplies],
        "settings": readable(printer.settings),
        "version": printer.version,
    }


def profile_view(profile: PrintProfile) -> dict[str, Any]:
    """A print profile."""
    return asdict(profile)
