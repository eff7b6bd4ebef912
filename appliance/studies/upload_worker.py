"""Works off uploads: each file in turn into the index, the report kept after each, so that a restart goes on."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from appliance.errors import ApplianceError, ResourceError
from appliance.events import Actor
from appliance.jobs.keeping import Rounds
from appliance.store import files, uploads
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.store.uploads import Upload
from appliance.studies import importing
from appliance.studies.import_sources import Candidate, file_ids, is_dicomdir, is_named, named_in
from appliance.studies.importing import MOST_REPORTED, ImportReport
from appliance.words import say

POLL_SECONDS = 0.3
LOOK_SECONDS = 5.0
"""Between looks for what dead workers left."""
TELL_SECONDS = 0.5
LEFT_BEHIND = dt.timedelta(hours=1)
"""An upload nobody added to for so long is a browser that was closed."""
KIND = "import"
MOST_DEATHS = 3
"""A file over which so many workers died is left alone: it may kill each in turn, and stop every disc."""

log = logging.getLogger(__name__)


class Importer:
    """One process's share of the imports: one at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lock = store.locks.hold(KIND)
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        self._stop = stop
        seen, looked, rounds = -1, 0.0, Rounds("importing", log)
        while not stop.is_set():
            with rounds.one():
                changes = self.store.database.changes("import")
                if changes != seen or time.monotonic() - looked > LOOK_SECONDS:
                    looked = time.monotonic()
                    self.work_off()
                    seen = changes
            stop.wait(POLL_SECONDS)
        self.lock.release()

    def work_off(self) -> None:
        """Do every import that waits, or that a dead worker had begun."""
        if not self.lock.is_held():
            self.lock = self.store.locks.hold(KIND)
        self._take_over()
        while not self._stop.is_set() and self._work_one():
            pass

    def _take_over(self) -> None:
        """What dead workers had begun waits again; what was never finished uploading is forgotten.

        Nothing is at work here now: what bears our own name could not be told the end of, for the database was away.
        """
        store = self.store
        store.locks.sweep((KIND,))
        with store.database.read() as connection:
            working = uploads.workers(connection)
            old = uploads.left_behind(connection, now() - LEFT_BEHIND)
        dead = [*store.locks.dead(working), *({self.lock.name} & working)]
        if dead or old:
            with store.database.write("import") as connection:
                uploads.release(connection, dead)
                for row in old:
                    message = say("The upload was not finished: upload the files again.")
                    uploads.change(connection, row.import_id, state=uploads.ABORTED, message=message)
        self._sweep_folders()

    def _sweep_folders(self) -> None:
        with self.store.database.read() as connection:
            used = uploads.folders_in_use(connection)
        limit = self.store.file_clock() - LEFT_BEHIND.total_seconds()
        for path in self.store.folder.uploads.iterdir():
            if path.name not in used and path.stat().st_mtime < limit:
                files.remove_tree(path)

    def _work_one(self) -> bool:
        with self.store.database.write("import") as connection:
            row = uploads.claim(connection, self.lock.name)
        if row is None:
            return False
        work = _Work(self.store, row, self._stop.is_set)
        try:
            with self.store.tally.timed(KIND):
                state, message = work.run()
        except ResourceError as error:  # the database is away, or the disk short: what was uploaded lies nowhere else
            log.warning("import %s waits: %s", row.import_id, error)
            state, message = uploads.PENDING, say("It waits, and is tried again: %(why)s", why=error)
        except ApplianceError as error:
            state, message = uploads.ABORTED, str(error)
        except Exception as error:
            log.exception("import %s failed", row.import_id)
            state, message = uploads.ABORTED, say("it failed (%(name)s): see the log", name=type(error).__name__)
        with self.store.database.write("import", "study") as connection:
            end: dict[str, Any] = {"state": state, "message": message, "working": None}
            ours = uploads.change(connection, row.import_id, claimed_by=row.working, **end)
        if not ours:
            log.error("import %s was taken over meanwhile: another worker tells its end", row.import_id)
        elif state in uploads.FINAL:
            files.remove_tree(self.store.folder.uploads / row.folder)
        if message and state == uploads.PENDING:
            self._stop.wait(LOOK_SECONDS)
        return True


class _Work:
    """One import."""

    def __init__(self, store: Store, row: Upload, stopping: Callable[[], bool]) -> None:
        self.store = store
        self.row = row
        self.stopping = stopping
        self.report: dict[str, Any] = dict(row.report)
        self.deaths = self.report.pop(uploads.DEATHS, 0)
        self.actor = Actor(name=row.actor, kind="user", address=row.address)
        self.named: set[str] = set()  # by a DICOMDIR among the files
        self._told = 0.0
        self._cancelled = False
        self._lost = False  # another worker goes on with it

    def run(self) -> tuple[str, str]:
        """Import each file that is still there; the state it ends in, and why."""
        folder = self.store.folder.uploads / self.row.folder
        waiting = [(kept, name) for kept, name in self.row.names if (folder / kept).exists()]
        if not waiting and not self.report:
            return uploads.ABORTED, say("The uploaded files are gone: upload them again.")
        self.named = {each for kept, name in waiting if is_dicomdir(name) for each in self._named_in(kept, name)}
        self.named |= {PurePosixPath(each).name for each in self.named}  # of clients that send no folders
        for number, (kept, name) in enumerate(waiting):
            left = len(waiting) - number - 1
            if self.deaths < MOST_DEATHS:
                self._import(kept, name, left)
            else:
                self._refuse(name, self._broken_off(), left)
            if self._is_cancelled():
                return uploads.CANCELED, "cancelled"
            if self.stopping() or self._lost:
                return uploads.PENDING, ""
            files.remove(folder / kept)
        return uploads.COMPLETED, ""

    def _import(self, kept: str, name: str, left: int) -> None:
        before = int(self.report.get("files", 0))

        def progress(done: int, total: int) -> None:
            self._tell(before + done, before + total + left)

        path = self.store.folder.uploads / self.row.folder / kept
        try:
            report = importing.import_path(
                self.store,
                path,
                self.actor,
                progress=progress,
                cancelled=self._is_over,
                source=self.row.actor,
                named=is_named(name, self.named),
            ).to_json()
        except ResourceError:
            raise
        except ApplianceError as error:
            self._refuse(name, str(error).replace(kept, name), left)
            return
        if is_dicomdir(name):
            report["missing"] = self._missing(kept, name)
        self._add(_named(report, kept, name), left)

    def _broken_off(self) -> str:
        return say(
            "its import was broken off %(number)s times, perhaps by what it holds: upload it again to try once more",
            number=self.deaths,
        )

    def _refuse(self, name: str, why: str, left: int) -> None:
        report = ImportReport(files=1)
        report.refuse(name, why)
        self._add(report.to_json(), left)

    def _add(self, report: dict[str, Any], left: int) -> None:
        if self.stopping():  # it is begun anew
            return
        self.report = added(self.report, report)
        done = int(self.report["files"])
        self.deaths = 0
        self._tell(done, done + left, force=True)

    def _missing(self, kept: str, name: str) -> list[str]:
        """What a DICOMDIR among the files names and nobody uploaded; clients that send no folders send last names."""
        there = file_ids(each for _, each in self.row.names)
        lacking = [each for each in self._named_in(kept, name) if not {each, PurePosixPath(each).name} & there]
        return lacking[:MOST_REPORTED]

    def _named_in(self, kept: str, name: str) -> list[str]:
        path = self.store.folder.uploads / self.row.folder / kept
        return named_in(Candidate(name=name, size=path.stat().st_size, open=lambda: path.open("rb")))

    def _tell(self, done: int, total: int, *, force: bool = False) -> None:
        if not force and time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        report = {**self.report, uploads.DEATHS: self.deaths} if self.deaths else self.report
        with self.store.database.write("import") as connection:
            values: dict[str, Any] = {"done": done, "total": total, "report": report}
            self._lost = not uploads.change(connection, self.row.import_id, claimed_by=self.row.working, **values)

    def _is_over(self) -> bool:
        return self.stopping() or self._is_cancelled() or self._lost

    def _is_cancelled(self) -> bool:
        if not self._cancelled:
            with self.store.database.read() as connection:
                row = uploads.get(connection, self.row.import_id)
            self._cancelled = row is None or bool(row.cancel)
            self._lost |= row is not None and row.working != self.row.working
        return self._cancelled


def added(total: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Two reports as one."""
    if not total:
        return report
    both = {key: total[key] + value for key, value in report.items()}
    both["studies"] = sorted(set(both["studies"]))
    return both | {"refused": both["refused"][:MOST_REPORTED], "missing": both["missing"][:MOST_REPORTED]}


def _named(report: dict[str, Any], kept: str, name: str) -> dict[str, Any]:
    """A file of its own stands in its report as it was uploaded."""
    refused = [{**each, "file": name if each["file"] == kept else each["file"]} for each in report["refused"]]
    return report | {"refused": refused}
