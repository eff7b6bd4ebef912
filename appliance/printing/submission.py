"""A film session becomes a print job: durable first, then one transaction, then the answer (reliability 3.1)."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from isal import isal_zlib
from sqlalchemy import Connection

from appliance.errors import ResourceError, UncertainError
from appliance.events import Actor
from appliance.film.boxes import FilmBox, FilmSession, PixelReference, to_json
from appliance.jobs.priorities import PRIORITIES
from appliance.printing.finding import job_words
from appliance.printing.printers import Printer
from appliance.store import files, print_job_words, print_jobs
from appliance.store import job_states as states
from appliance.store.database import next_number
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

FILM_JSON = "film.json"
Beside = Callable[[Connection, int], None]
"""What else is written with a job of that number, in its transaction."""
_NOWHERE = PixelReference(file="", offset=0, length=0)
SAME_FILM = say("The same film came from the same peer a few minutes before.")
HELD_DUPLICATE = say("The same film came a few minutes before: release it if it is wanted twice, else cancel it.")


class UnsyncedFilmError(ResourceError):
    """The disk did not take the pixels of a film: it can be accepted only when they come anew."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A film session ready to become a job."""

    session: FilmSession
    folder: Path  # in the spool; holds the files its PixelReferences name, and nothing else; becomes the job's folder
    printer: Printer
    print_job_uid: str  # SOP Instance UID of the Print Job told to the modality
    originator: str  # calling AE title or user
    address: str = ""
    called_ae_title: str = ""
    profile: str = ""
    warnings: tuple[str, ...] = ()  # given to the modality, in words
    reprint_of: int | None = None  # the job printed once more; such a job is no duplicate
    intended: bool = False  # a person asked for it: the same film again is no duplicate
    held_because: tuple[str, ...] = ()  # job-state-reasons that hold it from the start


def submit(store: Store, submission: Submission, actor: Actor, beside: Beside = lambda connection, job_id: None) -> int:
    """Accept a job; its number. When this returns, the job survives power loss. `beside` is kept with it or not at all.

    Raises ResourceError when the disk is short or the printer's queue is full, UnsyncedFilmError when the files of its
    folder, by whatever name, are not to be trusted; nothing is kept then.
    """
    try:
        return _submit(store, submission, actor, beside)
    except OSError as error:
        kind = UnsyncedFilmError if isinstance(error, files.UnsyncedError) else ResourceError
        raise kind(
            say(
                "The job for printer %(printer)s can't be kept: %(why)s.",
                printer=submission.printer.name,
                why=error.strerror,
            )
        ) from error


def _submit(store: Store, submission: Submission, actor: Actor, beside: Beside) -> int:
    refuse_when_full(store, submission.printer)
    files.failpoint("submit.start")
    size = _make_durable(submission)
    job_id = _number(store)
    files.failpoint("submit.numbered")
    folder = store.folder.job(job_id)
    try:
        files.rename(submission.folder, folder)
        files.failpoint("submit.renamed")
        _record(store, submission, actor, job_id, size, beside)
    except UncertainError:  # it may have a row: the films must stay then, and are set aside when it has none
        raise
    except BaseException:
        files.remove_tree(folder)  # not acknowledged: nothing may be left to print
        raise
    files.failpoint("submit.committed")
    store.tally.add("films_in", actor.kind, total=size, count=len(submission.session.film_boxes))
    return job_id


def _number(store: Store) -> int:
    """A job number nobody has: not in use in the folder either, should the database be an older one put back."""
    while True:
        with store.database.write() as connection:
            job_id = next_number(connection, "print-job")
        if not store.folder.job(job_id).exists():
            return job_id


def refuse_when_full(store: Store, printer: Printer) -> None:
    """Raise ResourceError when `printer` can take no more jobs now."""
    if not store.has_room():
        raise ResourceError(say("The disk is short: no new films until kept ones are purged or room is made."))
    with store.database.read() as connection:
        waiting = print_jobs.count_waiting(connection, printer_name=printer.name)
    if waiting >= printer.settings.maximum_jobs:
        raise ResourceError(
            say(
                "Printer %(printer)s has %(waiting)s jobs waiting, as many as it may.",
                printer=printer.name,
                waiting=waiting,
            )
        )


def _make_durable(submission: Submission) -> int:
    """fsync every file of the folder and film.json; bytes in all."""
    folder = submission.folder
    size = 0
    for path in sorted(folder.iterdir()):
        files.sync_file(path)
        size += path.stat().st_size
    text = json.dumps(to_json(submission.session), ensure_ascii=False, default=str)
    files.write_file(folder / FILM_JSON, text.encode())
    files.sync_folder(folder)
    return size


def _record(store: Store, submission: Submission, actor: Actor, job_id: int, size: int, beside: Beside) -> None:
    session, moment = submission.session, now()
    print_id = fingerprint(session, store.folder.job(job_id))
    with store.database.write("print") as connection:
        store.folder.job(job_id).stat()  # who stood still for ten minutes may find it set aside: never acknowledged
        reasons, warnings = list(submission.held_because), list(submission.warnings)
        if (
            not submission.intended
            and submission.reprint_of is None
            and _is_duplicate(store, connection, submission, print_id)
        ):
            reasons.append("duplicate" if submission.printer.settings.duplicates == "print" else "duplicate-held")
            warnings.append(SAME_FILM)  # stays when the reasons change
        held = bool(submission.held_because) or "duplicate-held" in reasons
        row = {
            "job_id": job_id,
            "printer": submission.printer.name,
            "job_state": states.HELD if held else states.PENDING,
            "job_state_reasons": reasons,
            "job_state_message": HELD_DUPLICATE if "duplicate-held" in reasons else "",
            "originator": submission.originator,
            "originator_address": submission.address,
            "called_ae_title": submission.called_ae_title,
            "profile": submission.profile,
            "priority": PRIORITIES.get(session.PrintPriority, PRIORITIES["MED"]),
            "copies": session.NumberOfCopies,
            "collated": session.collated,
            "films": len(session.film_boxes),
            "color": session.color,
            "label": session.FilmSessionLabel,
            "print_job_uid": submission.print_job_uid,
            "fingerprint": print_id,
            "warnings": warnings,
            "bytes": size,
            "reprint_of": submission.reprint_of,
            "created": moment,
            "updated": moment,
        }
        film_rows = [
            {
                "job_id": job_id,
                "film": number,
                "image_display_format": film.ImageDisplayFormat,
                "film_size_id": film.FilmSizeID or "",
                "film_orientation": film.FilmOrientation or "",
                "warnings": [],
            }
            for number, film in enumerate(session.film_boxes, start=1)
        ]
        print_jobs.insert(connection, row, film_rows, str(actor))
        words = job_words(
            originator=submission.originator,
            called_ae_title=submission.called_ae_title,
            label=session.FilmSessionLabel,
            printer=submission.printer.name,
        )
        print_job_words.put(connection, job_id, words)
        beside(connection, job_id)


def _is_duplicate(store: Store, connection: Connection, submission: Submission, print_id: str) -> bool:
    minutes = store.settings.printing.duplicate_minutes
    return print_jobs.has_twin(connection, print_id, submission.originator, minutes)


def fingerprint(session: FilmSession, folder: Path) -> str:
    """What a film looks like, attributes and pixels, as 16 hex digits: a film sent twice has the same (trap 10).

    A checksum, not a cryptographic hash: it flags, it proves nothing, and it costs the modality no waiting.
    """
    looks = (session.MediumType, [_looks(film) for film in session.film_boxes])
    attributes = isal_zlib.crc32(repr(looks).encode())
    pixels = 0
    for box in (box for film in session.film_boxes for box in film.image_boxes):
        if box.image is not None:
            pixels = _crc_of(folder, box.image.pixels, pixels)
    return f"{attributes:08x}{pixels:08x}"


def _looks(film: FilmBox) -> FilmBox:
    """A film without what differs each time it is sent: the names of its files."""
    boxes = tuple(
        replace(box, image=replace(box.image, pixels=_NOWHERE)) if box.image else box for box in film.image_boxes
    )
    return replace(film, image_boxes=boxes, icc_profile=None, sent={})


def _crc_of(folder: Path, pixels: PixelReference, crc: int) -> int:
    with ExitStack() as opened:
        file = opened.enter_context((folder / pixels.file).open("rb"))
        data = opened.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        view = opened.enter_context(memoryview(data))
        return isal_zlib.crc32(opened.enter_context(view[pixels.offset : pixels.offset + pixels.length]), crc)
