"""The verbs on print jobs: hold, release, cancel, confirm, reprint, move. Each takes its actor and is audited."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from appliance.errors import ConflictError, NotFoundError
from appliance.events import Actor
from appliance.film.boxes import FilmSession, files_of_session, from_json
from appliance.printing.finding import index_again
from appliance.printing.printers import Printer
from appliance.printing.submission import FILM_JSON, Submission, submit
from appliance.security.audit import record
from appliance.store import files, print_jobs
from appliance.store import job_states as states
from appliance.store.store import Store
from appliance.words import say

COMPOSED = ("film-*.pdf", "film-*.ps", "preview-*.png")
"""What can be made again from what was received."""


def hold(store: Store, job_id: int, actor: Actor) -> None:
    """Keep a waiting job from printing. Raises NotFoundError, ConflictError."""
    _settle(
        store,
        job_id,
        "hold",
        states.HELD,
        actor,
        reasons=[print_jobs.HELD_BY_A_PERSON],
        message=say("Held by a person."),
    )


def release(store: Store, job_id: int, actor: Actor) -> None:
    """Let a held job print; one in doubt is printed again, and marked so. Raises NotFoundError, ConflictError."""
    with store.database.write("print") as connection:
        job = _may(connection, job_id, "release")
        values, reasons = _printed_again(job) if "in-doubt" in job.job_state_reasons else ({}, [])
        _deed(connection, job_id, "release", states.PENDING, actor, reasons=reasons, not_before=None, **values)


def _printed_again(job: print_jobs.Job) -> tuple[dict[str, Any], list[str]]:
    """Columns and reasons that mark a job of which some may be out already: another name, from the first sheet on."""
    return {"again": job.again + 1, "sent_documents": 0}, ["reprinted-after-doubt"]


def cancel(store: Store, job_id: int, actor: Actor) -> None:
    """Never print a job. One that is being sent is stopped where its device allows it, and ends canceled.

    Raises NotFoundError, ConflictError.
    """
    with store.database.write("print") as connection:
        job = _may(connection, job_id, "cancel")
        if job.sending_by is None:
            _deed(connection, job_id, "cancel", states.CANCELED, actor, reasons=["job-canceled-by-user"])
            return
        reasons = ["processing-to-stop-point", "job-canceled-by-user"]
        seen = (job.job_state,)
        print_jobs.settle(connection, job_id, seen, job.job_state, actor=str(actor), reasons=reasons)
        _audit(connection, job_id, "cancel", actor)


def confirm(store: Store, job_id: int, actor: Actor) -> None:
    """A person saw the film of a held job come out: it is done. Raises NotFoundError, ConflictError."""
    with store.database.write("print") as connection:
        job = _may(connection, job_id, "confirm")
        if not may_be_out(job.job_state_reasons, job.attempts):
            raise ConflictError(
                say("Job %(job_id)s was not sent to a printer yet: release it, or cancel it.", job_id=job_id)
            )
        reasons, seen_by = ["job-completed-successfully"], f"seen by {actor.name}"
        _deed(connection, job_id, "confirm", states.COMPLETED, actor, reasons=reasons, evidence=seen_by)


def may_be_out(job_state_reasons: Sequence[str], attempts: int) -> bool:
    """Whether a held job's film can have come out at all."""
    return "in-doubt" in job_state_reasons or attempts > 0


def move(store: Store, job_id: int, printer: Printer, actor: Actor) -> None:
    """Give a waiting job to another printer; it is composed anew for it, and marked where some of it may be out.

    Raises NotFoundError, ConflictError.
    """
    with store.database.write("print") as connection:
        job = _may(connection, job_id, "move")
        if job.printer == printer.name:  # it would print again what is out
            raise ConflictError(
                say(
                    "Job %(job_id)s is for printer %(printer)s already: choose another one.",
                    job_id=job_id,
                    printer=printer.name,
                )
            )
        if job.composing_by is not None:
            raise ConflictError(say("Job %(job_id)s is being composed: try again in a moment.", job_id=job_id))
        print_jobs.change(connection, job_id, printer=printer.name, composed=False, attempts=0, compose_attempts=0)
        index_again(connection, job, printer.name)
        message = say("Moved from %(printer)s to %(printer_2)s.", printer=job.printer, printer_2=printer.name)
        doubted = "in-doubt" in job.job_state_reasons or job.sent_documents
        values, reasons = _printed_again(job) if doubted else ({}, [])
        _deed(
            connection,
            job_id,
            "move",
            states.PENDING,
            actor,
            reasons=reasons,
            message=message,
            not_before=None,
            **values,
        )
    remove_composed(store, job_id)


def reprint(store: Store, job_id: int, actor: Actor, *, printer: Printer, copies: int | None = None) -> int:
    """Print an ended job once more, as a new job from what was received, on any printer; the new number.

    Raises NotFoundError, ConflictError when its files are purged, ResourceError.
    """
    with store.database.read() as connection:
        job = _may(connection, job_id, "reprint")
    source = store.folder.job(job_id)
    purged = ConflictError(
        say("The films of job %(job_id)s are purged: send them again from the modality.", job_id=job_id)
    )
    if job.purged or not (source / FILM_JSON).exists():
        raise purged
    session = read_session(source)
    if copies is not None:
        session = _with_copies(session, copies)
    from pydicom.uid import generate_uid  # the one thing that needs it here: lists and counts open without

    folder = files.make_folder(store.folder.spool / f"reprint-{secrets.token_hex(8)}")
    try:
        if not _link(source, session, folder):
            raise purged  # in this moment
        submission = Submission(
            session=session,
            folder=folder,
            printer=printer,
            print_job_uid=generate_uid(),
            originator=job.originator,
            address=job.originator_address,
            called_ae_title=job.called_ae_title,
            profile=job.profile,
            reprint_of=job_id,
        )

        def audited(connection: Connection, new: int) -> None:
            _audit(connection, job_id, "reprint", actor, new_job=new, printer=printer.name)

        return submit(store, submission, actor, audited)
    finally:
        files.remove_tree(folder)


def get_job(store: Store, job_id: int) -> print_jobs.Job:
    """A job's row. Raises NotFoundError."""
    with store.database.read() as connection:
        return _find(connection, job_id)


def read_session(folder: Path) -> FilmSession:
    """The film session a job's folder keeps."""
    return from_json(json.loads((folder / FILM_JSON).read_text("utf-8")))


def remove_composed(store: Store, job_id: int) -> None:
    """Remove documents and previews of a job; they are composed again when it is its turn."""
    folder = store.folder.job(job_id)
    for pattern in COMPOSED:
        for path in folder.glob(pattern):
            files.remove(path)


def _link(source: Path, session: FilmSession, folder: Path) -> bool:
    """Second names for what a session needs: no bytes are copied. False when some of it is gone."""
    try:
        for name in files_of_session(session):
            files.link(source / name, folder / name)
    except FileNotFoundError:
        return False
    return True


def _with_copies(session: FilmSession, copies: int) -> FilmSession:
    return replace(session, NumberOfCopies=copies)


def _settle(
    store: Store,
    job_id: int,
    verb: str,
    state: str,
    actor: Actor,
    *,
    reasons: list[str],
    message: str = "",
    **values: str,
) -> None:
    with store.database.write("print") as connection:
        _may(connection, job_id, verb)
        _deed(connection, job_id, verb, state, actor, reasons=reasons, message=message, **values)


def _may(connection: Connection, job_id: int, verb: str) -> print_jobs.Job:
    job = _find(connection, job_id)
    if job.job_state not in states.VERBS[verb]:
        raise ConflictError(
            say(
                "Job %(job_id)s is %(job_state)s: %(verb)s is for jobs that are %(verbs)s.",
                job_id=job_id,
                job_state=job.job_state,
                verb=verb,
                verbs=_list(states.VERBS[verb]),
            )
        )
    return job


def _find(connection: Connection, job_id: int) -> print_jobs.Job:
    job = print_jobs.get(connection, job_id)
    if job is None:
        raise NotFoundError(say("There is no print job %(job_id)s.", job_id=job_id))
    return job


def _deed(
    connection: Connection,
    job_id: int,
    verb: str,
    state: str,
    actor: Actor,
    *,
    reasons: list[str] | None = None,
    message: str = "",
    **values: object,
) -> None:
    seen = states.VERBS[verb]
    done = print_jobs.settle(
        connection, job_id, seen, state, actor=str(actor), reasons=reasons or [], message=message, **values
    )
    if not done:
        raise ConflictError(say("Job %(job_id)s changed in this moment: look again.", job_id=job_id))
    _audit(connection, job_id, verb, actor)


def _audit(connection: Connection, job_id: int, verb: str, actor: Actor, **detail: object) -> None:
    record(
        connection,
        f"print-job-{verb}",
        actor,
        object_kind="print-job",
        object_id=str(job_id),
        detail=detail,
    )


def _list(names: tuple[str, ...]) -> str:
    return " or ".join(names)
