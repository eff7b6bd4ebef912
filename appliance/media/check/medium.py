"""The files of a disc, wherever they lie: ISO image, device, folder or zip archive."""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from appliance.words import say

from . import udf
from .finding import Findings
from .iso9660 import last_session, read_image

_BLOCK = 1 << 20
_IN_MEMORY = 1 << 26
_HIGHEST_RATIO = 2000
"""Of a large member of an archive; blank images shrink a thousandfold."""
_LAST_SESSION, _BY_SECTOR = 0x5310, 1  # CDROMMULTISESSION, CDROM_LBA of linux/cdrom.h


@dataclass
class DiscFile:
    """One file of the disc."""

    path: str  # as a File ID would say it: "/" between components, no version
    size: int
    content: Callable[[], memoryview]
    long_path: str = ""  # its name in the Joliet view, if there is one
    place: int | None = None  # offset in an image: files of one place are names of one file


@dataclass
class Medium:
    """A disc opened for reading."""

    files: dict[str, DiscFile] = field(default_factory=dict)
    volume_id: str | None = None  # of an ISO 9660 volume
    image: memoryview | None = None  # the whole volume, where it is one file
    kind: str = "iso"  # iso, folder, zip
    locked: bool = False  # encrypted: nothing in it can be looked at


def open_medium(path: Path, findings: Findings, stack: ExitStack) -> Medium:
    """Open what lies at `path`; closed with the stack. A DICOMDIR stands for its folder. Raises OSError."""
    if path.name.upper() == "DICOMDIR" and path.is_file():
        path = path.parent
    if path.is_dir():
        return _by_file_id(_folder(path, findings), findings)
    whole = _mapped(path, findings, stack)
    if bytes(whole[:4]) in (b"PK\3\4", b"PK\5\6"):
        return _by_file_id(_archive(path, whole, findings, stack), findings)
    return _image(whole, findings, _session(path, whole))


def _mapped(path: Path, findings: Findings, stack: ExitStack) -> memoryview:
    """A file or device as memory, as far as it can be read."""
    file = stack.enter_context(path.open("rb"))
    size = file.seek(0, os.SEEK_END)  # stat() says 0 for devices
    if path.is_block_device():
        size = _readable(file, size, findings)
    if not size:
        return memoryview(b"")
    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))  # unmapped when nobody looks at it


def _readable(file: BinaryIO, size: int, findings: Findings) -> int:
    """How much of a disc in a drive can be read: touching mapped memory of a scratched one would end the process."""
    for offset in range(0, size, _BLOCK):
        try:
            os.pread(file.fileno(), _BLOCK, offset)
        except OSError as error:
            findings.error(
                "unreadable",
                "",
                say("the disc can't be read after byte %(offset)s (%(why)s)", offset=f"{offset:,}", why=error.strerror),
            )
            return offset
    return size


def _session(path: Path, whole: memoryview) -> int:
    """The sector of the last session: a drive knows it; what lies behind the volume on a medium written anew is old."""
    if not path.is_block_device():
        return last_session(whole)
    try:
        with path.open("rb") as file:
            told = fcntl.ioctl(file, _LAST_SESSION, struct.pack("iBB2x", 0, 0, _BY_SECTOR))
    except OSError:  # it is no optical drive
        return 0
    return max(0, int(struct.unpack_from("i", told)[0]))


def _image(whole: memoryview, findings: Findings, session: int) -> Medium:
    if udf.is_alone(whole):
        found = udf.read_alone(whole, findings)
    else:
        found = read_image(whole, findings, session)
        if udf.has_udf(whole) and not found.session:
            udf.compare(whole, found, findings)
    medium = Medium(volume_id=found.volume_id, image=whole[: found.size])
    for entry in found.files:
        content = partial(_part, whole, entry.offset, entry.offset + entry.size)
        medium.files[entry.path] = DiscFile(entry.path, entry.size, content, entry.long_path, entry.offset)
    return medium


def _by_file_id(medium: Medium, findings: Findings) -> Medium:
    """Files under the names they have on a disc: Linux shows a sound one in lower case, some programs with versions."""
    names = {path: path.replace("\\", "/").upper().split(";")[0].removesuffix(".") for path in medium.files}
    shown = next((path for path, name in names.items() if name == "DICOMDIR"), "DICOMDIR")
    if "DICOMDIR" in medium.files or shown not in medium.files or len(set(names.values())) < len(names):
        return medium
    text = say("the DICOMDIR and all other names are written as some systems show those of a disc, not as on the disc")
    findings.warning("file-name", shown, text)
    medium.files = {name: replace(medium.files[path], path=name) for path, name in names.items()}
    return medium


def _part(whole: memoryview, start: int, end: int) -> memoryview:
    return whole[start:end]


def _folder(root: Path, findings: Findings) -> Medium:
    medium = Medium(kind="folder")
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            where = path.relative_to(root).as_posix()
            if path.is_file():
                content = partial(_whole, path, where, findings)
                medium.files[where] = DiscFile(where, path.stat().st_size, content)
            else:
                findings.warning("no-file", where, say("it is no file"))
    return medium


def _whole(path: Path, where: str, findings: Findings) -> memoryview:
    """The bytes of a file; large ones are mapped after they were found readable."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size <= _IN_MEMORY:
                return memoryview(file.read())
            if _readable(file, size, findings) == size:
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        findings.error("unreadable", where, say("it can't be read (%(why)s)", why=error.strerror))
    return memoryview(b"")


_ENCRYPTED = 1  # general purpose bit of a member


def _archive(path: Path, whole: memoryview, findings: Findings, stack: ExitStack) -> Medium:
    medium = Medium(kind="zip", image=whole)
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error) as error:
        # "not a zip file" of one that begins as one: its table of contents lies at its end
        why = say("it is cut short, or damaged at its end") if "not a zip file" in str(error) else error
        findings.error("zip", "", say("the archive can't be read: %(why)s", why=why))
        return medium
    if any(info.flag_bits & _ENCRYPTED for info in archive.infolist()):
        text = say("the archive is encrypted: unpack it with its password, then verify the folder")
        findings.error("encrypted", "", text)
        medium.locked = True
        return medium
    for info in archive.infolist():
        if not info.is_dir():
            content = partial(_member, archive, whole, info, findings)
            medium.files[info.filename] = DiscFile(info.filename, info.file_size, content)
    return medium


def _member(archive: zipfile.ZipFile, whole: memoryview, info: zipfile.ZipInfo, findings: Findings) -> memoryview:
    try:
        if info.compress_type == zipfile.ZIP_STORED:
            return _stored(whole, info)
        if info.file_size <= _IN_MEMORY:
            return memoryview(archive.read(info))
        if info.file_size > _HIGHEST_RATIO * max(info.compress_size, 1):
            text = say(
                "it would unpack from %(packed)s to %(size)s bytes, as bombs do: not unpacked",
                packed=f"{info.compress_size:,}",
                size=f"{info.file_size:,}",
            )
            findings.error("too-large", info.filename, text)
            return memoryview(b"")
        return _unpacked(archive, info)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        findings.error("unreadable", info.filename, say("it can't be unpacked: %(why)s", why=error))
        return memoryview(b"")


def _stored(whole: memoryview, info: zipfile.ZipInfo) -> memoryview:
    """A member that is not compressed, where it lies: behind its local header (APPNOTE 4.3.7)."""
    head = bytes(whole[info.header_offset : info.header_offset + 30])
    if len(head) < 30 or not head.startswith(b"PK\3\4"):
        raise zipfile.BadZipFile(f"Bad local header for file {info.filename!r}")
    start = info.header_offset + 30 + sum(struct.unpack_from("<HH", head, 26))
    content = whole[start : start + info.file_size]
    if len(content) < info.file_size:
        raise EOFError(f"File {info.filename!r} ends early")
    if zlib.crc32(content) != info.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return content


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> memoryview:
    """A large member, in a file nobody else sees: it is gone when nobody looks at it any more."""
    with tempfile.TemporaryFile() as file:
        with archive.open(info) as member:
            shutil.copyfileobj(member, file, _BLOCK)
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
