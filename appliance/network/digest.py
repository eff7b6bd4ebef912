"""The SHA-256 of a file while it is being written: worked out by other threads, so that nobody waits for it in line.

Hashing half a megabyte takes a third of a millisecond without the interpreter's lock: as long as reading its header,
or making it durable. What was written is read back from the page cache, and begins its way to the disk meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from appliance.store import files

STEP = 1024 * 1024
"""Bytes that are worth a turn of another thread, and the most that are read at once."""

_others = ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="sha256")


class FileDigest:
    """Follows one file. All but the hashing is done by the threads of one association, one after the other."""

    def __init__(self, path: Path, offset: int) -> None:
        """Of what comes from byte `offset` on. Raises OSError when the file can't be opened."""
        self._descriptor = os.open(path, os.O_RDONLY)
        self._hash = hashlib.sha256()
        self._done = self._there = offset
        self._task: Future[None] | None = None

    def follow(self, there: int, *, whole: bool = False) -> None:
        """The file's first `there` bytes are written; `whole`: there will be no more."""
        self._there = there
        waiting = there - self._done
        if (waiting >= STEP or (whole and waiting)) and (self._task is None or self._task.done()):
            self._task = _others.submit(self._go_on)

    def _go_on(self) -> None:
        files.begin_sync(self._descriptor)
        self._catch_up()

    def _catch_up(self) -> None:
        while self._done < self._there:
            piece = os.pread(self._descriptor, min(STEP, self._there - self._done), self._done)
            if not piece:
                return  # still in the writer's buffer
            self._hash.update(piece)
            self._done += len(piece)

    def hexdigest(self) -> str:
        """Of all that was written, in hex. Raises OSError when it can't be read."""
        if self._task is not None and not self._task.cancel():
            self._task.result()
        self._catch_up()
        if self._done != self._there:
            raise OSError(errno.EIO, "the file is shorter than what was written to it")
        return self._hash.hexdigest()

    def close(self) -> None:
        """Nobody asks any more."""
        self._there = -1
        if self._task is not None and not self._task.cancel():
            self._task.exception()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
