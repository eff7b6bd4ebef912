"""The database as a file of its own, while others write to it; and what a restored one must not do by itself."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from appliance.errors import DamagedError, ResourceError, UsageError
from appliance.folders import SCHEMES, folder_uri, path_of
from appliance.store import discs, job_states, print_jobs, secrets, sessions, uploads
from appliance.store.database import Database
from appliance.store.tables import metadata
from appliance.store.tables.ground import number
from appliance.store.tables.media import burner, disc
from appliance.store.tables.printing import print_job, printer
from appliance.words import Words, row, say

SETTINGS = (
    "change",
    "number",
    "printer",
    "print_profile",
    "burner",
    "copy_type",
    "peer",
    "user",
    "token",
    "audit",
    "secret",
)
"""Tables of a backup without jobs, studies and discs."""
NUMBER_STEP = 100_000
"""Restored numbers go on from the next such step: names of files already printed or burned never come again."""


def snapshot(database: Database, path: Path, *, settings_only: bool = False) -> None:
    """Copy the database as it is in one moment into the file `path`. Raises UsageError on PostgreSQL, ResourceError,
    DamagedError when the database itself is not as it was written.
    """
    if not database.is_sqlite:
        raise UsageError(say("The database is on PostgreSQL: back it up there with pg_dump."))
    try:
        _copy(database, path, settings_only=settings_only)
    except sqlite3.DatabaseError as error:
        of_the_disk = isinstance(error, sqlite3.OperationalError)  # SQLite's own word for one that is full or refuses
        words = say("The database can't be copied to %(path)s: %(why)s.", path=path, why=error)
        raise (ResourceError if of_the_disk else DamagedError)(words) from error


def _copy(database: Database, path: Path, *, settings_only: bool) -> None:
    source = sqlite3.connect(database.engine.url.database or "")
    target = sqlite3.connect(path)
    with contextlib.closing(source), contextlib.closing(target):
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
        if settings_only:
            _empty(target)


def _empty(target: sqlite3.Connection) -> None:
    for name in metadata.tables:
        if name not in SETTINGS:
            target.execute(f'DELETE FROM "{name}"')  # names are our own
    target.commit()
    target.execute("VACUUM")


def check(path: Path) -> None:
    """Raise DamagedError unless the file is a whole database."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise DamagedError(say("The database in the backup is damaged: %(found)s.", found=found))


def hold_restored(connection: Connection, made: dt.datetime, actor: str) -> tuple[int, int]:
    """Hold what waited when the backup was made: it may have been done since. How many print jobs and discs.

    Imports under way end: uploaded files are in no backup, and one that is gone passes for one that was imported. So do
    sessions of the page: somebody may have logged out since, or been put out.
    """
    said = restored_words(made)
    secrets.put(connection, secrets.RESTORED, made.isoformat())  # discs that rules are still to order: see media.ruled
    jobs = _hold_jobs(connection, actor, said)
    sessions.remove_all(connection)
    uploads.abort_all(connection, say("The uploaded files are gone: upload them again."))
    return jobs, _hold_discs(connection, said)


def restored_words(made: dt.datetime) -> Words:
    return say(
        "Restored from the backup of %(made)s UTC: it may have been done since. Release or cancel it.",
        made=f"{made:%Y-%m-%d %H:%M}",
    )


def restored_from(connection: Connection) -> dt.datetime | None:
    """When the backup was made that was restored last; None: none was."""
    made = secrets.get(connection, secrets.RESTORED)
    return dt.datetime.fromisoformat(made) if made else None


def _hold_jobs(connection: Connection, actor: str, said: str) -> int:
    """All of them are in doubt: what is released prints with a mark, for it may be a second time."""
    waiting = [state for state in job_states.JOB_STATES if state not in job_states.FINAL]
    jobs = list(connection.scalars(select(print_job.c.job_id).where(print_job.c.job_state.in_(waiting))))
    fresh = {
        "composing_by": None,
        "sending_by": None,
        "send_started": False,
        "composed": False,
        "not_before": None,
    }
    reasons = ["in-doubt", "restored"]
    for job_id in jobs:
        print_jobs.settle(
            connection, job_id, waiting, job_states.HELD, actor=actor, reasons=reasons, message=said, **fresh
        )
    return len(jobs)


def _hold_discs(connection: Connection, said: str) -> int:
    """What a person has to decide or to look at stays said beside it."""
    waiting = list(connection.execute(select(disc).where(disc.c.execution_status.not_in(discs.FINAL))))
    for each in waiting:
        message = row((each.message, said), " ") if each.held and each.message else said
        reasons = [*each.reasons, "restored"]
        values: dict[str, Any] = {"held": True, "building_by": None, "burning_by": None}
        discs.change(connection, each.disc_id, reasons=reasons, message=message, **values)
    return len(waiting)


def follow(connection: Connection, old: Path, new: Path) -> list[str]:
    """Let printers and burners that write below the data folder `old` write below `new`; their names."""
    moved = []
    for table, uri in ((printer, printer.c.device_uri), (burner, burner.c.burner_uri)):
        for name, address in connection.execute(select(table.c.name, uri)).all():
            scheme = address.partition(":")[0].lower()
            path = path_of(address) if scheme in SCHEMES else None
            if path is not None and path.is_relative_to(old):
                there = folder_uri(new / path.relative_to(old), scheme)
                connection.execute(update(table).where(table.c.name == name).values({uri: there}))
                moved.append(name)
    return moved


def raise_numbers(connection: Connection) -> None:
    """Go on with numbers that the machine of the backup can't have given out since."""
    connection.execute(update(number).values(last=(number.c.last // NUMBER_STEP + 1) * NUMBER_STEP))
