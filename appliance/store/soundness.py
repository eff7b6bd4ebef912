"""Whether the database is as it was written."""

from __future__ import annotations

from sqlalchemy import select

from appliance.store.database import Database
from appliance.store.tables.ground import change


def damage(database: Database) -> list[str]:
    """What SQLite finds wrong in its whole file, in its words; on PostgreSQL only whether it answers."""
    with database.read() as connection:
        if not database.is_sqlite:
            connection.execute(select(change).limit(1)).all()
            return []
        found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(10)")]
    return [] if found == ["ok"] else found
