"""``appliance restore``: a data folder from a backup, on this or another machine, of this or an older version.

All is unpacked beside, checked against its sums, made durable, and only then moved into place, the database last. What
waited when the backup was made is held: it may have been printed or burned since. Numbers go on far above the old ones.
Settings of the machine itself (/etc) are laid beside, for a person to compare: its names and addresses differ.
Printers and burners that wrote below the old data folder write below the new one.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import json
import secrets
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from appliance.config import Settings
from appliance.errors import ConflictError, DamagedError, NotFoundError, ResourceError, UsageError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import backup as tables
from appliance.store import files, occupancy
from appliance.store.file_locks import FileLocks
from appliance.store.folder import DataFolder, place_of
from appliance.store.store import Store, open_store
from appliance.upkeep import gpg
from appliance.upkeep.backup import ABOUT, DATABASE, FOLDERS, SINGLE_FILES, SUMS, SYSTEM_SETTINGS
from appliance.words import say

GPG_PACKETS = (0x8C, 0xC3)
"""First byte of an OpenPGP file with a passphrase: symmetric-key encrypted session key, old and new format."""
CHUNK = 1 << 20
SCRATCH = "restore-"
RESTORED_SETTINGS = "appliance.toml.restored"


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
    settings: Path | None  # of the machine of the backup; None: it had them in its data folder


def restore(
    path: Path,
    data: Path,
    actor: Actor,
    *,
    passphrase: str = "",
    replace: bool = False,
    once_open: Callable[[], None] = lambda: None,
) -> Restored:
    """Make the data folder `data` from the backup `path`; one that is there is moved aside with `replace`.

    `once_open` is called when the backup is open: root, who alone may read it, becomes who owns the folder.
    Raises ConflictError while a service runs there or when data is there, DamagedError, NotFoundError, ResourceError,
    UsageError.
    """
    if (data / DATABASE).exists() and not replace:
        raise ConflictError(
            say("There is an appliance in %(data)s already: use --replace to move it aside.", data=data)
        )
    if not path.is_file():
        raise NotFoundError(say("There is no backup %(path)s.", path=path))
    with path.open("rb", buffering=0) as file:  # unbuffered: gpg reads the same descriptor
        once_open()
        files.make_folder(data)
        with occupancy.alone(data):
            _refuse_workers(data)
            _sweep(data)
            with _naming_a_full_disk(data):
                return _restore(file, data, actor, passphrase)


@contextmanager
def _naming_a_full_disk(data: Path) -> Iterator[None]:
    """The system says no more than that one is full; the backup may lie on another. Raises ResourceError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ResourceError(say("%(path)s can't be written: %(why)s.", path=data, why=error.strerror)) from error


def _restore(file: IO[bytes], data: Path, actor: Actor, passphrase: str) -> Restored:
    """What is unpacked may go at any moment; from the mark on it must be moved in, now or by the next restore."""
    scratch = files.make_folder(data / f"{SCRATCH}{secrets.token_hex(4)}")
    try:
        sums = _unpack(file, scratch, passphrase)
        about = _about(scratch)
        tables.check(scratch / DATABASE)
        jobs, discs = _settle(scratch, about, data, actor)
        files.sync_tree(scratch)
        files.failpoint("restore.unpacked")
        aside = _aside(data)
        occupancy.mark_broken_off(data, aside)
        files.failpoint("restore.marked")
        moved_to = _move_aside(data, aside)
        files.failpoint("restore.aside")
        _move_in(scratch, data)
        settings = _lay_beside(scratch, data)
        occupancy.clear_broken_off(data)
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
        settings=settings,
    )


def _refuse_workers(data: Path) -> None:
    locks = FileLocks(DataFolder(data).locks)
    if locks.living("films") or locks.living("discs"):
        raise ConflictError(
            say("The service runs on %(data)s: stop it first (systemctl stop appliance.target).", data=data)
        )


def _sweep(data: Path) -> None:
    """What restores that were killed had unpacked."""
    for path in data.glob(f"{SCRATCH}*"):
        files.remove_tree(path)


def _unpack(file: IO[bytes], target: Path, passphrase: str) -> dict[str, str]:
    """Unpack and check every file; their sums. Raises DamagedError."""
    with ExitStack() as stack:
        encrypted = file.read(1)[:1] in [bytes((each,)) for each in GPG_PACKETS]
        file.seek(0)
        if encrypted and not passphrase:
            raise UsageError(
                say(
                    "%(path)s is encrypted: give its passphrase (--decrypt asks for it, --passphrase-file reads it).",
                    path=file.name,
                )
            )
        source: IO[bytes] = stack.enter_context(gpg.decrypting(file, passphrase)) if encrypted else file
        try:
            return _unpack_stream(source, target)
        except (tarfile.TarError, EOFError) as error:
            raise DamagedError(say("%(path)s is no backup, or damaged: %(why)s.", path=file.name, why=error)) from error


def _unpack_stream(source: IO[bytes], target: Path) -> dict[str, str]:
    sums: dict[str, str] = {}
    told: dict[str, str] = {}
    with tarfile.open(fileobj=source, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or not _is_ours(member.name):
                raise DamagedError(say("The backup holds %(name)s, which is nothing of ours.", name=repr(member.name)))
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
        raise DamagedError(
            say(
                "The backup is damaged or cut short at %(wrong)s: use another one.",
                wrong=wrong[0][0] if wrong else SUMS,
            )
        )
    return sums


def _is_ours(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        return False
    return name in (ABOUT, DATABASE, SUMS, SYSTEM_SETTINGS, *SINGLE_FILES) or (len(parts) > 1 and parts[0] in FOLDERS)


def _hashed(content: IO[bytes], digest: Any) -> Iterator[bytes]:
    while data := content.read(CHUNK):
        digest.update(data)
        yield data


def _read_sums(text: str) -> dict[str, str]:
    return {name: each for each, _, name in (line.partition("  ") for line in text.splitlines())}


def _about(folder: Path) -> dict[str, Any]:
    if not (folder / ABOUT).is_file() or not (folder / DATABASE).is_file():
        raise DamagedError(say("The file is no backup of an appliance: its description or database is missing."))
    return dict(json.loads((folder / ABOUT).read_text("utf-8")))


def _aside(data: Path) -> Path:
    """Where what is there goes. A restore killed while it laid things aside is gone on with: they belong together."""
    begun = occupancy.broken_off(data)
    if begun is not None and not any((data / begun.name / name).exists() for name in _there(data)):
        return data / begun.name
    return data / f"before-restore-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _there(data: Path) -> list[str]:
    names = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", *SINGLE_FILES, *FOLDERS, "spool", "uploads")
    return [name for name in names if (data / name).is_file() or _holds_something(data / name)]


def _move_aside(data: Path, aside: Path) -> Path | None:
    """Move what is there into a folder of its own: nothing is thrown away. The database goes first."""
    there = _there(data)
    if not there:
        return None
    files.make_folder(aside)
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


def _lay_beside(scratch: Path, data: Path) -> Path | None:
    """The settings of the other machine, where no part reads them."""
    if not (scratch / SYSTEM_SETTINGS).exists():
        return None
    files.rename(scratch / SYSTEM_SETTINGS, data / RESTORED_SETTINGS)
    return data / RESTORED_SETTINGS


def _settle(folder: Path, about: dict[str, Any], data: Path, actor: Actor) -> tuple[int, int]:
    """Before it is in its place: bring the database to this version, hold what waited, raise the numbers."""
    store = open_store(folder, settings=Settings())
    try:
        detail = {key: about[key] for key in ("made", "host", "version")}
        old, new = about.get("data", ""), place_of(data)
        if old and Path(old) != new:
            with store.database.write("printer", "burner") as connection:
                detail["follow"] = tables.follow(connection, Path(old), new)
        return _hold(store, dt.datetime.fromisoformat(about["made"]), actor, detail)
    finally:
        store.close()


def _hold(store: Store, made: dt.datetime, actor: Actor, detail: dict[str, Any]) -> tuple[int, int]:
    with store.database.write("print", "disc", "printer", "burner") as connection:
        held = tables.hold_restored(connection, made, str(actor))
        tables.raise_numbers(connection)
        record(connection, "backup-restored", actor, object_kind="backup", object_id=made.isoformat(), detail=detail)
    return held


def hold_after_server(store: Store, made: dt.datetime, actor: Actor) -> tuple[int, int]:
    """The database's server has put it back as it was at a moment: what waited then is held; print jobs and discs.

    Raises ConflictError while any machine is at work, UsageError on SQLite.
    """
    if store.database.is_sqlite:
        raise UsageError(say("Here a backup is restored from its file: appliance restore FILE."))
    at_work = [name for kind in ("films", "discs", "retrieve") for name in store.locks.living(kind)]
    if at_work:
        raise ConflictError(say("%(name)s is at work: stop every machine first.", name=at_work[0]))
    return _hold(store, made, actor, {"database": "put back by its server"})
