"""A claim is held by a lock that dies with its holder: one locked file a worker process.

A row says which worker claimed it; whether that worker lives is asked of the kernel, not of a heartbeat.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import IO


class WorkerLock:
    """The lock of this process; its `name` stands in the rows it claims."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.name = f"{kind}-{os.getpid()}-{secrets.token_hex(4)}"
        self.path = folder / self.name
        self._file: IO[str] = self.path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        self._file.close()


class OnlyOne:
    """The right to do what one process of all may do at a time, held until it is closed or its process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        return self._file is not None

    def take(self) -> bool:
        """True when it is ours, now or already."""
        if self._file is None:
            file = self._path.open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._file = file
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def is_alive(folder: Path, name: str) -> bool:
    """Whether the worker of that name still holds its lock."""
    try:
        with (folder / name).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def dead(folder: Path, names: Iterable[str]) -> list[str]:
    """Those of `names` whose lock nobody holds."""
    return [name for name in names if not is_alive(folder, name)]


def sweep(folder: Path, kinds: tuple[str, ...]) -> None:
    """Remove lock files whose worker is gone."""
    for path in folder.iterdir():
        if path.name.startswith(tuple(f"{kind}-" for kind in kinds)) and not is_alive(folder, path.name):
            path.unlink(missing_ok=True)
