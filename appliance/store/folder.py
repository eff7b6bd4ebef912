"""The data folder and what lies where in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import UsageError
from appliance.store import files
from appliance.words import say


@dataclass(frozen=True)
class DataFolder:
    """Paths below one data folder."""

    root: Path
    node: str = ""  # this machine's name where several share the folder

    @property
    def database(self) -> Path:
        return self.root / "appliance.db"

    @property
    def jobs(self) -> Path:
        """Print jobs: jobs/<job_id>/ with film.json, image boxes as received, documents, previews."""
        return self.root / "jobs"

    @property
    def spool(self) -> Path:
        """What arrives and is not accepted yet; emptied at start. Each machine has its own."""
        return self.spool_of(self.node)

    def spool_of(self, node: str) -> Path:
        return self.root / "spool" / node

    @property
    def uploads(self) -> Path:
        """uploads/<import>/: files people uploaded, until they are in the index."""
        return self.root / "uploads"

    @property
    def instances(self) -> Path:
        return self.root / "instances"

    @property
    def discs(self) -> Path:
        return self.root / "discs"

    @property
    def printed(self) -> Path:
        return self.root / "printed"

    @property
    def burned(self) -> Path:
        return self.root / "burned"

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def layouts(self) -> Path:
        """A site's own layouts, added to those shipped."""
        return self.root / "layouts"

    @property
    def templates(self) -> Path:
        return self.root / "templates"

    def job(self, job_id: int) -> Path:
        return self.jobs / str(job_id)

    def disc(self, disc_id: int) -> Path:
        return self.discs / str(disc_id)

    def make(self) -> DataFolder:
        """Create what is not there, readable by the owner alone."""
        for path in (
            self.jobs,
            self.spool,
            self.uploads,
            self.instances,
            self.discs,
            self.printed,
            self.burned,
            self.locks,
            self.logs,
        ):
            files.make_folder(path)
        return self

    def room(self) -> tuple[int, int]:
        """Bytes a process without privileges may still write, and bytes of the file system in all."""
        room = os.statvfs(self.root)
        return room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize


def place_of(data: Path) -> Path:
    """One absolute path, however it was typed: printers, burners and backups name the folder by it.

    Without "..", which no printer's or burner's folder may have; links stay as they are called.
    """
    return data.resolve() if ".." in data.parts else data.absolute()


def find_data_folder(given: Path | None = None) -> Path:
    """The data folder a command works on: given, APPLIANCE_DATA, ./var where it has a database, /var/lib/appliance.

    Raises UsageError when the database could not keep its name.
    """
    found = place_of(_data_folder(given))
    try:
        str(found).encode()
    except UnicodeEncodeError:
        words = say("The data folder %(path)s has a name that is not UTF-8: name it otherwise.", path=ascii(str(found)))
        raise UsageError(words) from None
    return found


def _data_folder(given: Path | None) -> Path:
    named = given or os.environ.get("APPLIANCE_DATA")
    if named:
        return Path(named)
    here = Path("var")
    return here if (here / "appliance.db").exists() else Path("/var/lib/appliance")
