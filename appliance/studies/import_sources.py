"""What can be imported from: files, folders, discs with a DICOMDIR, zip archives. Found, bounded, never trusted."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydicom import dcmread

from appliance.config import LimitsSettings
from appliance.errors import UsageError
from appliance.words import say

RATIO_OF_OTHERS = 200
"""What is no instance is not unpacked in any case; from this ratio on it is said."""
ARCHIVES = frozenset({".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz", ".tar", ".zst"})
IMAGES = frozenset({".iso"})
UNOPENED = say("it is an archive or the image of a disc: unpack or mount it, and import the folder")
CONTAINERS = (b"7z\xbc\xaf", b"Rar!", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
VOLUME_AT, VOLUMES = 0x8001, (b"CD001", b"BEA01")
"""Where ISO 9660 and UDF say that they are there (ECMA-119 8.1, ECMA-167 2/9.1)."""
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
    else_said: str = ""  # what is said should it be no instance: an archive, a bomb
    alone_said: str = ""  # the same where nothing else was one either: discs of others have a viewer's archives


@contextmanager
def candidates(path: Path, limits: LimitsSettings) -> Iterator[list[Candidate]]:
    """The files of a file, folder or zip archive. Raises UsageError when there is nothing, or far too much."""
    if path.is_dir():
        yield _bounded(list(_in_folder(path)), path, limits.import_files)
    elif not path.exists():
        raise UsageError(say("There is no %(path)s.", path=path), field="path")
    elif zipfile.is_zipfile(path) and not _is_dicom(path):
        with _archive(path) as archive:
            yield _bounded(_in_archive(archive, path, limits), path, limits.import_files)
    elif _begins(path, 4) == b"PK\3\4":
        raise _damaged_archive(path, say("it is cut short, or damaged at its end"))
    else:
        yield [
            Candidate(
                name=path.name,
                size=path.stat().st_size,
                open=partial(_opened, path),
                else_said=UNOPENED if _is_container(path) else "",
            )
        ]


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _bounded(found: list[Candidate], path: Path, most: int) -> list[Candidate]:
    if len(found) > most:
        raise UsageError(
            say("%(path)s has more than %(most_files)s files.", path=path.name, most_files=f"{most:,}"),
            field="path",
        )
    return found


def _is_dicom(path: Path) -> bool:
    """A DICOM file may well have an archive behind it: it is an instance all the same."""
    return _begins(path, 132)[128:] == b"DICM"


def _begins(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _is_container(path: Path) -> bool:
    """An archive other than zip, or the image of a disc, whatever it is called: uploads have no names."""
    begins = _begins(path, VOLUME_AT + 5)
    return begins.startswith(CONTAINERS) or begins.endswith(VOLUMES)


def _in_folder(folder: Path) -> Iterator[Candidate]:
    """Every regular file below, by name; links are not followed: they lead out."""
    for where, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file() and not path.is_symlink():
                yield Candidate(
                    name=str(path.relative_to(folder)),
                    size=path.stat().st_size,
                    open=partial(_opened, path),
                    alone_said=UNOPENED if path.suffix.lower() in ARCHIVES | IMAGES else "",
                )


NO_ARCHIVE = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error)
"""What zipfile raises for a directory that is none, of a version to come, or with impossible names and places."""


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except NO_ARCHIVE as error:
        raise _damaged_archive(path, error) from error


def _damaged_archive(path: Path, why: object) -> UsageError:
    return UsageError(say("%(path)s is a damaged zip archive: %(why)s.", path=path.name, why=why), field="path")


def _in_archive(archive: zipfile.ZipFile, path: Path, limits: LimitsSettings) -> list[Candidate]:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if sum(info.file_size for info in members) > limits.import_gib << 30:
        raise UsageError(
            say(
                "%(path)s would unpack to more than %(most_unpacked)s GiB.",
                path=path.name,
                most_unpacked=limits.import_gib,
            ),
            field="path",
        )
    return [_member(archive, info, limits.archive_ratio) for info in members]


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, highest_ratio: int) -> Candidate:
    def opened() -> BinaryIO:
        return archive.open(info)  # type: ignore[return-value]

    return Candidate(
        name=info.filename,
        size=info.file_size,
        open=opened,
        refused=_suspicion(info, highest_ratio),
        else_said=_else_said(info),
    )


def _suspicion(info: zipfile.ZipInfo, highest_ratio: int) -> str:
    """Nothing is written under a member's name: what matters is what comes out of it."""
    if info.flag_bits & 1:
        return say("it is encrypted")
    return _growth(info) if _grows(info, highest_ratio) else ""


def _else_said(info: zipfile.ZipInfo) -> str:
    """A file that is no instance is not worth a word, but for what somebody may have meant by it."""
    suffix = PurePosixPath(info.filename).suffix.lower()
    if suffix in IMAGES:
        return UNOPENED
    if suffix in ARCHIVES:
        return say("it is an archive in an archive: unpack it, and import what comes out")
    return _growth(info) if _grows(info, RATIO_OF_OTHERS) else ""


def _grows(info: zipfile.ZipInfo, times: int) -> bool:
    return info.file_size > RATIO_COUNTS_FROM and info.file_size > times * max(info.compress_size, 1)


def _growth(info: zipfile.ZipInfo) -> str:
    """Zip knows sizes beforehand: nothing was unpacked to learn this."""
    return say(
        "it would unpack from %(packed)s to %(size)s bytes, as bombs do: not unpacked",
        packed=f"{info.compress_size:,}",
        size=f"{info.file_size:,}",
    )


# --- DICOMDIR ---


def named_in_dicomdirs(found: Iterable[Candidate]) -> tuple[str, ...]:
    """Files a DICOMDIR names, as paths from where is imported; () where there is no DICOMDIR.

    A medium may lie in a folder, as one does that was copied or zipped whole, and several in one.
    """
    directories = (each for each in found if is_dicomdir(each.name) and not each.refused)
    return tuple(dict.fromkeys(name for each in directories for name in named_in(each)))


def is_named(name: str, named: Container[str]) -> bool:
    """Whether a file is one of those a DICOMDIR names."""
    return any(each in named for each in file_ids((name,)))


def file_ids(names: Iterable[str]) -> frozenset[str]:
    """Paths as those of a DICOMDIR are compared with them, without the .DCM some systems add (PS3.10 8.2)."""
    found = {_file_id(name) for name in names}
    return frozenset(found | {name.removesuffix(".DCM") for name in found})


def is_dicomdir(name: str) -> bool:
    return PurePosixPath(_file_id(name)).name == "DICOMDIR"


def named_in(directory: Candidate) -> list[str]:
    """What a directory references, as paths from where is imported; none when it can't be read."""
    if directory.size > LARGEST_DICOMDIR:
        return []
    try:
        with directory.open() as file:
            records = dcmread(file).DirectoryRecordSequence
        named = [record.get("ReferencedFileID") for record in records]
    except Exception:  # a foreign directory: what is on the medium is imported without it
        return []
    parts = [[each] if isinstance(each, str) else list(each) for each in named if each]
    root = PurePosixPath(_file_id(directory.name)).parent
    return list(dict.fromkeys(str(root.joinpath(*map(str, each))).upper() for each in parts))


def _file_id(name: str) -> str:
    """A path as a File ID is compared: upper case, without what ISO 9660 appends."""
    return name.replace("\\", "/").upper().split(";")[0].removesuffix(".")
