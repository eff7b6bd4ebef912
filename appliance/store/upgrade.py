"""The steps from an older version of the database to this one, by Alembic: on SQLite on a copy first."""

from __future__ import annotations

import errno
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from appliance.errors import DamagedError, ResourceError
from appliance.store import files
from appliance.store.backup import snapshot
from appliance.store.database import Database, sqlite_url
from appliance.store.folder import DataFolder
from appliance.words import say

_OF_THE_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE}


def upgrade_old(database: Database, folder: DataFolder, migrations: Path, current: str, head: str) -> None:
    """Go on from an older version. Raises ResourceError when it can be done later, DamagedError when it can't."""
    try:
        if database.is_sqlite:
            _try_on_copy(database, folder, migrations)
            files.failpoint("migrate.tried")
        upgrade(database, migrations)
    except DamagedError:
        raise
    except Exception as error:  # whatever a migration stumbles over
        if _may_pass(error):
            raise ResourceError(
                say(
                    "The database can't be brought from revision %(current)s to %(head)s now: %(why)s. It was left as "
                    "it was. See whether its disk is full, read-only or failing.",
                    current=current,
                    head=head,
                    why=_words(error),
                )
            ) from error
        raise DamagedError(
            say(
                "The database can't be brought from revision %(current)s to %(head)s: %(why)s. It was left as it was. "
                "Install the version before, and send its makers this line.",
                current=current,
                head=head,
                why=_words(error),
            )
        ) from error


def _may_pass(error: BaseException) -> bool:
    """Whether the disk or the machine is at fault, and not the migration: nobody need go back for it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode & 0xFF in _OF_THE_DISK
    return isinstance(error, ResourceError) or (isinstance(error, OSError) and error.errno in _OF_THE_MACHINE)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"


def _try_on_copy(database: Database, folder: DataFolder, migrations: Path) -> None:
    """The same on a copy of the file; raises what it raises there."""
    scratch = files.make_folder(folder.spool / f"migration-{secrets.token_hex(4)}")
    try:
        snapshot(database, scratch / folder.database.name)
        copy = Database(sqlite_url(scratch / folder.database.name))
        try:
            upgrade(copy, migrations)
        finally:
            copy.close()
    finally:
        files.remove_tree(scratch)


def upgrade(database: Database, migrations: Path) -> None:
    """All that is missing, in one transaction."""
    writing = database.engine.execution_options(appliance_write=True)
    with writing.connect() as connection, _loose_references(connection), connection.begin():
        config = config_of(migrations)
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


def config_of(migrations: Path) -> Config:
    """Alembic's settings for a folder of migrations."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))  # as configparser wants it
    return config
