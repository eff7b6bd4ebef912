"""Import of files, folders, other sites' discs and zip archives, by the same intake as from the network."""

from __future__ import annotations

import hashlib
import threading
import uuid
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from appliance.errors import DamagedError, RefusedError, ResourceError, UsageError
from appliance.events import Actor
from appliance.network.file_head import head_of_file
from appliance.security.audit import record
from appliance.store import files
from appliance.store.store import Store
from appliance.studies import part10
from appliance.studies.completeness import count_again
from appliance.studies.header import PaddedError
from appliance.studies.import_sources import Candidate, candidates, file_ids, is_named, named_in_dicomdirs
from appliance.studies.intake import Arrival, Intake, NotNowError, Taken
from appliance.words import say

Progress = Callable[[int, int], None]
"""Called with files done and in all."""

SPOOL_PREFIX = "import-"
BLOCK = 1 << 20
AT_ONCE = 4
MOST_REPORTED = 1000
NO_DICOM = say("it is no DICOM file")
NOT_AS_NAMED = say("the directory references it, but it is no DICOM file")
_SHORT = say("The disk is short: the import stops here. Make room and import again.")


@dataclass(kw_only=True)
class ImportReport:
    """What became of the files."""

    files: int = 0  # looked at
    outcomes: Counter[str] = field(default_factory=Counter)  # stored, known, kept-aside
    not_dicom: int = 0  # other files, as discs have them
    refused: list[tuple[str, str]] = field(default_factory=list)  # name, reason; at most a thousand
    refused_count: int = 0
    missing: tuple[str, ...] = ()  # named in the DICOMDIR, not on the medium
    studies: dict[str, Counter[str]] = field(default_factory=dict)
    unopened: list[tuple[str, str]] = field(default_factory=list)  # name, what to do: archives that may be all there is

    @property
    def found_nothing(self) -> bool:
        """Whether none of the files had anything to do with DICOM."""
        return not (self.studies or self.refused_count or self.missing)

    def refuse(self, name: str, reason: str) -> None:
        self.refused_count += 1
        if len(self.refused) < MOST_REPORTED:
            self.refused.append((name, reason))

    def refuse_unopened(self) -> None:
        """Where nothing else was found, they are what somebody meant."""
        for name, said in self.unopened:
            self.not_dicom -= 1
            self.refuse(name, said)

    def count(self, taken: Taken) -> None:
        self.outcomes[taken.outcome] += 1
        self.studies.setdefault(taken.study_instance_uid, Counter())[taken.outcome] += 1

    def to_json(self) -> dict[str, Any]:
        """For page, API and command line."""
        return {
            "files": self.files,
            "stored": self.outcomes["stored"],
            "known": self.outcomes["known"],
            "kept_aside": self.outcomes["kept-aside"],
            "not_dicom": self.not_dicom,
            "refused_count": self.refused_count,
            "refused": [{"file": name, "reason": reason} for name, reason in self.refused],
            "missing": list(self.missing),
            "studies": sorted(self.studies),
        }


def import_path(
    store: Store,
    path: Path,
    actor: Actor,
    *,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    assumed_charset: str = "",
    source: str = "",
    named: bool = False,
) -> ImportReport:
    """Take every instance of a file, folder, medium or zip archive; `source` stands as where they came from.

    A file that is no DICOM file is passed over, but for those a DICOMDIR names (`named`: one elsewhere does), which are
    lost images. Files that are refused are in the report and stop nothing. Raises UsageError when `path` is nothing to
    import from, ResourceError when the disk is short or the database away: what had come by then is kept, and known
    another time.
    """
    report = ImportReport()
    try:
        with candidates(path, store.settings.limits) as found, _spool(store) as spool:
            promised = dict.fromkeys(named_in_dicomdirs(found))
            there = file_ids(each.name for each in found)
            report.missing = tuple(name for name in promised if name not in there)
            work = _Import(store, spool, actor, report, assumed_charset, source or actor.name)
            try:
                for number, candidate in enumerate(found):
                    if cancelled():
                        break
                    progress(number, len(found))
                    work.offer(candidate, named=named or is_named(candidate.name, promised))
            finally:
                work.finish()
            if report.found_nothing:
                report.refuse_unopened()
            progress(report.files, len(found))
    finally:  # what came before the disk was short is here
        count_again(store, report.studies)
        _record(store, actor, report)
    return report


def _spool(store: Store) -> AbstractContextManager[Path]:
    return files.work_folder(store.folder.spool / (SPOOL_PREFIX + uuid.uuid4().hex))


class _Import:
    """Copies in one thread; several instances are made durable meanwhile."""

    def __init__(
        self, store: Store, spool: Path, actor: Actor, report: ImportReport, assumed_charset: str, source: str
    ) -> None:
        self.store = store
        self.spool = spool
        self.actor = actor
        self.report = report
        self.assumed_charset = assumed_charset
        self.source = source
        self.intake = Intake(store)
        self.largest = store.settings.dicom.instance_mib << 20
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="import")
        self._room = threading.Semaphore(2 * AT_ONCE)
        self._lock = threading.Lock()
        self._futures: list[Future[None]] = []

    def offer(self, candidate: Candidate, *, named: bool = False) -> None:
        """Take one file, or say why not. Raises ResourceError when nothing more can be taken."""
        self.report.files += 1
        try:
            arrival = self._copied(candidate)
        except (DamagedError, UsageError) as error:
            said = str(error)
            if said == NO_DICOM:
                said = candidate.else_said or (NOT_AS_NAMED if named else "")
            with self._lock:
                if said:
                    self.report.refuse(candidate.name, said)
                else:
                    self.report.not_dicom += 1
                    self.report.unopened += [(candidate.name, candidate.alone_said)] if candidate.alone_said else []
            return
        if arrival is not None:
            self._room.acquire()
            self._futures.append(self._threads.submit(self._take, candidate.name, arrival))
            self._look_back()

    def _look_back(self) -> None:
        """Forget what is done; raise what could not be."""
        done = [future for future in self._futures if future.done()]
        self._futures = [future for future in self._futures if future not in done]
        for future in done:
            future.result()

    def _take(self, name: str, arrival: Arrival) -> None:
        try:
            taken = self._taken(arrival)
            with self._lock:
                self.report.count(taken)
        except NotNowError as error:  # the files that follow would fare no better
            raise ResourceError(str(error)) from error
        except RefusedError as error:
            with self._lock:
                self.report.refuse(name, str(error))
        finally:
            files.remove(arrival.path)
            self._room.release()

    def _taken(self, arrival: Arrival) -> Taken:
        """Into the index; without the zeros that some media have behind an instance, which are none of it."""
        try:
            return self.intake.take(arrival, self.actor)
        except PaddedError as padded:
            with arrival.path.open("rb") as file:
                head = file.read(arrival.offset)
                blocks = _blocks(file, padded.end - arrival.offset)
                cut = self._spooled(head, blocks, arrival.transfer_syntax)
            try:
                return self.intake.take(cut, self.actor)
            finally:
                files.remove(cut.path)

    def finish(self) -> None:
        self._threads.shutdown()
        for future in self._futures:
            future.result()

    def _copied(self, candidate: Candidate) -> Arrival | None:
        """The file in the spool, behind a head of our own; None for a DICOMDIR."""
        if candidate.refused:
            raise UsageError(candidate.refused)
        try:
            with candidate.open() as file:
                return self._copy(file)
        except (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
            if getattr(error, "errno", None) in files.FULL:
                raise ResourceError(_SHORT) from error
            raise DamagedError(say("it can't be read: %(why)s", why=error)) from error
        except ValueError as error:
            raise DamagedError(say("it can't be read: %(name)s", name=type(error).__name__)) from error

    def _copy(self, file: BinaryIO) -> Arrival | None:
        meta, rest = part10.read_meta(file)
        if meta.MediaStorageSOPClassUID == part10.MEDIA_STORAGE_DIRECTORY:
            return None
        head = head_of_file(meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID)
        return self._spooled(head, chain((rest,), _blocks(file)), meta.TransferSyntaxUID)

    def _spooled(self, head: bytes, blocks: Iterable[bytes], transfer_syntax: str) -> Arrival:
        """A file in the spool of a head of our own and a data set."""
        digest, size = hashlib.sha256(), 0
        with files.PartFile(self.spool / uuid.uuid4().hex) as part:
            part.write(head)
            for block in blocks:
                digest.update(block)
                part.write(block)
                size += len(block)
                if size > self.largest:
                    raise UsageError(say("it is larger than %(largest)s MiB", largest=self.largest >> 20))
                if not self.store.has_room(BLOCK):
                    raise ResourceError(_SHORT)
            part.keep()
        return Arrival(
            path=part.part,
            offset=len(head),
            size=size,
            sha256=digest.hexdigest(),
            transfer_syntax=transfer_syntax,
            source=self.source,
            assumed_charset=self.assumed_charset,
        )


def _blocks(file: BinaryIO, most: int | None = None) -> Iterator[bytes]:
    """What is left of a file, or `most` bytes of it."""
    while block := file.read(BLOCK if most is None else min(BLOCK, most)):
        yield block
        most = None if most is None else most - len(block)


def _record(store: Store, actor: Actor, report: ImportReport) -> None:
    if not report.studies:
        return
    with store.database.write() as connection:
        for study, counts in sorted(report.studies.items()):
            record(connection, "instances-imported", actor, object_kind="study", object_id=study, detail=counts)
