"""A volume as an ISO 9660 level 1 image, with Joliet and a UDF 1.02 bridge by choice (PS3.12 Annexes F and P).

pycdlib lays it out; this module fences it in: it takes duplicate and malformed names, any volume identifier and
sources that
change, and says nothing. Instances stream from where they lie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pycdlib

from appliance.errors import ApplianceError, ConflictError
from appliance.store import files
from appliance.store.files import PartFile, failpoint
from appliance.words import say

from .disc_file import BLOCK, DiscFile
from .file_id import is_file_set_id, level_1_names
from .sizes import MAXIMUM_FILE

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all; may raise to stop."""

APPLICATION = "APPLIANCE"

_LEVEL_1 = re.compile(r"([A-Z0-9_]{1,8}/){0,6}[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?")


class _Output:
    """The part file as pycdlib writes it."""

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self.seek, self.tell = part.file.seek, part.file.tell

    def write(self, data: bytes) -> int:
        return self._part.write(data)


class _Input:
    """A disc file as pycdlib reads it, with a failpoint at its start."""

    mode = "rb"

    def __init__(self, file: DiscFile) -> None:
        self._file = file
        self.read = file.read

    def seek(self, offset: int) -> None:
        failpoint("iso.data")
        self._file.seek(offset)


def write_iso(
    part: PartFile,
    file_set_id: str,
    disc_files: Sequence[DiscFile],
    *,
    joliet: bool = False,
    udf: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the image into `part`; files are read in the order given. The caller checks and commits it.

    Raises ConflictError for names and sizes that a level 1 image can't hold, DamagedError if a source changed.
    """
    names = checked_names(file_set_id, disc_files)
    image: Any = pycdlib.PyCdlib()  # its annotations want real files
    image.new(
        interchange_level=1,
        sys_ident="",
        vol_ident=file_set_id,
        app_ident_str=APPLICATION,
        joliet=3 if joliet else None,
        udf="2.60" if udf else None,  # pycdlib's word for what is UDF 1.02 on the disc
    )
    try:
        _add(image, disc_files, names, joliet, udf)
        failpoint("iso.header")
        image.write_fp(_Output(part), blocksize=BLOCK, progress_cb=progress and _two(progress))
    finally:
        for file in disc_files:
            file.abandon()
        image.close()
    failpoint("iso.sync")
    files.operation("flush", part.part)
    part.file.flush()


def _two(progress: Progress) -> Progress:
    """pycdlib counts the parameters of what it calls."""

    def called(done: int, total: int) -> None:
        progress(done, total)

    return called


def checked_names(file_set_id: str, disc_files: Sequence[DiscFile]) -> dict[str, str]:
    """The level 1 path of each file, by its path. Raises ConflictError where there is none."""
    if not is_file_set_id(file_set_id):
        raise ConflictError(
            say(
                "%(file_set_id)s can't be a volume identifier: 1 to 16 of A-Z, 0-9 and _", file_set_id=repr(file_set_id)
            )
        )
    dicom = {file.path: file.path for file in disc_files if file.path == "DICOMDIR" or file.path.startswith("DICOM/")}
    names = {**level_1_names(file.path for file in disc_files if file.path not in dicom), **dicom}
    seen: set[str] = set()
    for file in disc_files:
        name = names[file.path]
        if not _LEVEL_1.fullmatch(name):
            raise ConflictError(say("%(path)s can't be written on a level 1 disc; rename it", path=file.path))
        if name in seen:
            raise ConflictError(say("Two files of the disc have the name %(name)s", name=name))
        if file.size > MAXIMUM_FILE:
            raise ConflictError(
                say(
                    "%(path)s has %(size)s bytes; a file on a disc has less than 4 GiB",
                    path=file.path,
                    size=f"{file.size:,}",
                )
            )
        seen.add(name)
    return names


def _add(image: Any, disc_files: Sequence[DiscFile], names: dict[str, str], joliet: bool, udf: bool) -> None:
    folders: set[str] = set()
    for file in disc_files:
        parts, level_1 = file.path.split("/"), names[file.path].split("/")
        for depth in range(1, len(parts)):
            folder = "/" + "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                image.add_directory("/" + "/".join(level_1[:depth]), **_views(folder, joliet, udf))
        last = level_1[-1] if "." in level_1[-1] else level_1[-1] + "."
        path = "/" + "/".join((*level_1[:-1], last)) + ";1"
        try:
            image.add_fp(_Input(file), file.size, path, **_views("/" + file.path, joliet, udf))
        except pycdlib.pycdlibexception.PyCdlibException as error:
            raise ApplianceError(
                say("%(path)s can't be put on the image: %(why)s", path=file.path, why=error)
            ) from error


def _views(path: str, joliet: bool, udf: bool) -> dict[str, str]:
    return {**({"joliet_path": path} if joliet else {}), **({"udf_path": path} if udf else {})}
