"""Robots that take jobs as files in a folder they watch, and answer by renaming them.

Image and label are laid into the job folder, then the job file gets its name: the robot sees all or nothing. What the
robot says is its own verdict; its discs are out of our reach. Written from the makers' papers, not tried on hardware.
"""

from __future__ import annotations

import codecs
import errno
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from appliance import clock
from appliance.errors import SettingError
from appliance.media.burner.options import BurnerOptions
from appliance.media.burner.outcome import (
    LABEL_FIELDS,
    BurnerStatus,
    BurnOutcome,
    BurnRequest,
    BurnResult,
    Finding,
    Supply,
    Verification,
)
from appliance.media.burner.paths import chunks, describe, folder_of, opened
from appliance.store import files
from appliance.store.files import failpoint
from appliance.words import say

LARGEST_STATUS = 1 << 20
"""Bytes read of a status file."""
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""Byte order mark -> encoding of a text that Windows saved."""
LABEL_SUFFIXES = (".pdf", ".png", ".jpg", ".bmp")
TAKEN, WORKING, WAITING, DONE, FAILED = "taken", "working", "waiting", "done", "failed"
# words in a robot's message -> reason; the first that fits
TROUBLES = (
    (("jam", "stuck", "pick"), "media-jam"),
    (("out of disc", "no disc", "no media", "bin is empty", "no blank", "stacker"), "media-empty"),
    (("ink", "ribbon", "cartridge"), "marker-supply-empty"),
    (("cover", "door", "lid"), "cover-open"),
)


class JobFolderBurner(ABC):
    """One robot. What its maker lays down stands in the subclasses."""

    copies_at_once = False  # each piece has a serial and label of its own
    forms = ("iso",)
    submitted: ClassVar[str]  # extension the robot looks for
    states: ClassVar[Mapping[str, str]]  # extension it renames to -> state
    default_label: ClassVar[str]
    verifies: ClassVar[bool]  # its verdict says that it compared the disc with the image
    maker: ClassVar[str]
    aborted: ClassVar[Sequence[str]] = ()  # extensions it renames the file that cancels a job to

    def __init__(self, uri: str, options: BurnerOptions) -> None:
        self.path = folder_of(uri, options)
        self.options = options
        kind = {"none": "", "": self.default_label}.get(options.label, options.label)
        self.label_kind = "" if options.template else kind
        self.fields = _fields(options.fields)

    @abstractmethod
    def job(self, request: BurnRequest, image: str, label: str) -> list[str]:
        """The lines of the job file; `image` and `label` as the robot sees them."""

    def field_lines(self, request: BurnRequest) -> list[str]:
        """The lines of a file with the fields of the label template; none where they stand in the job file."""
        return []

    @abstractmethod
    def abort(self, request: BurnRequest) -> tuple[str, list[str]]:
        """Name and lines of the file that cancels a job."""

    @abstractmethod
    def says(self, job_name: str) -> str:
        """What the robot says about a job or itself, for people; "" when it says nothing."""

    @abstractmethod
    def levels(self) -> tuple[Supply, ...]:
        """Its supplies, as far as it tells."""

    # --- burning ---

    def submit(self, request: BurnRequest) -> BurnResult:
        """Lay image, label and job into the folder."""
        try:
            folder = opened(self.path, self.options)
            self._stage(request.image, self._image(request))
            label = self._label(request)
            if label is not None and request.label is not None:
                self._stage(request.label, label)
            fields = self.field_lines(request)
            if fields:
                files.write_file(self._fields_file(request), self._encoded(fields, ()))
            lines = self.job(request, self._seen(self._image(request)), self._seen(label) if label else "")
            part = self._job_part(request)
            if part.is_symlink():
                files.remove(part)
            with files.PartFile(folder / f"{request.job_name}{self.submitted}") as whole:
                whole.write(self._encoded(lines, self.options.extra))
                failpoint("burn.half")
                request.begin()
                whole.commit()
            failpoint("burn.done")
        except OSError as error:
            return self._failure(error)
        return BurnResult(outcome=BurnOutcome.WORKING, message=say("Given to the robot at %(path)s.", path=self.path))

    def _stage(self, source: Path, target: Path) -> None:
        """A second name where the disk is the same, else a copy."""
        files.remove(target)
        try:
            files.link(source, target)
            files.sync_folder(target.parent)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                raise
            files.write_file(target, chunks(source))

    def _encoded(self, lines: Sequence[str], more: Sequence[str]) -> bytes:
        end = "\r\n" if self.options.crlf else "\n"
        plain = (" ".join(line.split("\n")).replace("\r", " ") for line in [*lines, *more])
        return "".join(line + end for line in plain).encode(self.options.code_page, "replace")

    def _image(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}.iso"

    def _label(self, request: BurnRequest) -> Path | None:
        return self.path / f"{request.job_name}{request.label.suffix}" if request.label else None

    def _fields_file(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}.dat"

    def _job_part(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}{self.submitted}{files.PART_SUFFIX}"

    def _seen(self, path: Path) -> str:
        """A path in the job folder as the robot sees it: \\\\server\\share\\name, or C:\\Jobs\\name."""
        root = self.options.robot_root
        if not root:
            return str(path)
        separator = "\\" if "\\" in root or root[1:2] == ":" else "/"
        return root.rstrip("\\/") + separator + path.name

    def _failure(self, error: OSError) -> BurnResult:
        text = say(
            "Job folder %(path)s: %(why)s. Is the share mounted, and is there room?",
            path=self.path,
            why=describe(error),
        )
        return BurnResult(outcome=BurnOutcome.WAITING, reasons=("offline",), message=text)

    # --- how it stands ---

    def status(self, request: BurnRequest) -> BurnResult:
        """By the extension the robot gave the job file."""
        try:
            return self._status(request)
        except OSError as error:
            return self._failure(error)

    def _status(self, request: BurnRequest) -> BurnResult:
        state, path = self._find(request.job_name)
        if state is None:
            return self._missing(request)
        if state == DONE:
            return BurnResult(outcome=BurnOutcome.DONE, evidence=say("the robot says: %(path)s", path=path.name))
        said = self.says(request.job_name)
        if state == FAILED:
            self._tidy(request)  # image and label of a patient: another piece has its own
            text = say("%(title)s: the robot failed: %(said)s.", title=request.title, said=said or path.name)
            return BurnResult(outcome=BurnOutcome.SPOILED, reasons=_troubles(said) or ("robot-failed",), message=text)
        return self._at_work(state, path, said)

    def _at_work(self, state: str, path: Path, said: str) -> BurnResult:
        age = _age(path)
        if state == TAKEN and path.suffix.lower() == self.submitted.lower() and age > self.options.taken_deadline:
            text = say(
                "The robot has not taken %(path)s for %(age)s minutes: is its program running?",
                path=path.name,
                age=f"{age / 60:.0f}",
            )
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=("offline",), message=text)
        if state == WAITING or said:
            text = say("The robot waits: %(said)s.", said=said or "look at it")
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=_troubles(said) or ("robot-waits",), message=text)
        if age > self.options.deadline:
            text = say("The robot has %(path)s for %(age)s minutes: look at it.", path=path.name, age=f"{age / 60:.0f}")
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=("robot-waits",), message=text)
        return BurnResult(
            outcome=BurnOutcome.WORKING, message=say("The robot is at work (%(suffix)s).", suffix=path.suffix[1:])
        )

    def _missing(self, request: BurnRequest) -> BurnResult:
        """No file of that job: it never got its name, or the robot's program put it away."""
        if not request.begun or self._job_part(request).exists():
            return BurnResult(outcome=BurnOutcome.RETRY, message=say("The robot has not seen the job."))
        text = say(
            "The job %(job_name)s is gone from %(path)s: look at the robot whether it was made.",
            job_name=request.job_name,
            path=self.path,
        )
        return BurnResult(outcome=BurnOutcome.UNCERTAIN, message=text)

    def _find(self, job_name: str) -> tuple[str | None, Path]:
        """The state of a job and its file; the furthest where a rename is seen half. Raises OSError."""
        known = {self.submitted.lower(): TAKEN, **{suffix.lower(): state for suffix, state in self.states.items()}}
        order = (DONE, FAILED, WAITING, WORKING, TAKEN)
        found = [
            (known[path.suffix.lower()], path)
            for path in self.path.iterdir()
            if path.stem.lower() == job_name.lower() and path.suffix.lower() in known
        ]
        return min(found, key=lambda pair: order.index(pair[0]), default=(None, self.path))

    def cancel(self, request: BurnRequest) -> BurnResult:
        """Take back what the robot has not taken; ask it to abort what it has."""
        try:
            state, path = self._find(request.job_name)
            if state is None or path.suffix.lower() == self.submitted.lower():
                files.remove(path) if state else None
                self._tidy(request)
                return BurnResult(outcome=BurnOutcome.CANCELED, message=say("The job was taken back."))
            if state in (FAILED, DONE):
                self._tidy(request)
                return BurnResult(
                    outcome=BurnOutcome.CANCELED, message=say("The robot had ended it: %(path)s.", path=path.name)
                )
            name, lines = self.abort(request)
            asked = self.path / name
            if not any(asked.with_suffix(suffix).exists() for suffix in (asked.suffix, *self.aborted)):
                files.write_file(asked, self._encoded(lines, ()))
        except OSError as error:
            return self._failure(error)
        return BurnResult(outcome=BurnOutcome.WORKING, message=say("The robot was asked to stop."))

    # --- afterwards ---

    def verify(self, request: BurnRequest) -> Verification:
        """The robot's own verdict; nothing comes back here."""
        if self.verifies:
            text = say("the %(maker)s robot compared the disc with the image and found it good", maker=self.maker)
            return Verification(good=True, by="robot", message=text)
        text = say("the %(maker)s robot says that it burned the disc; it was not read back", maker=self.maker)
        return Verification(good=None, by="robot", message=text)

    def close(self, request: BurnRequest) -> None:
        """Remove what was only for the robot; its job file stays where its program looks for it."""
        self._tidy(request)

    def jobs_laid_down(self) -> list[str]:
        """Names of jobs whose image lies in the folder, others' among them. Raises OSError."""
        return [path.stem for path in self.path.iterdir() if path.suffix == ".iso"]

    def forget(self, job_name: str) -> None:
        """Remove what was laid down for a job nobody waits for; its job file is the robot's. Raises OSError."""
        for suffix in (".iso", ".dat", *LABEL_SUFFIXES):
            files.remove(self.path / f"{job_name}{suffix}")

    def _tidy(self, request: BurnRequest) -> None:
        files.remove(self._image(request))
        files.remove(self._job_part(request))
        files.remove(self._fields_file(request))
        label = self._label(request)
        if label is not None:
            files.remove(label)

    def supplies(self) -> BurnerStatus:
        """What the robot says of itself."""
        wrong = [finding for finding in self.probe() if not finding.ok]
        if wrong:
            return BurnerStatus(burner_state="stopped", burner_state_reasons=("offline",), message=wrong[0].advice)
        try:
            said = self.says("")
        except OSError as error:
            return BurnerStatus(
                burner_state="stopped", burner_state_reasons=("offline",), message=self._failure(error).message
            )
        return BurnerStatus(
            burner_state="stopped" if said else "idle",
            burner_state_reasons=_troubles(said),
            message=said,
            supplies=self.levels(),
        )

    def probe(self) -> list[Finding]:
        """Whether the folder can be written to."""
        what = say("writes into the job folder %(path)s", path=self.path)
        try:
            files.try_folder(opened(self.path, self.options))
        except OSError as error:
            return [
                Finding(ok=False, what=what, advice=say("%(why)s. Is the robot's share mounted?", why=describe(error)))
            ]
        return [
            Finding(ok=True, what=what),
            Finding(ok=True, what=say("%(maker)s: not tried on hardware by us", maker=self.maker)),
        ]


def _fields(given: Sequence[str]) -> dict[str, str]:
    """A template's fields: their names there -> which of LABEL_FIELDS. Raises SettingError."""
    pairs = [each.partition("=") for each in given] or [(name, "=", name) for name in LABEL_FIELDS]
    for name, equals, what in pairs:
        if not (name.strip() and equals and what in LABEL_FIELDS):
            known = ", ".join(LABEL_FIELDS)
            raise SettingError(
                say("A field of a label is NAME=KEYWORD, not %(given)s; there are %(known)s.", given=name, known=known),
                field="fields",
            )
    return {name.strip(): what for name, _, what in pairs}


def _troubles(said: str) -> tuple[str, ...]:
    words = said.casefold()
    return next(((reason,) for parts, reason in TROUBLES if any(part in words for part in parts)), ())


def _age(path: Path) -> float:
    """Seconds since the robot touched it; 0 when it was renamed in this moment."""
    try:
        return clock.now().timestamp() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def ini_sections(path: Path, code_page: str) -> dict[str, dict[str, str]]:
    """A status file as sections of keys in lower case; {} when it can't be read just now."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_STATUS)
    except OSError:
        return {}
    marked = next((name for mark, name in MARKS.items() if data.startswith(mark)), code_page)
    text = data.decode(marked, "replace")
    sections: dict[str, dict[str, str]] = {"": {}}
    current = sections[""]
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("[") and bare.endswith("]"):
            current = sections.setdefault(bare[1:-1].casefold(), {})
        elif "=" in bare:
            key, _, value = bare.partition("=")
            current[key.strip().casefold()] = value.strip()
    return sections
