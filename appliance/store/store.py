"""What every verb is given: settings, the data folder, the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from appliance.config import Settings, load_settings
from appliance.store.database import Database, sqlite_url
from appliance.store.folder import DataFolder
from appliance.store.migrate import migrate
from appliance.store.soundness import damaged
from appliance.store.tally import Tally


@dataclass(frozen=True)
class Store:
    """One appliance's data."""

    settings: Settings
    folder: DataFolder
    database: Database
    tally: Tally = field(default_factory=Tally, compare=False)

    def has_room(self, wanted: int = 0) -> bool:
        """Whether `wanted` bytes can be taken without touching the reserve."""
        storage = self.settings.storage
        reserve = max(storage.reserve_mib << 20, int(self.folder.total_bytes() * storage.reserve_percent / 100))
        return self.folder.free_bytes() - wanted > reserve

    def close(self) -> None:
        self.database.close()


def open_store(data: Path, config: Path | None = None, settings: Settings | None = None) -> Store:
    """Open a data folder, made and migrated when need be. The caller fills a fresh one (see printing.first_run)."""
    settings = settings or load_settings(data, config)
    folder = DataFolder(data.absolute())
    folder.make()
    database = Database(settings.database.url or sqlite_url(folder.database))
    try:
        migrate(database, folder)
    except DatabaseError as error:
        raise damaged(folder.database, str(error.orig)) from error
    return Store(settings, folder, database)
