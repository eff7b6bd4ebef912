"""What every verb is given: settings, the data folder, the database."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname

from sqlalchemy.exc import DatabaseError, OperationalError

from appliance.config import Settings, find_config, load_settings
from appliance.errors import ResourceError
from appliance.store import files
from appliance.store.belonging import refuse_strange_folder
from appliance.store.database import Database, sqlite_url
from appliance.store.folder import DataFolder, place_of
from appliance.store.locks import Locks, open_locks
from appliance.store.migrate import migrate
from appliance.store.occupancy import broken_off, refuse_broken_off
from appliance.store.postgresql import words_of
from appliance.store.soundness import damaged, look_again
from appliance.store.tally import Tally
from appliance.words import say


@dataclass(frozen=True)
class Store:
    """One appliance's data."""

    settings: Settings
    folder: DataFolder
    database: Database
    locks: Locks
    tally: Tally = field(default_factory=Tally, compare=False)
    config: Path | None = None  # the settings file that was named

    def has_room(self, wanted: int = 0) -> bool:
        """Whether `wanted` bytes can be taken without touching the reserve."""
        storage = self.settings.storage
        free, total = self.folder.room()
        return free - wanted > max(storage.reserve_mib << 20, int(total * storage.reserve_percent / 100))

    def file_clock(self) -> float:
        """Now, by the clock that dates the files: on a shared folder that is not ours. Raises OSError."""
        if not self.node:
            return time.time()
        probe = files.write_scratch(self.folder.spool / f"probe-{secrets.token_hex(4)}", b"")
        moment = probe.stat().st_mtime
        files.remove(probe)
        return moment

    @property
    def settings_file(self) -> Path | None:
        """Where the next start reads its settings; None: there is no file."""
        return self.config or find_config(self.folder.root)

    @property
    def node(self) -> str:
        """This machine's name among several on one database; empty on one that is alone."""
        return self.folder.node

    def close(self) -> None:
        self.locks.close()
        self.database.close()


def open_store(data: Path, config: Path | None = None, settings: Settings | None = None, *, part: str = "") -> Store:
    """Open a data folder, made and migrated when need be. The caller fills a fresh one (see printing.first_run).

    `part` is what the administrator of a database server sees the connections are for. Raises SettingError,
    DamagedError, ResourceError when the server can't be reached, ConflictError when the folder is another's.
    """
    refuse_broken_off(data)
    settings = settings or load_settings(data, config)
    url = settings.database.url
    folder = DataFolder(place_of(data), _node(settings) if url else "")
    if not url:
        folder.make()  # the database lies in it
    database = Database(url or sqlite_url(folder.database), folder.root, f"{part} of {folder.node}" if url else "")
    try:
        _bring_up(database, folder)
    except DatabaseError as error:
        if not database.is_sqlite:
            raise ResourceError(say("The database can't be brought up: %(why)s", why=words_of(error))) from error
        if isinstance(error, OperationalError):  # a disk that is full or refuses: the rows are as they were
            raise _not_opened(folder, error) from error
        raise damaged(folder.database, str(error.orig)) from error
    refuse_strange_folder(database, folder)
    folder.make()  # where the share is not mounted nothing is made: a part that goes on could write into it
    return Store(settings, folder, database, open_locks(database, folder, folder.node), config=config)


def _bring_up(database: Database, folder: DataFolder) -> None:
    """Migrate; once more where SQLite finds the file malformed, as it does when the disk can't be read for a moment."""
    try:
        migrate(database, folder)
    except DatabaseError as error:
        if not database.is_sqlite or isinstance(error, OperationalError):
            raise
        look_again(database)
        migrate(database, folder)


def _not_opened(folder: DataFolder, error: OperationalError) -> ResourceError:
    return ResourceError(
        say(
            "The database %(path)s can't be opened: %(why)s. See whether its disk is full, read-only or failing, and "
            "who may write there.",
            path=folder.database,
            why=error.orig,
        )
    )


def holds_appliance(data: Path, settings: Settings) -> bool:
    """Whether a folder has an appliance's data, whole or half restored. With a database on a server any folder will do:
    :func:`open_store` sees whether it is the right one.
    """
    if settings.database.url:
        return data.is_dir()
    return DataFolder(data).database.exists() or broken_off(data) is not None


def _node(settings: Settings) -> str:
    """The name that is set, else the host's, in letters, digits and hyphens."""
    host = gethostname().partition(".")[0]
    return settings.node.name or "".join(each if each.isalnum() else "-" for each in host)[:24] or "node"
