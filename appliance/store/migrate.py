"""Bring the database to this version: forward only, in one transaction, and on SQLite on a copy first."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from appliance.errors import ApplianceError, DamagedError
from appliance.store import files
from appliance.store.backup import snapshot
from appliance.store.database import Database, sqlite_url
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
        files.failpoint("migrate.start")
        if current is None:  # a fresh one
            _upgrade(database)
        else:
            _upgrade_old(database, folder, current)
        files.failpoint("migrate.done")


def _upgrade_old(database: Database, folder: DataFolder, current: str) -> None:
    """Go on from an older version, with words when it can't be done."""
    try:
        if database.is_sqlite:
            _try_on_copy(database, folder)
            files.failpoint("migrate.tried")
        _upgrade(database)
    except ApplianceError:
        raise
    except Exception as error:  # whatever a migration stumbles over
        raise DamagedError(
            say(
                "The database can't be brought from revision %(current)s to %(head)s: %(why)s. It was left as it was. "
                "Make room if the disk is full; else install the version before, and send its makers this line.",
                current=current,
                head=head(),
                why=_words(error),
            )
        ) from error


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"


def _try_on_copy(database: Database, folder: DataFolder) -> None:
    """The same on a copy of the file; raises what it raises there."""
    scratch = files.make_folder(folder.spool / f"migration-{secrets.token_hex(4)}")
    try:
        snapshot(database, scratch / folder.database.name)
        copy = Database(sqlite_url(scratch / folder.database.name))
        try:
            _upgrade(copy)
        finally:
            copy.close()
    finally:
        files.remove_tree(scratch)


def _upgrade(database: Database) -> None:
    """All that is missing, in one transaction."""
    writing = database.engine.execution_options(appliance_write=True)
    with writing.connect() as connection, _loose_references(connection), connection.begin():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _refuse_broken_references(connection)
        files.operation("commit", "migration")


@contextmanager
def _loose_references(connection: Connection) -> Iterator[None]:
    """SQLite alters a table by making it anew: with references held, the old one would take its children's rows along.

    The setting is deaf inside a transaction.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.cursor()
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")
        driver.close()


def _refuse_broken_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise DamagedError(
                say(
                    "A migration left rows of %(broken)s that refer to nothing in %(broken_2)s.",
                    broken=broken[0],
                    broken_2=broken[2],
                )
            )


def head() -> str:
    """The newest revision this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _current(database: Database) -> str | None:
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _refuse_newer(current: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current is not None and current not in known:
        raise DamagedError(
            say(
                "The database is of a newer version (revision %(current)s) than this program. Install "
                "that version, or restore a backup.",
                current=current,
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
