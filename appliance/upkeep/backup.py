"""``appliance backup``: the data folder in one file, while the service runs.

A tar archive: backup.json (what it is), appliance.db (one moment of the database), this machine's settings, the files
its rows name, and last SHA256SUMS. The database comes first: files lie in their place before their row is written and
never change afterwards, so every row of that moment finds its file, unless it was purged in between.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import socket
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

from appliance.errors import ResourceError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import backup as tables
from appliance.store import files
from appliance.store.migrate import head
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep import gpg, kept
from appliance.words import say

ABOUT, DATABASE, SUMS = "backup.json", "appliance.db", "SHA256SUMS"
SETTINGS_FOLDERS = ("tls", "layouts", "templates")
FOLDERS = (*SETTINGS_FOLDERS, "jobs", "instances", "discs")
"""Below the data folder. Not in a backup: spool, locks, logs, quarantine, and what was printed and burned."""
SINGLE_FILES = ("appliance.toml",)
SYSTEM_SETTINGS = "etc/appliance.toml"
"""Settings that lie outside the data folder: on another machine they are for a person to compare, names differ."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a backup says of itself."""

    version: str  # of the program
    revision: str  # of the database
    made: str  # UTC
    host: str
    data: str = ""  # the data folder; "": one made before it was told
    settings_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Made:
    """A backup that was made."""

    path: Path
    bytes: int
    files: int
    vanished: int  # purged or removed while it was made


def make_backup(store: Store, path: Path, actor: Actor, *, passphrase: str = "", settings_only: bool = False) -> Made:
    """Write a backup to `path`, whole or not at all. Raises UsageError on PostgreSQL, ResourceError."""
    try:
        with files.work_folder(store.folder.spool / f"backup-{secrets.token_hex(4)}") as scratch:
            tables.snapshot(store.database, scratch / DATABASE, settings_only=settings_only)
            files.failpoint("backup.snapshot")
            made = _write(store, path, scratch / DATABASE, passphrase, settings_only)
    except OSError as error:
        raise ResourceError(
            say("The backup %(path)s can't be written: %(why)s.", path=path, why=error.strerror or error)
        ) from error
    files.failpoint("backup.written")
    detail = {"bytes": made.bytes, "files": made.files, "encrypted": bool(passphrase), "settings_only": settings_only}
    with store.database.write() as connection:
        record(connection, "backup-made", actor, object_kind="backup", object_id=path.name, detail=detail)
    kept.keep(store, kept.LAST_BACKUP, now().isoformat())
    return made


def _write(store: Store, path: Path, database: Path, passphrase: str, settings_only: bool) -> Made:
    about = About(
        version=metadata.version("appliance"),
        revision=head(),
        made=now().isoformat(timespec="seconds"),
        host=socket.gethostname(),
        data=str(store.folder.root.absolute()),
        settings_only=settings_only,
    )
    with files.PartFile(path.absolute()) as part, ExitStack() as stack:
        plain: IO[bytes] = part.file
        if passphrase:
            plain = stack.enter_context(gpg.encrypting(part.file, passphrase))
        archive = _Archive(plain)
        archive.add_bytes(ABOUT, json.dumps(asdict(about), indent=2).encode())
        archive.add(database, DATABASE)
        for source, name in _members(store, settings_only):
            archive.add(source, name)
            files.failpoint("backup.file")
        archive.close()
        stack.close()
        part.commit()
    return Made(path=path, bytes=path.stat().st_size, files=len(archive.sums), vanished=archive.vanished)


def _members(store: Store, settings_only: bool) -> Iterator[tuple[Path, str]]:
    root, settings = store.folder.root, store.settings_file
    for name in SINGLE_FILES:
        if (root / name).is_file():
            yield root / name, name
    if settings is not None and settings.parent != root and settings.is_file():
        yield settings, SYSTEM_SETTINGS
    for folder in SETTINGS_FOLDERS if settings_only else FOLDERS:
        for path in _walk(root / folder):
            yield path, str(path.relative_to(root))


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, without those on their way. What goes meanwhile is no error."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if not name.endswith(files.PART_SUFFIX))


class _Archive:
    """A tar stream that keeps the hash of each member."""

    def __init__(self, target: IO[bytes]) -> None:
        self.tar = tarfile.open(fileobj=_Counting(target), mode="w", format=tarfile.PAX_FORMAT)  # type: ignore[call-overload]  # noqa: SIM115
        self.sums: dict[str, str] = {}
        self.vanished = 0

    def add(self, source: Path, name: str) -> None:
        try:
            with source.open("rb") as file:
                self._add(name, file, os.fstat(file.fileno()).st_size, os.fstat(file.fileno()).st_mtime)
        except FileNotFoundError:
            self.vanished += 1

    def add_bytes(self, name: str, data: bytes) -> None:
        self._add(name, io.BytesIO(data), len(data), time.time())

    def _add(self, name: str, file: IO[bytes], size: int, mtime: float) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, mtime
        hashing = _Hashing(file)
        self.tar.addfile(member, hashing)  # type: ignore[arg-type]
        self.sums[name] = hashing.sum.hexdigest()

    def close(self) -> None:
        lines = "".join(f"{each}  {name}\n" for name, each in self.sums.items())
        self.add_bytes(SUMS, lines.encode())
        self.tar.close()


class _Counting:
    """A stream that knows where it is, also one into a pipe."""

    def __init__(self, target: IO[bytes]) -> None:
        self.target, self.at = target, 0

    def write(self, data: bytes) -> int:
        self.at += len(data)
        return self.target.write(data)

    def tell(self) -> int:
        return self.at


class _Hashing:
    """Reads a file and keeps its hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sum = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Raises ResourceError that names a file which can't be read: it keeps all others out of the backup."""
        try:
            data = self.file.read(size)
        except OSError as error:
            words = say(
                "%(path)s can't be read (%(why)s), so no backup is made. See to the disk; what is moved out of the "
                "data folder is left out.",
                path=self.file.name,
                why=error.strerror,
            )
            raise ResourceError(words) from error
        self.sum.update(data)
        return data
