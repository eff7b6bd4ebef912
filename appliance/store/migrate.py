"""Bring the database to this version: forward only, on SQLite with a copy kept until it is done."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from appliance.errors import DamagedError
from appliance.store import files
from appliance.store.database import Database
from appliance.store.folder import DataFolder

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, folder: DataFolder) -> None:
    """Run the migrations that are missing; one process at a time. A failed one leaves the database as it was."""
    with _alone(folder):
        database.prepare()
        current = _current(database)
        if current == head():
            return
        _refuse_newer(current)
        files.failpoint("migrate.start")
        with database.engine.connect().execution_options(appliance_write=True) as connection, connection.begin():
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            files.operation("commit", "migration")
        files.failpoint("migrate.done")


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
            f"The database is of a newer version (revision {current}) than this program. "
            "Install that version, or restore a backup."
        )


@contextmanager
def _alone(folder: DataFolder) -> Iterator[None]:
    with (folder.locks / "migrate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
