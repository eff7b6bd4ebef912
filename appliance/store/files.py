"""Every change the appliance makes to files goes through here.

One place for three things: the order of writes that makes a file durable (part, fsync, rename, fsync of the
folder), a number for each operation, and named failpoints. The fault harness sets ``APPLIANCE_FAULT`` to
``WHERE:WHAT[:SKIP]``: WHERE is an operation number or a failpoint's name, WHAT is one of kill, ENOSPC, EIO, EROFS,
delay (once), SKIP is how often to let it pass first. A recorder (:func:`record_with`) sees each operation, so that
crash states can be enumerated.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

Recorder = Callable[[str, str, str], None]
"""Called with (kind, path, second path or "") before each operation."""

PART_SUFFIX = ".part"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system calls a disk, a quota or a file that is full."""

_lock = threading.Lock()
_count = 0
_passed = 0
_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """Let `recorder` see every operation from now on; None stops it."""
    global _recorder  # noqa: PLW0603
    _recorder = recorder


def failpoint(name: str) -> None:
    """A named step of a protocol, where the fault harness can break in; a recorder sees ("failpoint", name)."""
    if _recorder is not None:
        _recorder("failpoint", name, "")
    if _fault is not None:
        _meet(name)


def operation(kind: str, path: Path | str = "", other: Path | str = "") -> None:
    """Count one file (or database) operation; break here when the harness asks for it."""
    global _count  # noqa: PLW0603
    with _lock:
        _count += 1
        number = _count
    if _recorder is not None:
        _recorder(kind, str(path), str(other))
    if _fault is not None:
        _meet(str(number))


def _parse(text: str) -> tuple[str, str, int] | None:
    if not text:
        return None
    where, what, *skip = text.split(":")
    return where, what, int(skip[0]) if skip else 0


_fault = _parse(os.environ.get("APPLIANCE_FAULT", ""))


def set_fault(text: str) -> None:
    """Set the fault of this process as ``APPLIANCE_FAULT`` would; "" clears it. For tests."""
    global _fault, _count, _passed  # noqa: PLW0603
    _fault, _count, _passed = _parse(text), 0, 0


def _meet(where: str) -> None:
    global _passed  # noqa: PLW0603
    wanted, what, skip = _fault or ("", "", 0)
    if where != wanted:
        return
    with _lock:
        _passed += 1
        if _passed <= skip or (what == "delay" and _passed > skip + 1):
            return
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "delay":
        time.sleep(5)
        return
    number = getattr(errno, what)
    raise OSError(number, f"{os.strerror(number)} (fault at {where})")


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    operation("sync-folder", folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class UnsyncedError(OSError):
    """The disk did not take a file's bytes. The kernel says so once: a second sync of that file would prove nothing."""


def sync_file(path: Path) -> None:
    """Make the bytes of an existing file durable. Raises UnsyncedError: give that file up."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        operation("sync", path)
        os.fsync(descriptor)
    except OSError as error:
        raise UnsyncedError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)  # Python has no name for it
_WRITE = 2
if _sync_file_range is not None:
    _sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]


_making = threading.RLock()


def make_folder(path: Path) -> Path:
    """Create a folder (mode 0700) and those above it, if not there; durable, also where another thread just made it."""
    with _making:  # else one is found whose name is still on its way to the disk
        if not path.is_dir():
            make_folder(path.parent)
            operation("mkdir", path)
            path.mkdir(mode=0o700, exist_ok=True)
            sync_folder(path.parent)
    return path


@contextmanager
def work_folder(path: Path) -> Iterator[Path]:
    """A folder that is there for the block alone. Other processes can tell that somebody works in it."""
    make_folder(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # gone with this process, however that ends
        yield path
    finally:
        os.close(descriptor)
        remove_tree(path)


def is_work_folder(path: Path) -> bool:
    """Whether some process works in it now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def rename(source: Path, target: Path) -> None:
    """Rename within one file system and make both folders durable. An existing file is replaced."""
    operation("rename", source, target)
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def move(source: Path, target: Path) -> None:
    """Rename within one file system. Not durable before :func:`sync_folder`."""
    operation("rename", source, target)
    source.rename(target)


def link(source: Path, target: Path) -> None:
    """A second name for the same bytes. Not durable before :func:`sync_folder`."""
    operation("link", source, target)
    os.link(source, target)


def remove(path: Path) -> None:
    """Remove a file if it is there."""
    operation("unlink", path)
    path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove a folder with all in it, if it is there. What can't be removed stays, for housekeeping: raises nothing."""
    with contextlib.suppress(OSError):
        operation("remove-tree", path)
        shutil.rmtree(path, ignore_errors=True)


class PartFile:
    """A file on its way: written as ``name.part``, there under its name only when whole.

    Use as a context manager; leaving without :meth:`commit` removes the part.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + PART_SUFFIX)
        operation("create", self.part)
        self.file: BinaryIO = open(self.part, "wb", opener=_private)  # noqa: SIM115, PTH123
        self.size = 0
        self._done = False

    def write(self, data: bytes | bytearray | memoryview) -> int:
        operation("write", self.part)
        self.size += len(data)
        return self.file.write(data)

    def begin_sync(self) -> None:
        """Start writing to the disk what has come so far, without waiting: the sync to come is shorter. No promise."""
        if _sync_file_range is not None:
            self.file.flush()
            _sync_file_range(self.file.fileno(), 0, 0, _WRITE)

    def commit(self) -> Path:
        """Make it durable under its name."""
        self.file.flush()
        operation("sync", self.part)
        os.fsync(self.file.fileno())
        self.file.close()
        rename(self.part, self.path)
        self._done = True
        return self.path

    def keep(self) -> None:
        """Leave it as a part file, whole though not durable: for someone who moves and syncs it."""
        self.file.close()
        self._done = True

    def discard(self) -> None:
        """Give it up; nothing stays."""
        if not self._done:
            self._done = True
            with contextlib.suppress(OSError):  # a full disk refuses what is still in the buffer once more
                self.file.close()
            remove(self.part)

    def __enter__(self) -> PartFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def write_file(path: Path, data: bytes | Iterable[bytes]) -> Path:
    """Write a whole file durably: part, fsync, rename, fsync of the folder."""
    with PartFile(path) as part:
        for chunk in (data,) if isinstance(data, bytes) else data:
            part.write(chunk)
        return part.commit()


def write_scratch(path: Path, data: bytes | Iterable[bytes]) -> Path:
    """Write a file that is made again after a crash: counted as an operation, not made durable."""
    operation("write-scratch", path)
    with open(path, "wb", opener=_private) as file:  # noqa: PTH123
        for chunk in (data,) if isinstance(data, bytes) else data:
            file.write(chunk)
    return path


def sync_tree(folder: Path) -> None:
    """Make all files and names below `folder` durable."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            sync_file(path)
    sync_folder(folder)


def try_disk(folder: Path) -> None:
    """Write and sync a little into a file that never has a name. Raises OSError.

    Not counted as an operation: it comes by the clock, and the harness counts what becomes of films.
    """
    descriptor = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, b"alive")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_folder(folder: Path) -> None:
    """Whether files can be made in a folder that others may watch: by one without a name. Raises OSError.

    A file system that has no such files (a share) gets one with a name for a moment.
    """
    try:
        try_disk(folder)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
            raise
        remove(write_file(folder / ".appliance-check", b"check"))
