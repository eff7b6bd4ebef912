"""Locks on one machine: one locked file a worker process, which the kernel lets go when the process ends.

A file that somebody removed (a tidy person, a script) locks nothing out any more: its lock is lost, and taken anew.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import IO


class FileLocks:
    """Locks as files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()

    def hold(self, kind: str) -> FileWorkerLock:
        lock = FileWorkerLock(self._folder, kind, self._names)
        self._names.add(lock.name)
        return lock

    def only_one(self, name: str) -> FileOnlyOne:
        return FileOnlyOne(self._folder / name)

    def holds(self, name: str) -> bool:
        return name in self._names and (self._folder / name).exists()

    def dead(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self._names and not self._is_alive(name)]

    def living(self, kind: str) -> list[str]:
        names = [path.name for path in self._folder.glob(f"{kind}-*")] if self._folder.is_dir() else []
        return [name for name in names if self._is_alive(name)]

    def sweep(self, kinds: tuple[str, ...]) -> None:
        for path in self._folder.iterdir():
            if path.name.startswith(tuple(f"{kind}-" for kind in kinds)) and not self._is_alive(path.name):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """They are closed one by one, or with the process."""

    def _is_alive(self, name: str) -> bool:
        try:
            with (self._folder / name).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


class FileWorkerLock:
    """One worker's locked file. It gets its name when it is locked: one that is not is a dead worker's, and swept."""

    def __init__(self, folder: Path, kind: str, names: set[str]) -> None:
        self.name = f"{kind}-{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self.path = folder / self.name
        self._names = names
        unnamed = folder / f".{self.name}"
        self._file: IO[str] = unnamed.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(self.path)

    def is_held(self) -> bool:
        return self.path.exists()

    def release(self) -> None:
        self._names.discard(self.name)
        self.path.unlink(missing_ok=True)
        self._file.close()


class FileOnlyOne:
    """A file that one process locks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    @property
    def held(self) -> bool:
        try:
            return self._file is not None and os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def take(self) -> bool:
        if not self.held:
            self.close()
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
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
