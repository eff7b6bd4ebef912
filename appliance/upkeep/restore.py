"""``appliance restore``: a data folder from a backup, on this or another machine, of this or an older version.

All is unpacked beside, checked against its sums, made durable, and only then moved into place, the database last. What
waited when the backup was made is held: it may have been printed or burned since. Numbers go on far above the old ones.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from appliance.config import Settings
from appliance.errors import ConflictError, DamagedError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.jobs.locks import is_alive
from appliance.security.audit import record
from appliance.store import backup as tables
from appliance.store import files
from appliance.store.folder import DataFolder
from appliance.store.store import open_store
from appliance.upkeep import gpg
from appliance.upkeep.backup import ABOUT, DATABASE, FOLDERS, SINGLE_FILES, SUMS

GPG_PACKETS = (0x8C, 0xC3)
"""First byte of an OpenPGP file with a passphrase: symmetric-key encrypted session key, old and new format."""
CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore did."""

    made: str  # when the backup was
    host: str
    version: str
    files: int
    jobs_held: int
    discs_held: int
    moved_to: Path | None  # where the old data lies


def restore(path: Path, data: Path, actor: Actor, *, passphrase: str = "", replace: bool = False) -> Restored:
    """Make the data folder `data` from the backup `path`; one that is there is moved aside with `replace`.

    Raises ConflictError while a service runs there or when data is there, DamagedError, NotFoundError, UsageError.
    """
    _refuse_running(data)
    if (data / DATABASE).exists() and not replace:
        raise ConflictError(f"There is an appliance in {data} already: use --replace to move it aside.")
    files.make_folder(data)
    scratch = files.make_folder(data / f"restore-{secrets.token_hex(4)}")
    try:
        sums = _unpack(path, scratch, passphrase)
        about = _about(scratch)
        tables.check(scratch / DATABASE)
        jobs, discs = _settle(scratch, about, actor)
        files.sync_tree(scratch)
        files.failpoint("restore.unpacked")
        moved_to = _move_aside(data)
        files.failpoint("restore.aside")
        _move_in(scratch, data)
    finally:
        files.remove_tree(scratch)
    return Restored(
        made=about["made"],
        host=about["host"],
        version=about["version"],
        files=len(sums),
        jobs_held=jobs,
        discs_held=discs,
        moved_to=moved_to,
    )


def _refuse_running(data: Path) -> None:
    locks = DataFolder(data).locks
    names = [each.name for kind in ("films", "discs") for each in locks.glob(f"{kind}-*")] if locks.is_dir() else []
    if any(is_alive(locks, name) for name in names):
        raise ConflictError(f"The service runs on {data}: stop it first (systemctl stop appliance.target).")


def _unpack(path: Path, target: Path, passphrase: str) -> dict[str, str]:
    """Unpack and check every file; their sums. Raises DamagedError."""
    if not path.is_file():
        raise NotFoundError(f"There is no backup {path}.")
    with path.open("rb", buffering=0) as file, ExitStack() as stack:  # unbuffered: gpg reads the same descriptor
        encrypted = file.read(1)[:1] in [bytes((each,)) for each in GPG_PACKETS]
        file.seek(0)
        if encrypted and not passphrase:
            raise UsageError(f"{path} is encrypted: give its passphrase.")
        source: IO[bytes] = stack.enter_context(gpg.decrypting(file, passphrase)) if encrypted else file
        try:
            return _unpack_stream(source, target)
        except (tarfile.TarError, EOFError) as error:
            raise DamagedError(f"{path} is no backup, or damaged: {error}.") from error


def _unpack_stream(source: IO[bytes], target: Path) -> dict[str, str]:
    sums: dict[str, str] = {}
    told: dict[str, str] = {}
    with tarfile.open(fileobj=source, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or not _is_ours(member.name):
                raise DamagedError(f"The backup holds {member.name!r}, which is nothing of ours.")
            if member.name == SUMS:
                told = _read_sums(content.read().decode())
                continue
            place = target / member.name
            files.make_folder(place.parent)
            digest = hashlib.sha256()
            files.write_scratch(place, _hashed(content, digest))
            sums[member.name] = digest.hexdigest()
    if not told or sums != told:
        wrong = sorted(set(sums.items()) ^ set(told.items()))
        raise DamagedError(f"The backup is damaged or cut short at {wrong[0][0] if wrong else SUMS}: use another one.")
    return sums


def _is_ours(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        return False
    return name in (ABOUT, DATABASE, SUMS, *SINGLE_FILES) or (len(parts) > 1 and parts[0] in FOLDERS)


def _hashed(content: IO[bytes], digest: Any) -> Iterator[bytes]:
    while data := content.read(CHUNK):
        digest.update(data)
        yield data


def _read_sums(text: str) -> dict[str, str]:
    return {name: each for each, _, name in (line.partition("  ") for line in text.splitlines())}


def _about(folder: Path) -> dict[str, Any]:
    if not (folder / ABOUT).is_file() or not (folder / DATABASE).is_file():
        raise DamagedError("The file is no backup of an appliance: its description or database is missing.")
    return dict(json.loads((folder / ABOUT).read_text("utf-8")))


def _move_aside(data: Path) -> Path | None:
    """Move what is there into a folder of its own: nothing is thrown away. The database goes first."""
    names = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", *SINGLE_FILES, *FOLDERS, "spool")
    there = [name for name in names if (data / name).is_file() or _holds_something(data / name)]
    if not there:
        return None
    aside = files.make_folder(data / f"before-restore-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}")
    for name in there:
        files.rename(data / name, aside / name)
    return aside


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _move_in(scratch: Path, data: Path) -> None:
    """The database last: until then the folder is an empty one."""
    for name in (*SINGLE_FILES, *FOLDERS, DATABASE):
        if (scratch / name).exists():
            if (data / name).is_dir():
                (data / name).rmdir()  # an empty one of a fresh folder; else OSError, and nothing is lost
            files.rename(scratch / name, data / name)
            files.failpoint("restore.moved")


def _settle(folder: Path, about: dict[str, Any], actor: Actor) -> tuple[int, int]:
    """Before it is in its place: bring the database to this version, hold what waited, raise the numbers."""
    store = open_store(folder, settings=Settings())
    try:
        with store.database.write("print", "disc", "printer", "burner") as connection:
            held = tables.hold_restored(connection, dt.datetime.fromisoformat(about["made"]), str(actor))
            tables.raise_numbers(connection)
            detail = {key: about[key] for key in ("made", "host", "version")}
            record(connection, "backup-restored", actor, object_kind="backup", object_id=about["made"], detail=detail)
        return held
    finally:
        store.close()
