"""``folder:/path``: each document as a whole file, there under its name or not at all."""

from __future__ import annotations

import errno
import filecmp
from pathlib import Path

from appliance.errors import UsageError
from appliance.folders import path_of, refuse_unmounted
from appliance.printing.device.delivery import CanceledError, Delivery, canceled, describe
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.outcome import (
    DeviceStatus,
    Document,
    Finding,
    Progress,
    SendOutcome,
    SendRequest,
    SendResult,
    document_name,
)
from appliance.store import files
from appliance.store.files import failpoint
from appliance.words import row, say, say_many

SUFFIXES = {"application/pdf": ".pdf", "application/postscript": ".ps"}
NEEDS_A_PERSON = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP)


class FolderDevice:
    """A folder below one of the configured roots."""

    def __init__(self, uri: str, options: DeviceOptions) -> None:
        self.path = folder_of(uri)
        self.options = options
        if not any(within(self.path, root) for root in options.folder_roots):
            raise UsageError(
                say("%(path)s lies under no allowed folder: %(roots)s", path=self.path, roots=self._roots()),
                field="device_uri",
            )

    def _roots(self) -> str:
        return ", ".join(str(root) for root in self.options.folder_roots) or say("none is configured")

    def send(self, request: SendRequest, progress: Progress) -> SendResult:
        """Write each document that is not there yet; another's film under its name is never overwritten."""
        delivery = Delivery(request, progress)
        try:
            self._open()
            for document in delivery.documents:
                self._write(document, delivery)
            failpoint("device.closed")
        except CanceledError:
            return canceled(delivery, str(self.path))
        except OSError as error:
            return self._failure(error, delivery)
        return self._done(delivery.documents_done)

    def _open(self) -> Path:
        """The folder, made when it is not there. Raises OSError when a link leads out of the roots, or it is away."""
        failpoint("device.connect")
        refuse_unmounted(self.options.mount_point)
        real = self.path.resolve()
        if not any(within(real, root.resolve()) for root in self.options.folder_roots):
            raise OSError(errno.ELOOP, say("it leads out of %(roots)s", roots=self._roots()))
        return files.make_folder(self.path)

    def _write(self, document: Document, delivery: Delivery) -> None:
        target = self._target(delivery.request, document)
        if same(document.path, target):
            delivery.skip(document)
            return
        if target.exists():  # of another appliance, or of this one before it began anew
            raise FileExistsError(errno.EEXIST, say("another film lies there as %(name)s: move it", name=target.name))
        with files.PartFile(target) as part:
            for chunk in delivery.chunks(document.path):
                part.write(chunk)
            part.commit()
        delivery.document_done()

    def _target(self, request: SendRequest, document: Document) -> Path:
        name = document_name(request, document)
        if "/" in name or name.startswith("."):
            raise UsageError(say("%(name)s can't be the name of a file", name=name), field="job_name")
        target = self.path / (name + SUFFIXES.get(document.document_format, ".bin"))
        part = target.with_name(target.name + files.PART_SUFFIX)
        if part.is_symlink():  # would be written through
            files.remove(part)
        return target

    def _done(self, count: int) -> SendResult:
        return SendResult(
            outcome=SendOutcome.DONE,
            job_state_reasons=("job-completed-successfully",),
            evidence=say_many("%(number)s file in %(path)s", "%(number)s files in %(path)s", count, path=self.path),
            documents_done=count,
        )

    def _failure(self, error: OSError, delivery: Delivery) -> SendResult:
        """A file that isn't whole isn't there, so trying again is always safe."""
        person = error.errno in NEEDS_A_PERSON
        advice = say("Correct the folder's rights or its address.") if person else say("It will be tried again.")
        folder = say("Folder %(path)s: %(why)s.", path=self.path, why=describe(error))
        return SendResult(
            outcome=SendOutcome.STOP_PRINTER if person else SendOutcome.RETRY,
            job_state_reasons=() if person else ("connecting-to-device",),
            message=row(filter(None, (folder, delivery.part_done().strip(), advice)), " "),
            documents_done=delivery.documents_done,
            rest_untouched=True,
        )

    def ask(self, request: SendRequest) -> SendResult:
        """Which of the documents lie there."""
        there = [same(document.path, self._target(request, document)) for document in request.documents]
        if all(there):
            return self._done(len(there))
        count = there.index(False)
        return SendResult(
            outcome=SendOutcome.RETRY,
            message=say(
                "%(there)s of %(there_2)s files are in %(path)s; the others will be written.",
                there=sum(there),
                there_2=len(there),
                path=self.path,
            ),
            documents_done=count,
            rest_untouched=True,
        )

    def status(self) -> DeviceStatus:
        """Idle when the folder can be written to."""
        findings = [finding for finding in self.check() if not finding.ok]
        if findings:
            return DeviceStatus(
                printer_state="stopped",
                printer_state_reasons=("connecting-to-device",),
                message=findings[0].advice,
            )
        return DeviceStatus(printer_state="idle")

    def check(self) -> list[Finding]:
        """Whether a file can be written there."""
        what = say("writes into %(path)s", path=self.path)
        try:
            files.try_folder(self._open())
        except OSError as error:
            return [
                Finding(
                    ok=False, what=what, advice=say("%(why)s. Correct the folder or its rights.", why=describe(error))
                )
            ]
        return [Finding(ok=True, what=what)]


def folder_of(uri: str) -> Path:
    """The folder a ``folder:`` URI names. Raises UsageError when it isn't absolute."""
    path = path_of(uri)
    if path is None:
        raise UsageError(say("%(uri)s names no folder; give folder:/absolute/path", uri=uri), field="device_uri")
    return path


def within(path: Path, root: Path) -> bool:
    """Whether `path` is `root` or below it."""
    return path == root or root in path.parents


def same(source: Path, target: Path) -> bool:
    """Whether `target` is there already, byte for byte."""
    return target.is_file() and not target.is_symlink() and filecmp.cmp(source, target, shallow=False)
