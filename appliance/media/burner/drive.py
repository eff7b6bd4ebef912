"""``drive:/dev/sr0``: a drive of this machine, through xorriso; ``drive:stdio:/path`` is a file that plays one.

A disc is burned only when the one in the drive is blank. The writing program holds a lock on the drive that outlives
us: should this process die, the burn goes on, and who comes next finds it busy, then reads back what came of it.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import UsageError
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
from appliance.media.burner.paths import describe, sha256_of, within
from appliance.store import files
from appliance.store.files import failpoint
from appliance.words import row, say

PROGRAM = "xorriso"
VERSION = re.compile(r"\d+(?:\.\d+)+")
LOOK_SECONDS = 120.0
POLL_SECONDS = 0.2
STOP_SECONDS = 30.0
DRIVES = ((stat.S_IFBLK, 11), (stat.S_IFCHR, 21))
"""Kind and major number of what Linux calls sr and sg (devices.txt of the kernel)."""
SECTOR = 2048
_STATUS = re.compile(r"^Media status\s*: (.*)$", re.M)
_CURRENT = re.compile(r"^Media current: (.*)$", re.M)
_BLOCKS = re.compile(r"^Media blocks : (\d+) readable , (\d+) writable", re.M)
_WRITTEN = re.compile(r"(\d+) of\s+(\d+) MB written")
_PROBLEM = re.compile(r"(?:FAILURE|FATAL|SORRY|MISHAP) : (.*)")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is in the drive."""

    medium: str  # none, blank, written, busy, unknown, no-drive
    kind: str = ""  # as xorriso calls it: CD-R, DVD+R ...
    writable: int = 0  # bytes
    message: str = ""


class DriveBurner:
    """One drive."""

    copies_at_once = False
    label_kind = "pdf"
    forms = ("iso",)

    def __init__(self, uri: str, options: BurnerOptions) -> None:
        self.options = options
        address = uri.partition(":")[2]
        self.is_file = address.startswith("stdio:")
        self.path = Path(address.removeprefix("stdio:"))
        self._check(uri)
        # "mmc:" forbids xorriso to take anything but an optical drive
        self.address = f"stdio:{self.path}" if self.is_file else f"mmc:{self.path}"

    def _check(self, uri: str) -> None:
        if not self.path.is_absolute() or ".." in self.path.parts:
            raise UsageError(say("%(uri)s names no drive; give drive:/dev/sr0", uri=uri), field="burner_uri")
        if self.is_file:
            if not any(within(self.path, root) for root in self.options.folder_roots):
                raise UsageError(say("%(path)s lies under no allowed folder", path=self.path), field="burner_uri")
        elif self.path.parts[1] != "dev":
            raise UsageError(say("%(uri)s names no drive; give drive:/dev/sr0", uri=uri), field="burner_uri")

    def refuse_other_device(self) -> None:
        """Raise UsageError when its path is there and no optical drive. One that is not there may be switched off."""
        if not self.is_file and _is_something_else(self.path):
            raise UsageError(
                say("%(path)s is no optical drive; give drive:/dev/sr0", path=self.path), field="burner_uri"
            )

    # --- burning ---

    def submit(self, request: BurnRequest) -> BurnResult:
        """Burn, when the disc in the drive is blank and large enough."""
        look = self.look()
        unfit = self._unfit(look, request)
        if unfit is not None:
            return unfit
        try:
            with self._locked() as descriptor:
                if descriptor is None:
                    return BurnResult(
                        outcome=BurnOutcome.WORKING, reasons=("busy",), message=say("%(path)s is busy.", path=self.path)
                    )
                request.begin()
                return self._burn(request, descriptor)
        except OSError as error:
            return BurnResult(outcome=BurnOutcome.UNCERTAIN, message=f"{self.path}: {describe(error)}.")

    def _unfit(self, look: Look, request: BurnRequest) -> BurnResult | None:
        """What a person must do before the disc can be burned; None: nothing."""
        wanted = say(
            "Insert a blank %(upper)s for %(title)s in %(path)s",
            upper=request.medium.upper(),
            title=request.title,
            path=self.path,
        )
        if look.medium == "busy":
            return BurnResult(
                outcome=BurnOutcome.WORKING, reasons=("busy",), message=say("%(path)s is busy.", path=self.path)
            )
        if look.medium in ("no-drive", "unknown"):
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=("offline",), message=f"{self.path}: {look.message}")
        if look.medium == "none":
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=("media-needed",), message=f"{wanted}.")
        rewritable = "RW" in look.kind or "RAM" in look.kind
        if look.medium == "written" and not (self.options.blank_rewritable and rewritable):
            text = say("The disc in the drive is not blank. %(wanted)s.", wanted=wanted)
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=("media-needed", "media-not-blank"), message=text)
        if look.medium == "blank" and 0 < look.writable < request.bytes:
            text = say(
                "The disc in the drive takes %(writable)s bytes of %(bytes)s. %(wanted)s.",
                writable=f"{look.writable:,}",
                bytes=f"{request.bytes:,}",
                wanted=wanted,
            )
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=("media-needed", "media-too-small"), message=text)
        return None

    def _burn(self, request: BurnRequest, descriptor: int) -> BurnResult:
        command = [PROGRAM, "-as", "cdrecord", "-v", f"dev={self.address}"]
        command += [f"speed={self.options.speed}"] if self.options.speed else []
        command += ["blank=as_needed"] if self.options.blank_rewritable else []
        command.append(str(request.image))
        log = files.write_scratch(request.image.with_suffix(".burn-log"), b"")
        with log.open("w") as said_to:  # a pipe would break when we die, and the burn with it
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said_to,
                pass_fds=(descriptor,),  # the lock is the writing program's as long as it lives
                start_new_session=True,
            )
        try:
            said, canceled = self._follow(process, log, request)
        except BaseException:
            _stop(process)
            raise
        failpoint("burn.done")
        if canceled:
            text = say("Burning in %(path)s was stopped; the disc in it is waste.", path=self.path)
            return BurnResult(outcome=BurnOutcome.CANCELED, message=text)
        if process.returncode != 0:
            text = say(
                "%(title)s: %(program)s says: %(said)s.",
                title=request.title,
                program=PROGRAM,
                said=said or say("exit code %(code)s", code=process.returncode),
            )
            return BurnResult(outcome=BurnOutcome.SPOILED, reasons=("burn-failed",), message=text)
        return BurnResult(
            outcome=BurnOutcome.DONE,
            evidence=say("%(program)s wrote %(path)s without complaint", program=PROGRAM, path=self.path),
        )

    def _follow(self, process: subprocess.Popen[bytes], log: Path, request: BurnRequest) -> tuple[str, bool]:
        """Its progress until it ends; what it complained of first, and whether it was cancelled."""
        canceled = half = False
        while True:
            ended = process.poll() is not None
            text = log.read_text("utf-8", "replace")
            if "Beginning to write" in text and not half:
                half = True
                failpoint("burn.half")
            written = _WRITTEN.findall(text)
            if written:
                request.progress(min(int(written[-1][0]) << 20, request.bytes), request.bytes)
            if ended:
                problem = _PROBLEM.search(text)
                return problem[1].strip() if problem else "", canceled
            if not canceled and request.is_canceled():
                canceled = True
                _stop(process)
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _locked(self) -> Iterator[int | None]:
        """A descriptor that holds the drive's lock; None when another burn holds it. Raises OSError."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    # --- what is in the drive ---

    def look(self) -> Look:
        """What is in the drive now."""
        if not self.path.exists():
            if self.is_file:  # the file is the disc
                return Look(medium="none")
            return Look(medium="no-drive", message=say("there is no such drive; is its cable in?"))
        try:
            with self._locked() as descriptor:
                if descriptor is None:
                    return Look(medium="busy")
                return self._ask()
        except OSError as error:
            return Look(medium="no-drive", message=f"{describe(error)}.")

    def _ask(self) -> Look:
        try:
            result = _xorriso("-outdev", self.address, "-toc")
        except subprocess.TimeoutExpired:
            return Look(medium="unknown", message=say("the drive does not answer."))
        found = _STATUS.search(result.stdout)
        if found is None:
            problem = _PROBLEM.search(result.stdout)
            return Look(medium="unknown", message=f"{problem[1] if problem else 'the drive is not ready'}.")
        kind, blocks = _CURRENT.search(result.stdout), _BLOCKS.search(result.stdout)
        words = {"is blank": "blank", "is written": "written", "is not present": "none"}
        medium = next((state for text, state in words.items() if found[1].startswith(text)), "unknown")
        return Look(
            medium=medium,
            kind=kind[1].strip() if kind else "",
            writable=int(blocks[2]) * SECTOR if blocks else 0,
            message=say("the disc can't be recognised; take another one.") if medium == "unknown" else "",
        )

    def status(self, request: BurnRequest) -> BurnResult:
        """From what is in the drive: busy, blank, this very image, or something else."""
        look = self.look()
        if look.medium == "busy":
            return BurnResult(
                outcome=BurnOutcome.WORKING,
                reasons=("busy",),
                message=say("%(path)s is being written.", path=self.path),
            )
        if not request.begun:
            return self._unfit(look, request) or BurnResult(
                outcome=BurnOutcome.RETRY, message=say("The drive is ready.")
            )
        if look.medium == "blank":
            return BurnResult(
                outcome=BurnOutcome.RETRY, message=say("Nothing was written in %(path)s.", path=self.path)
            )
        if look.medium == "written":
            if self.verify(request).good:
                return BurnResult(
                    outcome=BurnOutcome.DONE, evidence=say("the image is on the disc in %(path)s", path=self.path)
                )
            text = say("The disc in %(path)s is only half written, or another one: take it out.", path=self.path)
            return BurnResult(outcome=BurnOutcome.SPOILED, reasons=("burn-interrupted",), message=text)
        text = say(
            "Burning in %(path)s was interrupted, and the disc is gone. Check it by disc verify, or destroy it.",
            path=self.path,
        )
        return BurnResult(outcome=BurnOutcome.UNCERTAIN, message=text)

    def cancel(self, request: BurnRequest) -> BurnResult:
        """A burn under way is stopped by its own look at is_canceled; between burns there is nothing to stop."""
        if self.look().medium == "busy":
            return BurnResult(
                outcome=BurnOutcome.WORKING,
                reasons=("busy",),
                message=say("%(path)s is being written.", path=self.path),
            )
        return BurnResult(outcome=BurnOutcome.CANCELED)

    # --- afterwards ---

    def verify(self, request: BurnRequest) -> Verification:
        """Read exactly the image's bytes back from the disc."""
        try:
            sha256, size = self._read(request)
        except OSError as error:
            text = say("the disc in %(path)s can't be read back (%(why)s)", path=self.path, why=describe(error))
            return Verification(good=False, by="read-back", message=text)
        good = (sha256, size) == (request.sha256, request.bytes)
        text = (
            say("%(size)s bytes were read back from %(path)s", size=f"{size:,}", path=self.path)
            if good
            else say(
                "%(size)s bytes were read back from %(path)s and are not those of the image",
                size=f"{size:,}",
                path=self.path,
            )
        )
        return Verification(good=good, by="read-back", sha256=sha256, message=text)

    def _read(self, request: BurnRequest) -> tuple[str, int]:
        def step(done: int) -> None:
            request.progress(done, request.bytes)

        try:
            found = sha256_of(self.path, request.bytes, step)
        except OSError:
            if self.is_file:
                raise
            found = ("", 0)
        if found[1] < request.bytes and not self.is_file:
            # the kernel may still believe in the size the disc had before: out and in again
            _xorriso("-outdev", self.address, "-eject", "all")
            _xorriso("-outdev", self.address, "-toc")
            found = sha256_of(self.path, request.bytes, step)
        return found

    def close(self, request: BurnRequest) -> None:
        """Out with the disc: the person sees that it is done."""
        if self.options.eject and not self.is_file:
            with suppress(subprocess.TimeoutExpired):
                _xorriso("-outdev", self.address, "-eject", "all")

    def supplies(self) -> BurnerStatus:
        """Which disc is in."""
        look = self.look()
        state = {"busy": "processing", "no-drive": "stopped", "unknown": "unknown"}.get(look.medium, "idle")
        reasons = {"no-drive": ("offline",), "none": ("media-empty",), "unknown": ("media-unusable",)}
        discs = Supply(name="blank disc", level=int(look.medium == "blank"), unit="discs")
        return BurnerStatus(
            burner_state=state,
            burner_state_reasons=reasons.get(look.medium, ()),
            message=look.message,
            supplies=(discs,) if look.medium in ("none", "blank", "written") else (),
        )

    def probe(self) -> list[Finding]:
        """xorriso is there, the drive is one, and answers."""
        try:
            version = VERSION.findall(_xorriso("-version").stdout)[0]
        except (OSError, IndexError):
            return [
                Finding(
                    ok=False,
                    what=say("%(program)s is installed", program=PROGRAM),
                    advice=say("Install the package %(program)s.", program=PROGRAM),
                )
            ]
        found = [Finding(ok=True, what=say("%(program)s is installed: %(version)s", program=PROGRAM, version=version))]
        if not self.is_file:
            is_drive = self.path.exists() and stat.S_ISBLK(self.path.stat().st_mode)
            advice = "" if is_drive else say("Is it plugged in? Is its name right? See xorriso -device_links.")
            found.append(Finding(ok=is_drive, what=say("%(path)s is a drive", path=self.path), advice=advice))
        look = self.look()
        fine = look.medium not in ("no-drive", "unknown")
        advice = "" if fine else row((look.message, say("May this user open it (group cdrom)?")), " ")
        found.append(Finding(ok=fine, what=f"{self.path} answers: {look.kind or look.medium}", advice=advice))
        return found


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the writing program; it lets go of the drive by itself when asked."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _xorriso(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run xorriso, without its start-up files; stdout and stderr together."""
    command = [PROGRAM, "-no_rc", *arguments]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LOOK_SECONDS,
        check=False,
        text=True,
        errors="replace",
    )


def _is_something_else(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:  # unplugged, or hidden from this part
        return False
    return (stat.S_IFMT(found.st_mode), os.major(found.st_rdev)) not in DRIVES
