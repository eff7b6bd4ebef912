"""A database on a server and the folder its files lie in: the two must be of one appliance.

A share that is not mounted looks like an empty folder. Films would be missing then, not late; so both bear one mark.
One that goes away under a running part leaves the empty folder beneath it: what came would lie in there, and what lies
in the share would be said to be gone. So nothing is written into the database without a look at the folder.
"""

from __future__ import annotations

import errno
import os
import secrets as random
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ConflictError, ResourceError
from appliance.store import files, secrets
from appliance.store.database import Database
from appliance.store.folder import DataFolder
from appliance.words import say

MARK = "appliance-id"
"""Name of the mark, in the folder and among the database's secrets."""


@dataclass
class Belonging:
    """The folder that bears a database's mark, as long as it is there."""

    folder: DataFolder
    mark: str
    _place: tuple[int, int] | None = None  # device and number of the folder that bore it at the last look

    def refuse_strange(self) -> None:
        """Raise ResourceError when another folder, or none that can be read, is where ours should be."""
        root = self.folder.root
        try:
            place = _place(root)
            if place == self._place is not None:
                return
            mark = _read(self.folder)
        except OSError as error:
            raise _unwritable(root, error.errno) from error
        if mark != self.mark:
            raise ResourceError(
                say(
                    "The folder %(root)s is not the one this database belongs to: see that the share is "
                    "mounted. When it is the right one, restored: write %(known)s into %(root_2)s.",
                    root=root,
                    known=self.mark,
                    root_2=root / MARK,
                )
            )
        self._place = place

    def refuse_away(self) -> None:
        """The same, and also when it can only be read here: another machine may be able to write into it."""
        self.refuse_strange()
        root = self.folder.root
        if os.statvfs(root).f_flag & os.ST_RDONLY:
            raise _unwritable(root, errno.EROFS)


def _unwritable(root: Path, number: int | None) -> ResourceError:
    return ResourceError(say("%(root)s can't be written to: %(why)s.", root=root, why=os.strerror(number or 0)))


def refuse_strange_folder(database: Database, folder: DataFolder) -> None:
    """Raise ConflictError when the folder is not the database's; mark both when they are new. Nothing on SQLite.

    From then on the database refuses to be written without it.
    """
    if database.is_sqlite:
        return
    with database.read() as connection:
        known = secrets.get(connection, MARK)
    belonging = Belonging(folder, known or _mark(database, folder))
    try:
        belonging.refuse_away()
    except ResourceError as error:
        raise ConflictError(*error.args) from error
    database.before_writing = belonging.refuse_strange
    database.before_working = belonging.refuse_away


def _mark(database: Database, folder: DataFolder) -> str:
    """The mark of a new appliance, the folder's own when it has one."""
    with database.write() as connection:
        known = secrets.get(connection, MARK)
        if known is None:
            known = _read(folder) or random.token_hex(8)
            files.make_folder(folder.root)
            files.write_file(folder.root / MARK, known.encode())
            secrets.put(connection, MARK, known)
    return known


def _place(root: Path) -> tuple[int, int] | None:
    """Device and number of a folder; None: it is not there."""
    try:
        found = root.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _read(folder: DataFolder) -> str:
    try:
        return (folder.root / MARK).read_text("ascii").strip()
    except FileNotFoundError:
        return ""
