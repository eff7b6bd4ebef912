"""Bring the database to this version: forward only, in one transaction, and on SQLite on a copy first."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import inspect, text

from appliance.errors import DamagedError
from appliance.store import files
from appliance.store.database import Database
from appliance.store.folder import DataFolder
from appliance.words import say

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, folder: DataFolder) -> None:
    """Run the migrations that are missing; one process at a time.

    A failed one leaves the database as it was: DamagedError, for starting again mends nothing.
    """
    with _alone(database, folder):
        database.prepare()
        current = _current(database)
        if current == head():
            return
        _refuse_newer(current)
        if current is None:
            _refuse_full(folder)
        from appliance.store.upgrade import upgrade, upgrade_old  # Alembic takes its time to load, and is needed once

        files.failpoint("migrate.start")
        if current is None:  # a fresh one
            upgrade(database, MIGRATIONS)
        else:
            upgrade_old(database, folder, MIGRATIONS, current, head())
        files.failpoint("migrate.done")


def head() -> str:
    """The newest revision this program knows."""
    return max(_known(), default="")


def _known() -> list[str]:
    """The revisions there are: each has its file's name, which begins with its number."""
    return [path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py")]


def _current(database: Database) -> str | None:
    """The revision Alembic noted down; None for a fresh database."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _refuse_newer(current: str | None) -> None:
    if current is not None and current not in _known():
        raise DamagedError(
            say(
                "The database is of a newer version (revision %(current)s) than this program. Install "
                "that version, or restore a backup.",
                current=current,
            )
        )


def _refuse_full(folder: DataFolder) -> None:
    """A new database beside what another one knew: what no row knows would be swept away."""
    if any(folder.jobs.glob("[0-9]*")) or any(folder.instances.glob("*/*")):
        raise DamagedError(
            say(
                "The database is new or missing, but films or studies lie in %(root)s: no work is taken, and nothing is"
                " removed. Put the database back, or restore a backup (appliance restore FILE); to begin anew move"
                " jobs/ and instances/ elsewhere first.",
                root=folder.root,
            )
        )


@contextmanager
def _alone(database: Database, folder: DataFolder) -> Iterator[None]:
    if not database.is_sqlite:  # the server lets one writer in at a time; who comes second finds nothing to do
        yield
        return
    with (folder.locks / "migrate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
