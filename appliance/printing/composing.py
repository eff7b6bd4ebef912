"""From what was received to documents: the job's films composed for its printer, kept in the job's folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from appliance.errors import ApplianceError, ResourceError
from appliance.events import process_actor
from appliance.film.annotation_format import AnnotationFormats, load_formats
from appliance.film.boxes import FilmBox, FilmSession
from appliance.film.catalog import Catalog, load
from appliance.film.compose import compose
from appliance.film.pdf import pdf_document
from appliance.film.postscript import postscript_document
from appliance.film.preview import preview
from appliance.film.raster import FilmRaster
from appliance.film.sheet import GreyPolicy, Sheet
from appliance.jobs.retry import wait_after
from appliance.printing.desk import printer_from_row, profile_from_row
from appliance.printing.jobs import read_session
from appliance.printing.patterns import draw_pattern
from appliance.printing.printers import FORMATS, Medium, Printer, PrinterSettings, medium_for, sheet_for, wanted_medium
from appliance.store import files, print_jobs, printers
from appliance.store import job_states as states
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

ATTEMPTS = 3
"""A film that fails this often is aborted: it must not stop the queue."""
SUFFIXES = {"pdf": "pdf", "postscript": "ps"}

log = logging.getLogger(__name__)


class MediaNeededError(ApplianceError):
    """The printer has no such medium, or it is not loaded."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What films of one job are composed by."""

    settings: PrinterSettings
    policy: GreyPolicy
    catalog: Catalog
    formats: AnnotationFormats


@dataclass(frozen=True, kw_only=True)
class ComposedFilm:
    """One film written into the job's folder."""

    document: str  # file name
    document_format: str
    document_sha256: str
    preview: str  # file name
    width_mm: float
    height_mm: float
    warnings: tuple[str, ...]


def compose_job(store: Store, job_id: int, worker: str, beat: Callable[[], None] = lambda: None) -> None:
    """Compose every film of a claimed job and settle the claim, whatever happens. `beat` is called before each film."""
    with store.database.read() as connection:
        job = print_jobs.get(connection, job_id)
        row = printers.get(connection, job.printer) if job else None
    if job is None:
        return
    extra = {"job": job_id, "printer": job.printer}
    try:
        if row is None:
            raise MediaNeededError(
                say("Printer %(printer)s is gone: move the job to another one.", printer=job.printer)
            )
        printer, policy = printer_from_row(row), policy_of(store, job.profile)
        films = compose_films(store, job_id, printer, policy, beat)
        _keep(store, job_id, worker, films, printer, policy)
        log.info("composed", extra=extra)
    except MediaNeededError as error:
        _give_back(store, job_id, worker, states.HELD, ["media-needed"], str(error))
        log.warning("held: %s", error, extra=extra)
    except (ApplianceError, OSError) as error:  # in words already: a full disk comes round for hours
        _failed(store, job, worker, error)
        log.error("can't be composed: %s", error, extra=extra)
    except Exception as error:
        _failed(store, job, worker, error)
        log.exception("can't be composed", extra=extra)


def compose_films(
    store: Store, job_id: int, printer: Printer, policy: GreyPolicy, beat: Callable[[], None] = lambda: None
) -> list[ComposedFilm]:
    """Compose a job's films for a printer into the job's folder. Raises ApplianceError, OSError."""
    folder = store.folder.job(job_id)
    session = read_session(folder)
    rules = Rules(
        settings=printer.settings,
        policy=policy,
        catalog=load(store.folder.layouts),
        formats=load_formats(store.folder.layouts),
    )
    films = []
    for number in range(1, len(session.film_boxes) + 1):
        beat()
        films.append(_compose_film(store, folder, session, number, rules, f"Film {job_id}-{number:02}"))
    return films


def policy_of(store: Store, profile: str) -> GreyPolicy:
    """What pixels mean by a print profile's choice; the default when the profile is gone."""
    with store.database.read() as connection:
        return _policy(connection, profile)


def _policy(connection: Connection, profile: str) -> GreyPolicy:
    row = printers.get_profile(connection, profile) if profile else None
    return profile_from_row(row).grey if row else GreyPolicy()


def sheet_of(settings: PrinterSettings, session: FilmSession, film: FilmBox, catalog: Catalog) -> tuple[Medium, Sheet]:
    """The medium and sheet a film goes on. Raises MediaNeededError when the printer has none, or it is not loaded."""
    medium_type, size = wanted_medium(settings, session.MediumType, film.FilmSizeID)
    medium = medium_for(settings, medium_type, size)
    if medium is None or not medium.loaded:
        raise MediaNeededError(
            say(
                "The printer has no %(medium_type)s %(size)s: "
                "add it to its media and release the job, or move it to another printer.",
                medium_type=medium_type,
                size=size,
            )
            if medium is None
            else say(
                "The printer has not loaded %(medium_type)s %(size)s: "
                "load it and release the job, or move it to another printer.",
                medium_type=medium_type,
                size=size,
            )
        )
    film_size = catalog.film_size(size)
    high = film.RequestedResolutionID == "HIGH"
    size_mm = (film_size.width_mm, film_size.height_mm)
    return medium, sheet_for(settings, medium, size_mm, MediumType=medium_type, high=high)


def _compose_film(
    store: Store, folder: Path, session: FilmSession, number: int, rules: Rules, title: str
) -> ComposedFilm:
    settings, film = rules.settings, session.film_boxes[number - 1]
    medium, sheet = sheet_of(settings, session, film, rules.catalog)
    files.failpoint("compose.start")
    with store.tally.timed("compose"):
        raster = _raster(folder, session, number, sheet, rules)
    files.failpoint("compose.raster")
    with store.tally.timed("document"):
        document = _document(raster, settings, medium, title)
    name = f"film-{number:02}.{SUFFIXES[settings.document_format]}"
    files.write_file(folder / name, document)
    files.failpoint("compose.document")
    preview_name = f"preview-{number:02}.png"
    files.write_file(folder / preview_name, preview(raster, sheet))
    files.failpoint("compose.preview")
    return ComposedFilm(
        document=name,
        document_format=FORMATS[settings.document_format],
        document_sha256=hashlib.sha256(document).hexdigest(),
        preview=preview_name,
        width_mm=raster.width_mm,
        height_mm=raster.height_mm,
        warnings=raster.warnings,
    )


def _raster(folder: Path, session: FilmSession, number: int, sheet: Sheet, rules: Rules) -> FilmRaster:
    pattern = session.film_boxes[number - 1].pattern
    if pattern:
        return draw_pattern(pattern, sheet, session.FilmSessionLabel)
    return compose(session, number, sheet, folder, policy=rules.policy, catalog=rules.catalog, formats=rules.formats)


def _document(raster: FilmRaster, settings: PrinterSettings, medium: Medium, title: str) -> bytes:
    if settings.document_format == "pdf":
        return pdf_document(raster, title=title)
    tray = medium.media_source
    return postscript_document(
        raster,
        title=title,
        media_type=medium.media_type,
        media_position=int(tray) if tray and tray.isdigit() else None,
        ascii85=settings.ascii85,
    )


def _keep(
    store: Store, job_id: int, worker: str, films: list[ComposedFilm], printer: Printer, policy: GreyPolicy
) -> None:
    """The documents are whole: say so, unless what they were made by was changed or the job moved meanwhile."""
    size = sum(path.stat().st_size for path in store.folder.job(job_id).iterdir())  # what it keeps now, for the quota
    with store.database.write("print") as connection:
        job = print_jobs.get(connection, job_id)
        row = printers.get(connection, printer.name)
        if job is None or job.composing_by != worker:
            return
        current = job.printer == printer.name and row is not None and row.version == printer.version
        current = current and _policy(connection, job.profile) == policy
        for number, film in enumerate(films, start=1):
            print_jobs.change_film(
                connection,
                job_id,
                number,
                document=film.document,
                document_format=film.document_format,
                document_sha256=film.document_sha256,
                preview=film.preview,
                width_mm=round(film.width_mm * 100),
                height_mm=round(film.height_mm * 100),
                warnings=list(film.warnings),
            )
        print_jobs.change(connection, job_id, bytes=size, composed=current, composing_by=None, compose_attempts=0)
    files.failpoint("compose.committed")


def _give_back(store: Store, job_id: int, worker: str, state: str, reasons: list[str], message: str) -> None:
    with store.database.write("print") as connection:
        if not print_jobs.release_compose(connection, job_id, worker):
            return
        seen = (states.PENDING,)
        actor = str(process_actor(worker))
        print_jobs.settle(connection, job_id, seen, state, actor=actor, reasons=reasons, message=message)


def _failed(store: Store, job: print_jobs.Job, worker: str, error: Exception) -> None:
    """A film that can't be composed is tried again a few times, then aborted. A disk or a database that is full, locked
    or away is no fault of the film's: it is waited for."""
    permanent = isinstance(error, ApplianceError) and error.permanent
    message = str(error) or type(error).__name__
    gone = isinstance(error, FileNotFoundError) and store.folder.jobs.is_dir()  # its own files alone, and for good
    if isinstance(error, OSError | ResourceError) and not gone:
        why = error.strerror if isinstance(error, OSError) else message.rstrip(".")
        words = say("Composing waits: %(why)s.", why=why)
        _wait(store, job.job_id, worker, words, compose_attempts=0)
    elif permanent or job.compose_attempts >= ATTEMPTS:
        words = say("The film can't be composed: %(message)s", message=message)
        _give_back(store, job.job_id, worker, states.ABORTED, ["document-format-error"], words)
    else:
        _wait(store, job.job_id, worker, say("Composing failed and will be tried again: %(message)s", message=message))


def _wait(store: Store, job_id: int, worker: str, message: str, **values: int) -> None:
    with store.database.write("print") as connection:
        if not print_jobs.release_compose(connection, job_id, worker):
            return
        print_jobs.change(connection, job_id, job_state_message=message, not_before=now() + wait_after(1), **values)
