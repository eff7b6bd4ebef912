"""A database on a server and the folder its files lie in: the two must be of one appliance.

A share that is not mounted looks like an empty folder. Films would be missing then, not late; so both bear one mark.
"""

from __future__ import annotations

import secrets as random

from appliance.errors import ConflictError
from appliance.store import files, secrets
from appliance.store.database import Database
from appliance.store.folder import DataFolder
from appliance.words import say

MARK = "appliance-id"
"""Name of the mark, in the folder and among the database's secrets."""


def refuse_strange_folder(database: Database, folder: DataFolder) -> None:
    """Raise ConflictError when the folder is not the database's; mark both when they are new. Nothing on SQLite."""
    if database.is_sqlite:
        return
    with database.read() as connection:
        known = secrets.get(connection, MARK)
    if known is None:
        known = _mark(database, folder)
    if _read(folder) != known:
        raise ConflictError(
            say(
                "The folder %(root)s is not the one this database belongs to: see that the share is "
                "mounted. When it is the right one, restored: write %(known)s into %(root_2)s.",
                root=folder.root,
                known=known,
                root_2=folder.root / MARK,
            )
        )


def _mark(database: Database, folder: DataFolder) -> str:
    """The mark of a new appliance, the folder's own when it has one."""
    with database.write() as connection:
        known = secrets.get(connection, MARK)
        if known is None:
            known = _read(folder) or random.token_hex(8)
            files.write_file(folder.root / MARK, known.encode())
            secrets.put(connection, MARK, known)
    return known


def _read(folder: DataFolder) -> str:
    try:
        return (folder.root / MARK).read_text("ascii").strip()
    except FileNotFoundError:
        return ""
