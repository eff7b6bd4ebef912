"""A volume as a folder (for USB media) or as a zip archive, from the same files as an image."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from appliance.store import files
from appliance.store.files import PartFile, failpoint

from .disc_file import DiscFile
from .iso import Progress

SUFFIX = {"iso": ".iso", "folder": "", "zip": ".zip"}


class PartFolder:
    """A folder on its way: there under its name only when whole; leaving without :meth:`commit` removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + files.PART_SUFFIX)
        self._done = False
        files.remove_tree(self.part)
        files.make_folder(self.part)

    def commit(self) -> Path:
        """Make all of it durable and give it its name."""
        files.sync_tree(self.part)
        files.rename(self.part, self.path)
        self._done = True
        return self.path

    def __enter__(self) -> PartFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._done:
            files.remove_tree(self.part)


def write_folder(folder: PartFolder, disc_files: Sequence[DiscFile], progress: Progress | None = None) -> None:
    """Write every file below the part folder."""
    total, done = sum(file.size for file in disc_files), 0
    for file in disc_files:
        failpoint("folder.data")
        target = folder.part / file.path
        files.make_folder(target.parent)
        files.write_scratch(target, file.chunks())
        done += file.size
        if progress is not None:
            progress(done, total)


def write_zip(part: PartFile, disc_files: Sequence[DiscFile], progress: Progress | None = None) -> None:
    """Write an archive; files are stored as they are, so that anything opens it and a name is a File ID (PS3.12 Annex
    V)."""
    total, done = sum(file.size for file in disc_files), 0
    now = time.localtime()[:6]
    with zipfile.ZipFile(part.file, "w", zipfile.ZIP_STORED) as archive:
        for file in disc_files:
            failpoint("zip.data")
            files.operation("write", part.part)
            info = zipfile.ZipInfo(file.path, now)
            info.file_size = file.size
            with archive.open(info, "w", force_zip64=file.size > 0x7FFFFFFF) as member:
                for chunk in file.chunks():
                    member.write(chunk)
            done += file.size
            if progress is not None:
                progress(done, total)
    part.file.flush()
