"""How long studies are kept: by age and by room; what a job still needs stays, and what was promised stays for ever."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from sqlalchemy import Connection

from appliance.events import process_actor
from appliance.store import ages, discs, files, instances, retrievals, studies
from appliance.store.store import Store
from appliance.studies.removal import purge_study
from appliance.studies.rules import awaited

KEEPER = process_actor("housekeeping")
SHARDS = 256
KEEP_SECONDS = 10.0
PURGE_SECONDS = 60.0
SETTLED_SECONDS = 600.0
"""A file younger than this may be on its way into the index."""

Needed = Callable[[], Collection[str]]
"""Study Instance UIDs that jobs under way need."""

log = logging.getLogger(__name__)


def purge(store: Store, needed: Needed, at: dt.datetime | None = None) -> int:
    """Remove studies unused for their days, and the longest unused ones above the quota; how many."""
    storage = store.settings.storage
    before = (at or ages.moment(store)) - dt.timedelta(days=storage.studies_days)
    count = _purge_unused(store, needed, before, lambda: True)
    return count + _purge_unused(store, needed, None, lambda: _over_quota(store))


def _purge_unused(store: Store, needed: Needed, before: dt.datetime | None, more: Callable[[], bool]) -> int:
    count = 0
    spared: set[str] = set()
    while more():
        with store.database.read() as connection:
            rows = studies.purgeable(connection, before, limit=100 + len(spared))
        spared |= set(needed())
        due = [row for row in rows if row.study_instance_uid not in spared]
        if not due:
            return count
        for row in due:
            if not more():
                return count
            if purge_study(store, row.study_instance_uid, KEEPER, used=row.used):
                count += 1
            else:
                spared.add(row.study_instance_uid)
    return count


def _over_quota(store: Store) -> bool:
    with store.database.read() as connection:
        kept = studies.kept_bytes(connection)
    return kept > store.settings.storage.studies_quota_gib << 30 or not store.has_room()


def sweep_shard(store: Store, shard: int, settled_seconds: float = SETTLED_SECONDS) -> int:
    """Remove the files of one folder below instances/ that no row knows: never acknowledged, or deleted; how many."""
    folder = store.folder.instances / f"{shard % SHARDS:02x}"
    if not folder.is_dir():
        return 0
    limit = store.file_clock() - settled_seconds
    settled = [path for path in folder.iterdir() if _is_settled(path, limit)]
    with store.database.read() as connection:
        lost = _unknown(connection, settled)
    if lost:
        with store.database.write() as connection:  # nobody puts them into the index meanwhile
            lost = _unknown(connection, lost)
            for path in lost:
                files.remove(path)
    if lost:
        log.warning("%s files below instances/%s had no row and were removed", len(lost), folder.name)
    return len(lost)


def _is_settled(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime <= limit
    except FileNotFoundError:  # its study was deleted in this moment
        return False


def _unknown(connection: Connection, paths: list[Path]) -> list[Path]:
    """Those of `paths`, all of one folder, that no row names."""
    names = {f"{path.parent.name}/{path.name}": path for path in paths}
    known = instances.known_paths(connection, list(names))
    return [path for name, path in names.items() if name not in known]


def sweep(store: Store, settled_seconds: float = SETTLED_SECONDS) -> int:
    """The same for every folder."""
    return sum(sweep_shard(store, shard, settled_seconds) for shard in range(SHARDS))


def in_use(store: Store) -> set[str]:
    """Studies that discs on order, retrievals under way, or rules not followed yet need."""
    with store.database.read() as connection:
        needed = discs.studies_in_use(connection) | retrievals.studies_underway(connection)
    return needed | awaited(store)


class Keeper:
    """Keeps house in whichever process holds the lock: purges, and sweeps one folder after the other."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._shard = 0
        self._purged = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        only = self.store.locks.only_one("study-keeping")
        while not stop.wait(KEEP_SECONDS):
            try:
                if only.take():
                    self._round()
            except Exception as error:
                log.error("keeping studies failed: %s", type(error).__name__)
        only.close()

    def _round(self) -> None:
        sweep_shard(self.store, self._shard)
        self._shard += 1
        if not self._purged or time.monotonic() - self._purged > PURGE_SECONDS:
            self._purged = time.monotonic()
            purge(self.store, lambda: in_use(self.store))
