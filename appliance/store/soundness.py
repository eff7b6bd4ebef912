"""Whether the database is as it was written."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from appliance.errors import DamagedError
from appliance.store.database import Database
from appliance.store.tables.ground import change
from appliance.words import say

LOOK_AGAIN_SECONDS = 2.0


def refuse_damaged(database: Database, path: Path) -> None:
    """Raise DamagedError, with what to do next, when the database at `path` is not as it was written.

    Twice: of a disk that can't be read for a moment SQLite says the same, and after that nothing starts again.
    """
    found = damage(database)
    if found:
        look_again(database)
        found = damage(database)
    if found:
        raise damaged(path, found[0])


def look_again(database: Database) -> None:
    """Wait for the disk, and forget what connections have read of it."""
    time.sleep(LOOK_AGAIN_SECONDS)
    database.close()


def damaged(path: Path, words: str) -> DamagedError:
    """What a person is told of a damaged database."""
    return DamagedError(
        say(
            "The database %(path)s is damaged (%(why)s): no work is taken. Set it aside and "
            "restore a backup (appliance restore FILE). What was received lies safe in the data "
            "folder, under jobs/ and instances/.",
            path=path,
            why=next((line for line in words.splitlines() if not line.startswith("***")), words),
        )
    )


def damage(database: Database) -> list[str]:
    """What SQLite finds wrong in its whole file, in its words; on PostgreSQL only whether it answers."""
    try:
        with database.read() as connection:
            if not database.is_sqlite:
                connection.execute(select(change).limit(1)).all()
                return []
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(10)")]
    except DatabaseError as error:
        return [str(error.orig)]
    return [] if found == ["ok"] else found
