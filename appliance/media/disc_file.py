"""Files on their way to a disc: read once from where they lie, hashed on the way, refused if they change meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from appliance.errors import DamagedError
from appliance.words import say

from .source import Placed, head

BLOCK = 1 << 20


class Opened(Protocol):
    """Bytes of a known number, read once."""

    def read(self, size: int) -> bytes: ...
    def close(self) -> None: ...


class DiscFile:
    """One file of a volume. Reading it again starts again; :attr:`sha256` is of the last whole reading."""

    def __init__(self, path: str, size: int, opener: Callable[[], Opened]) -> None:
        self.path = path  # on the disc, "/" between components
        self.size = size
        self.sha256 = "" if size else hashlib.sha256().hexdigest()  # hexadecimal, once read to the end
        self._opener = opener
        self._opened: Opened | None = None
        self._left = 0

    def seek(self, offset: int) -> None:
        """Start (again); only the beginning can be sought."""
        assert offset == 0
        self.abandon()
        self._opened = self._opener()
        self._digest = hashlib.sha256()
        self._left = self.size
        if not self.size:
            self._finish()

    def read(self, size: int) -> bytes:
        """The next `size` bytes, all of them. Raises DamagedError when there are not as many as there should be."""
        assert self._opened is not None
        wanted = min(size, self._left)
        data = self._opened.read(wanted)
        if len(data) != wanted:
            raise DamagedError(
                say("%(path)s: its source became shorter while it was written; make the disc again", path=self.path)
            )
        self._digest.update(data)
        self._left -= wanted
        if not self._left:
            self._finish()
        return data

    def chunks(self) -> Iterator[bytes]:
        """All its bytes."""
        self.seek(0)
        while self._left:
            yield self.read(BLOCK)

    def abandon(self) -> None:
        """Let go of a source that was not read to its end."""
        opened, self._opened = self._opened, None
        if opened is not None:
            with contextlib.suppress(DamagedError):
                opened.close()

    def _finish(self) -> None:
        self.sha256 = self._digest.hexdigest()
        opened, self._opened = self._opened, None
        if opened is not None:
            if opened.read(1):
                opened.close()
                raise DamagedError(
                    say("%(path)s: its source became longer while it was written; make the disc again", path=self.path)
                )
            opened.close()


@dataclass(frozen=True)
class _Seen:
    """What must not change while a file is read."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, file: BinaryIO) -> _Seen:
        found = os.fstat(file.fileno())
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class _Instance:
    """Head of our own, then the data set as received; its hash is compared with the one of intake."""

    def __init__(self, placed: Placed) -> None:
        self._source = placed.source
        self._head = head(placed)
        try:
            self._file = Path(placed.source.path).open("rb", buffering=0)  # noqa: SIM115
        except (FileNotFoundError, PermissionError) as error:  # anything else may pass: the disc waits
            raise DamagedError(
                say("Instance %(name)s: its file can't be opened (%(why)s)", name=self._name, why=error.strerror)
            ) from error
        self._before = _Seen.of(self._file)  # type: ignore[arg-type]
        self._file.seek(self._source.data_set_offset)
        self._digest = hashlib.sha256() if self._source.sha256 else None

    @property
    def _name(self) -> str:
        return self._source.keys.SOPInstanceUID

    def read(self, size: int) -> bytes:
        start, self._head = self._head[:size], self._head[size:]
        data = self._file.read(size - len(start)) or b""
        while data and len(start) + len(data) < size:  # a raw read may return less
            more = self._file.read(size - len(start) - len(data))
            if not more:
                break
            data += more
        if self._digest is not None and data:
            self._digest.update(data)
        return start + data if start else data

    def close(self) -> None:
        """Check that the source is what it was. Raises DamagedError."""
        if self._file.closed:
            return
        position, after = self._file.tell(), _Seen.of(self._file)  # type: ignore[arg-type]
        self._file.close()
        if after != self._before:
            raise DamagedError(
                say("Instance %(name)s: its file changed while it was written; make the disc again", name=self._name)
            )
        whole = position == after.size
        if whole and self._digest is not None and self._digest.hexdigest() != self._source.sha256:
            raise DamagedError(
                say("Instance %(name)s: its file is not what was received; fetch the study again", name=self._name)
            )


class _Chunked:
    """Bytes that come in pieces of any size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        parts: list[bytes | memoryview] = []
        while size:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            parts.append(self._rest[:size])
            size -= len(parts[-1])
            self._rest = self._rest[len(parts[-1]) :]
        return b"".join(parts)

    def close(self) -> None:
        self._rest = memoryview(b"")


def instance_file(placed: Placed) -> DiscFile:
    """The file of an instance on the disc."""
    return DiscFile("/".join(placed.file_id), placed.size, lambda: _Instance(placed))


def content_file(path: str, content: bytes | Path) -> DiscFile:
    """A file that is not DICOM."""
    if isinstance(content, bytes):
        data = content
        return DiscFile(path, len(data), lambda: _Chunked(iter((data,))))
    source = content
    return DiscFile(path, source.stat().st_size, lambda: source.open("rb"))


def streamed_file(path: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> DiscFile:
    """A file whose bytes are made while they are written."""
    return DiscFile(path, size, lambda: _Chunked(iter(chunks())))
