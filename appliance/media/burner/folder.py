"""``folder:/path``: each image with its label and a ticket, there under their names only when whole.

For sites that burn with a program of their own, and for USB sticks mounted there. A hand-over, verified by reading the
copy.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

from appliance.media.burner.options import BurnerOptions
from appliance.media.burner.outcome import (
    BurnerStatus,
    BurnOutcome,
    BurnRequest,
    BurnResult,
    Finding,
    Supply,
    Verification,
)
from appliance.media.burner.paths import chunks, copy_tree, describe, folder_of, opened, sums_of
from appliance.store import files
from appliance.store.files import failpoint
from appliance.words import row, say

SUFFIX = {"iso": ".iso", "zip": ".zip", "folder": ""}
NEEDS_A_PERSON = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENOSPC)


class CanceledError(Exception):
    """A person cancelled it meanwhile."""


class FolderBurner:
    """A folder below one of the configured roots."""

    copies_at_once = True
    label_kind = "pdf"
    forms = ("iso", "folder", "zip")

    def __init__(self, uri: str, options: BurnerOptions) -> None:
        self.path = folder_of(uri, options)
        self.options = options

    def submit(self, request: BurnRequest) -> BurnResult:
        """Copy the image, then its label, then the ticket: who waits for the ticket finds all three."""
        try:
            folder = opened(self.path, self.options)
            if self._is_anothers(request):
                return self._taken(request)
            self._clear_links(request)
            request.begin()
            self._copy_image(request)
            failpoint("burn.done")
            if request.label is not None:
                files.write_file(folder / f"{request.job_name}{request.label.suffix}", chunks(request.label))
            ticket = json.dumps(request.ticket or {}, ensure_ascii=False, indent=2).encode() + b"\n"
            files.write_file(self._ticket(request), ticket)
        except CanceledError:
            return self.cancel(request)
        except OSError as error:
            return self._failure(error)
        return self._done()

    def _copy_image(self, request: BurnRequest) -> None:
        target = self._image(request)
        total = max(request.bytes, 1)

        def step(done: int) -> None:
            if request.is_canceled():
                raise CanceledError
            if done * 2 >= total:
                failpoint("burn.half")
            request.progress(done, request.bytes)

        if request.form == "folder":
            part = target.with_name(target.name + files.PART_SUFFIX)
            files.remove_tree(part)
            files.remove_tree(target)
            copy_tree(request.image, files.make_folder(part), step)
            files.rename(part, target)
            return
        with files.PartFile(target) as whole:
            for chunk in chunks(request.image):
                whole.write(chunk)
                step(whole.size)
            whole.commit()

    def _is_anothers(self, request: BurnRequest) -> bool:
        """Whether another disc lies there under the name: of an appliance before this one, or put there by somebody."""
        image, ticket = self._image(request), self._ticket(request)
        if not image.exists():
            return False
        try:
            told = json.loads(ticket.read_text("utf-8")).get("sha256")
        except (OSError, ValueError, AttributeError):
            told = None
        return (told or sums_of(image)[0]) != request.sha256

    def _taken(self, request: BurnRequest) -> BurnResult:
        text = say(
            "Another disc lies in %(path)s as %(name)s: move it away, and this one goes on.",
            path=self.path,
            name=self._image(request).name,
        )
        return BurnResult(outcome=BurnOutcome.WAITING, reasons=("offline",), message=text)

    def _clear_links(self, request: BurnRequest) -> None:
        """A link in the place of a part would be written through."""
        for name in (self._image(request), self._ticket(request)):
            part = name.with_name(name.name + files.PART_SUFFIX)
            if part.is_symlink():
                files.remove(part)

    def _image(self, request: BurnRequest) -> Path:
        return self.path / (request.job_name + SUFFIX[request.form])

    def _ticket(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}.json"

    def _done(self) -> BurnResult:
        return BurnResult(
            outcome=BurnOutcome.DONE, evidence=say("image, label and ticket are in %(path)s", path=self.path)
        )

    def _failure(self, error: OSError) -> BurnResult:
        """What isn't whole isn't there, so trying again is always safe."""
        person = error.errno in NEEDS_A_PERSON
        advice = (
            say("Make room, or correct the folder's rights or its address.")
            if person
            else say("It will be tried again.")
        )
        outcome = BurnOutcome.WAITING if person else BurnOutcome.RETRY
        return BurnResult(
            outcome=outcome,
            reasons=("offline",),
            message=row((say("Folder %(path)s: %(why)s.", path=self.path, why=describe(error)), advice), " "),
        )

    def status(self, request: BurnRequest) -> BurnResult:
        """Done when its ticket lies there, for that is written last; another disc's tells nothing."""
        if self._ticket(request).is_file() and self._image(request).exists() and not self._is_anothers(request):
            return self._done()
        return BurnResult(
            outcome=BurnOutcome.RETRY,
            message=say("%(job_name)s is not whole in %(path)s.", job_name=request.job_name, path=self.path),
        )

    def cancel(self, request: BurnRequest) -> BurnResult:
        """Remove what is there of it."""
        try:
            if not self._is_anothers(request):
                self._remove(request)
        except OSError as error:
            return self._failure(error)
        return BurnResult(
            outcome=BurnOutcome.CANCELED,
            message=say("%(job_name)s was removed from %(path)s.", job_name=request.job_name, path=self.path),
        )

    def _remove(self, request: BurnRequest) -> None:
        files.remove(self._ticket(request))
        if request.label is not None:
            files.remove(self.path / f"{request.job_name}{request.label.suffix}")
        image = self._image(request)
        if request.form == "folder":
            files.remove_tree(image)
            files.remove_tree(image.with_name(image.name + files.PART_SUFFIX))
        else:
            files.remove(image)
            files.remove(image.with_name(image.name + files.PART_SUFFIX))

    def verify(self, request: BurnRequest) -> Verification:
        """Read the copy back."""
        try:
            sha256, size = sums_of(self._image(request))
        except OSError as error:
            return Verification(
                good=False, by="read-back", message=say("The copy can't be read: %(why)s.", why=describe(error))
            )
        good = (sha256, size) == (request.sha256, request.bytes)
        told = {"size": f"{size:,}", "path": self.path}
        text = (
            say("the %(size)s bytes in %(path)s were read back", **told)
            if good
            else say("the %(size)s bytes in %(path)s were read back and are not those of the image", **told)
        )
        return Verification(good=good, by="read-back", sha256=sha256, message=text)

    def close(self, request: BurnRequest) -> None:
        """Nothing to do: it stays there for whoever takes it."""

    def supplies(self) -> BurnerStatus:
        """Room in the folder."""
        wrong = [finding for finding in self.probe() if not finding.ok]
        if wrong:
            return BurnerStatus(burner_state="stopped", burner_state_reasons=("offline",), message=wrong[0].advice)
        room = _free(self.path)
        return BurnerStatus(supplies=(Supply(name="room", level=room >> 20, unit="MiB"),))

    def probe(self) -> list[Finding]:
        """Whether a file can be written there."""
        what = say("writes into %(path)s", path=self.path)
        try:
            files.try_folder(opened(self.path, self.options))
        except OSError as error:
            return [
                Finding(
                    ok=False, what=what, advice=say("%(why)s. Correct the folder or its rights.", why=describe(error))
                )
            ]
        return [Finding(ok=True, what=what)]


def _free(path: Path) -> int:
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize
