"""From documents to the printer: one send, its claim settled by the device's answer (reliability 3.1, 3.2)."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError, NotFoundError, ResourceError
from appliance.film.annotation_format import load_formats
from appliance.film.boxes import FilmSession
from appliance.film.catalog import Catalog, load
from appliance.film.compose import compose
from appliance.film.presentation import spelled_out
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Characteristic
from appliance.printing.composing import policy_of, sheet_of
from appliance.printing.desk import printer_from_row
from appliance.printing.device.outcome import (
    Device,
    Document,
    SendOutcome,
    SendRequest,
    SendResult,
)
from appliance.printing.device.registry import open_device
from appliance.printing.jobs import read_session
from appliance.printing.printers import Printer, media_choice, readable_uri
from appliance.printing.settling import settle_send
from appliance.printing.submission import FILM_JSON
from appliance.store import files, print_jobs, printers
from appliance.store.store import Store
from appliance.words import say

SETTLE_TRIES = 300
"""Seconds that a known answer waits for the database, while the claim is ours."""

GOING_TO = "to "
"""Begins the evidence of a job whose bytes may be leaving: the address follows."""

log = logging.getLogger(__name__)


class LockLostError(Exception):
    """The claim may be another worker's by now: nothing more may leave."""


def device_of(store: Store, printer: Printer) -> Device:
    """The device of a printer, with the appliance's limits. Raises UsageError when its address makes no sense."""
    roots = (store.folder.root, *store.settings.storage.folder_roots)
    options: dict[str, Any] = {
        "calling_ae_title": store.settings.dicom.ae_title,
        **printer.settings.device_options,
        "folder_roots": roots,  # the settings file's alone: a printer may not widen its own
    }
    if _is_imager(printer):
        options["compose_raster"] = _raster_for_imager(store, printer)
    return open_device(printer.device_uri, options=options)


def _is_imager(printer: Printer) -> bool:
    return printer.device_uri.startswith(("dicom:", "dicoms:"))


def send_job(store: Store, job_id: int, worker: str) -> tuple[str, bool]:
    """Send a claimed job, or find out about an interrupted one, and settle the claim.

    The name of its printer, and whether that is left to another machine, for this one can't reach it. Raises
    ResourceError when the database is away: the claim stays.
    """
    job, printer = _read(store, job_id)
    if job is None:
        return "", False
    try:
        with store.tally.timed("send"):
            result = _send(store, job, printer, worker)
    except LockLostError:
        log.error("worker %s lost its lock: the send stops, and is found out about", worker, extra={"job": job_id})
        return job.printer, False
    except ResourceError:
        raise
    except Exception as error:  # a device never raises: this is a fault of ours, in the middle of a send
        log.exception("sending broke", extra={"job": job_id, "printer": job.printer})
        result = SendResult(
            outcome=SendOutcome.UNCERTAIN,
            message=say("Sending broke: %(name)s: %(why)s", name=type(error).__name__, why=error),
        )
    files.failpoint("send.answered")
    left = _settle(store, job_id, worker, result)
    files.failpoint("send.settled")
    said = result.message or result.evidence
    log.info("send: %s %s", result.outcome.value, said, extra={"job": job_id, "printer": job.printer})
    return job.printer, left


def _settle(store: Store, job_id: int, worker: str, result: SendResult) -> bool:
    """Settle the claim, as settle_send does. The answer is known: a database that is away is waited for."""
    for _ in range(SETTLE_TRIES):
        try:
            return settle_send(store, job_id, worker, result)
        except ResourceError as error:
            if not store.locks.holds(worker):
                raise
            log.warning("the job is settled when the database is there: %s", error, extra={"job": job_id})
            time.sleep(1.0)
    return False


def _send(store: Store, job: print_jobs.Job, printer: Printer | None, worker: str) -> SendResult:
    try:
        if printer is None:
            raise NotFoundError(say("Printer %(printer)s is gone: move the job to another one.", printer=job.printer))
        device = device_of(store, printer)
        if not job.send_started and not _are_whole(store, job):
            with store.database.write("print") as connection:
                print_jobs.change(connection, job.job_id, composed=False)
            words = say("A document was damaged on disk: composed again.")
            return SendResult(outcome=SendOutcome.RETRY, message=words, blameless=True)
        request = request_for(store, job, printer)
        if not job.send_started:
            _mark_started(store, job.job_id, worker, _going_to(printer))
    except (ApplianceError, OSError) as error:
        if isinstance(error, ResourceError) and job.send_started:
            raise
        passing = isinstance(error, OSError | ResourceError) and not job.send_started  # not a byte has left
        outcome = SendOutcome.RETRY if passing else SendOutcome.HOLD
        doubt = ("in-doubt",) if job.send_started else ()
        return SendResult(outcome=outcome, job_state_reasons=doubt, message=str(error), blameless=passing)
    if job.send_started:  # an earlier worker died while bytes may have been leaving
        found = _begun_elsewhere(job, printer) or device.ask(request)
        return replace(found, asked=True, blameless=True)
    return device.send(request, lambda sent, total: _refuse_lost(store, worker))


def _begun_elsewhere(job: print_jobs.Job, printer: Printer) -> SendResult | None:
    """Doubt about a job begun at an address its printer had before: the device there now knows nothing of it."""
    if not job.evidence.startswith(GOING_TO) or job.evidence == _going_to(printer):
        return None
    uri = job.evidence.removeprefix(GOING_TO)
    words = say("It was begun at %(uri)s, which is not its printer's address any more: look there.", uri=uri)
    return SendResult(outcome=SendOutcome.UNCERTAIN, message=words)


def _refuse_lost(store: Store, worker: str) -> None:
    """Just before bytes leave: raise LockLostError when they may not."""
    if not store.locks.holds(worker):
        raise LockLostError


def _are_whole(store: Store, job: print_jobs.Job) -> bool:
    """Whether every document is on disk as it was composed, beside what it was made from: the right film, or none."""
    with store.database.read() as connection:
        rows = print_jobs.films(connection, [job.job_id])
    folder = store.folder.job(job.job_id)
    return (folder / FILM_JSON).is_file() and all(
        (folder / row.document).is_file() and _sha256(folder / row.document) == row.document_sha256 for row in rows
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def request_for(store: Store, job: print_jobs.Job, printer: Printer) -> SendRequest:
    """What the device is asked to print, the same at every attempt."""
    folder = store.folder.job(job.job_id)
    session = read_session(folder)
    catalog = load(store.folder.layouts)
    with store.database.read() as connection:
        rows = print_jobs.films(connection, [job.job_id])
    films = [_document(folder, row, session, printer, catalog) for row in rows]
    return SendRequest(
        job_name=job_name(job, printer),
        documents=in_printing_order(films, job.copies, collated=job.collated),
        session=spelled_out(session, policy_of(store, job.profile)) if _is_imager(printer) else session,
        folder=folder,
        originator=job.originator,
        skip_documents=job.sent_documents,
        attempted_at=job.send_began.timestamp() if job.send_began else None,
        is_canceled=lambda: is_canceled(store, job.job_id),
    )


def job_name(job: print_jobs.Job, printer: Printer) -> str:
    """The number, for files; beside it a piece of the UID where a device is asked for a job among those of others."""
    again = f"-again{job.again}" if job.again else ""
    if printer.device_uri.startswith("folder:"):
        return f"{job.job_id}{again}"
    return f"appliance-{job.job_id}-{job.print_job_uid[-8:].replace('.', '')}{again}"


def in_printing_order(films: list[Document], copies: int, *, collated: bool) -> tuple[Document, ...]:
    """1234 1234 when collated, else 11 22 33 44."""
    numbers = range(1, copies + 1)
    if collated:
        return tuple(replace(film, copy=copy) for copy in numbers for film in films)
    return tuple(replace(film, copy=copy) for film in films for copy in numbers)


def is_canceled(store: Store, job_id: int) -> bool:
    """Whether a person cancelled the job while it is being sent. While the database is away nobody can."""
    try:
        with store.database.read() as connection:
            job = print_jobs.get(connection, job_id)
    except ResourceError:
        return False
    return job is None or "processing-to-stop-point" in job.job_state_reasons


def _document(folder: Path, row: Any, session: FilmSession, printer: Printer, catalog: Catalog) -> Document:
    """One film's document and the medium it goes on."""
    film = session.film_boxes[row.film - 1]
    medium, sheet = sheet_of(printer.settings, session, film, catalog)
    size_mm = (sheet.width_mm, sheet.height_mm)
    return Document(
        path=folder / row.document,
        document_format=row.document_format,
        film=row.film,
        width_mm=row.width_mm / 100,
        height_mm=row.height_mm / 100,
        resolution=round(sheet.resolution),
        media=media_choice(printer.settings, medium, size_mm, session.FilmDestination),
    )


def _read(store: Store, job_id: int) -> tuple[print_jobs.Job | None, Printer | None]:
    with store.database.read() as connection:
        job = print_jobs.get(connection, job_id)
        row = printers.get(connection, job.printer) if job else None
    return job, printer_from_row(row) if row else None


def _going_to(printer: Printer) -> str:
    """Machines have folders of one name: the one a printer is bound to is part of where a folder is."""
    at = f" ({printer.settings.node})" if printer.settings.node and printer.device_uri.startswith("folder:") else ""
    return f"{GOING_TO}{readable_uri(printer.device_uri)}{at}"


def _mark_started(store: Store, job_id: int, worker: str, evidence: str) -> None:
    """From now on a crash may have cost or made a film: the job says so before the first byte leaves."""
    with store.database.write() as connection:
        if not print_jobs.mark_started(connection, job_id, worker, evidence):
            raise LockLostError
    _refuse_lost(store, worker)
    files.failpoint("send.started")


def _raster_for_imager(store: Store, printer: Printer) -> Any:
    """Compose a whole film as P-values for a film imager that refuses its layout: the imager applies the GSDF."""

    def raster(session: FilmSession, number: int, folder: Path | None, matrix: tuple[int, int] | None) -> FilmRaster:
        catalog = load(store.folder.layouts)
        _, sheet = sheet_of(printer.settings, session, session.film_boxes[number - 1], catalog)
        resolution = sheet.resolution
        if matrix is not None:
            resolution = min(matrix[1] / sheet.width_mm, matrix[0] / sheet.height_mm) * 25.4
        p_values = replace(
            sheet, bits=12, color=False, resolution=resolution, characteristic=Characteristic(kind="p-values")
        )
        return compose(
            session,
            number,
            p_values,
            folder or store.folder.root,
            catalog=catalog,
            formats=load_formats(store.folder.layouts),
        )

    return raster
