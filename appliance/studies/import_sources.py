"""What can be imported from: files, folders, discs with a DICOMDIR, zip archives. Found, bounded, never trusted."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread

from appliance.errors import UsageError

MOST_FILES = 200_000
MOST_UNPACKED = 256 << 30
"""Bytes that come out of one archive."""
HIGHEST_RATIO = 2000
RATIO_COUNTS_FROM = 64 << 20
"""Blank images shrink a thousandfold: only what is large is held to the ratio."""
LARGEST_DICOMDIR = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One file that may be an instance."""

    name: str  # for reports: its path inside the folder or archive
    size: int  # as announced
    open: Callable[[], BinaryIO]
    refused: str = ""  # why it is not looked at; "" to try it


@contextmanager
def candidates(path: Path) -> Iterator[list[Candidate]]:
    """The files of a file, folder or zip archive. Raises UsageError when there is nothing, or far too much."""
    if path.is_dir():
        yield _bounded(list(_in_folder(path)), path)
    elif not path.exists():
        raise UsageError(f"There is no {path}.", field="path")
    elif zipfile.is_zipfile(path) and not _is_dicom(path):
        with _archive(path) as archive:
            yield _bounded(_in_archive(archive, path), path)
    else:
        yield [Candidate(name=path.name, size=path.stat().st_size, open=partial(_opened, path))]


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _bounded(found: list[Candidate], path: Path) -> list[Candidate]:
    if len(found) > MOST_FILES:
        raise UsageError(f"{path.name} has more than {MOST_FILES:,} files.", field="path")
    return found


def _is_dicom(path: Path) -> bool:
    """A DICOM file may well have an archive behind it: it is an instance all the same."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _in_folder(folder: Path) -> Iterator[Candidate]:
    """Every regular file below, by name; links are not followed: they lead out."""
    for where, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file() and not path.is_symlink():
                yield Candidate(
                    name=str(path.relative_to(folder)), size=path.stat().st_size, open=partial(_opened, path)
                )


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise UsageError(f"{path.name} is a damaged zip archive: {error}.", field="path") from error


def _in_archive(archive: zipfile.ZipFile, path: Path) -> list[Candidate]:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if sum(info.file_size for info in members) > MOST_UNPACKED:
        raise UsageError(f"{path.name} would unpack to more than {MOST_UNPACKED >> 30} GiB.", field="path")
    return [_member(archive, info) for info in members]


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Candidate:
    def opened() -> BinaryIO:
        return archive.open(info)  # type: ignore[return-value]

    return Candidate(name=info.filename, size=info.file_size, open=opened, refused=_suspicion(info))


def _suspicion(info: zipfile.ZipInfo) -> str:
    """Nothing is written under a member's name: what matters is what comes out of it."""
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.file_size > RATIO_COUNTS_FROM and info.file_size > HIGHEST_RATIO * max(info.compress_size, 1):
        return "it would unpack to more than two thousand times its size"
    return ""


# --- DICOMDIR ---


def named_in_dicomdir(found: list[Candidate]) -> tuple[str, ...]:
    """File IDs a DICOMDIR at the root names of which there is no file. Empty when there is no DICOMDIR."""
    directory = next((each for each in found if _file_id(each.name) == "DICOMDIR"), None)
    if directory is None or directory.size > LARGEST_DICOMDIR:
        return ()
    there = {_file_id(each.name) for each in found}
    return tuple(name for name in _references(directory) if name not in there)


def _references(directory: Candidate) -> list[str]:
    """The Referenced File IDs of a directory; none when it can't be read."""
    try:
        with directory.open() as file:
            records = dcmread(file).DirectoryRecordSequence
        named = [record.get("ReferencedFileID") for record in records]
    except Exception:  # a foreign directory: what is on the medium is imported without it
        return []
    parts = [[each] if isinstance(each, str) else list(each) for each in named if each]
    return list(dict.fromkeys("/".join(str(part) for part in each).upper() for each in parts))


def _file_id(name: str) -> str:
    """A path as a File ID is compared: upper case, without what ISO 9660 appends."""
    return name.replace("\\", "/").upper().split(";")[0].removesuffix(".")
