"""Who may do what one may do at a time. A claim is held by a lock that dies with its holder.

A row says which worker claimed it; whether that worker lives is asked of whoever keeps the locks: the kernel on one
machine (file_locks), the database's server for several (server_locks). Never of a heartbeat somebody wrote down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from appliance.store.database import Database
from appliance.store.file_locks import FileLocks
from appliance.store.folder import DataFolder
from appliance.store.server_locks import ServerLocks


class WorkerLock(Protocol):
    """The lock of one worker; its `name` stands in the rows it claims."""

    @property
    def name(self) -> str: ...

    def is_held(self) -> bool:
        """False when nobody may rely on it: what it claimed may become another's any moment."""

    def release(self) -> None: ...


class OnlyOne(Protocol):
    """The right to do what one process of all may do at a time, held until it is closed or its process ends."""

    @property
    def held(self) -> bool: ...

    def take(self) -> bool:
        """True when it is ours, now or already."""

    def close(self) -> None: ...


class Locks(Protocol):
    """All locks of one appliance, on one machine or several."""

    def hold(self, kind: str) -> WorkerLock:
        """A new lock for a worker of this kind (films, discs, retrieve …). Raises ResourceError."""

    def only_one(self, name: str) -> OnlyOne:
        """The right of that name, not taken yet."""

    def holds(self, name: str) -> bool:
        """Whether a worker of this process still holds that lock for certain. Asks nobody, and is quick."""

    def dead(self, names: Iterable[str]) -> list[str]:
        """Those of `names` whose holder is gone, and surely drives nothing any more. Raises ResourceError."""

    def living(self, kind: str) -> list[str]:
        """Names of the workers of a kind that are at work, on whichever machine. Raises ResourceError."""

    def sweep(self, kinds: tuple[str, ...]) -> None:
        """Remove what dead workers left of their locks."""

    def close(self) -> None:
        """Give up all that is held."""


def machine_of(worker: str) -> str:
    """The machine of a worker, by its lock's name (KIND-MACHINE-PID-HEX); "" where there is but one machine."""
    return "-".join(worker.split("-")[1:-2])


def machines_at_work(locks: Locks, kind: str) -> Counter[str]:
    """How many workers of a kind each machine has at work, by its name. Raises ResourceError."""
    return Counter(name.removeprefix(f"{kind}-").rpartition("-")[0] for name in locks.living(kind))


def works_on(locks: Locks, worker: str) -> bool:
    """Whether the process of a worker whose lock is gone works under another one: the database was away for a while."""
    return any(worker.startswith(f"{name}-") for name in locks.living(worker.partition("-")[0]))


def open_locks(database: Database, folder: DataFolder, node: str) -> Locks:
    """The locks that go with a database."""
    return FileLocks(folder.locks) if database.is_sqlite else ServerLocks(database.engine.url, node, folder.root)
