"""``agent:NAME``: a drive at somebody's desk, whose PC fetches the image, burns it, reads it back and reports.

Jobs and reports lie as files in the data folder; the page's API carries them to and from ``appliance burner-agent``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from appliance import clock
from appliance.errors import NotFoundError, UsageError
from appliance.media.burner.options import BurnerOptions
from appliance.media.burner.outcome import (
    BurnerStatus,
    BurnOutcome,
    BurnRequest,
    BurnResult,
    Finding,
    Verification,
)
from appliance.media.burner.paths import describe
from appliance.store import files
from appliance.store.files import failpoint
from appliance.words import say

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
ALIVE_SECONDS = 60.0
_SUFFIXES = (".json", ".report", ".cancel", f".json{files.PART_SUFFIX}")
STATES = ("working", "waiting", "done", "spoiled", "refused", "uncertain", "canceled")
"""What an agent may report: the outcomes of its own burner."""
OVER = frozenset(STATES) - {"working", "waiting"}
"""After such a report the agent has nothing more to do with the job."""
FACTS = (
    "job_name",
    "form",
    "sha256",
    "bytes",
    "medium",
    "volume_id",
    "number",
    "count",
    "title",
    "serials",
    "ticket",
)


def folder_of(data: Path, name: str) -> Path:
    """Where the jobs of an agent lie. Raises NotFoundError for what is no name of one."""
    if not NAME.fullmatch(name):
        raise NotFoundError(say("There is no agent %(name)s.", name=repr(name[:64])))
    return data / "agents" / name


def folders(data: Path) -> list[Path]:
    """The folders of all agents there have been."""
    return [path for path in (data / "agents").glob("*") if path.is_dir()]


class AgentBurner:
    """A burner on another machine."""

    copies_at_once = False
    forms = ("iso",)

    def __init__(self, uri: str, options: BurnerOptions) -> None:
        name = uri.partition(":")[2]
        if not NAME.fullmatch(name) or not options.folder_roots:
            raise UsageError(
                say("%(uri)s names no agent; give agent:NAME, of letters, digits, - and _", uri=uri),
                field="burner_uri",
            )
        self.name = name
        self.path = folder_of(options.folder_roots[0], name)
        self.options = options
        self.label_kind = {"none": "", "": "pdf"}.get(options.label, options.label)

    def submit(self, request: BurnRequest) -> BurnResult:
        """Lay the job down for the agent."""
        facts: dict[str, Any] = {name: getattr(request, name) for name in FACTS}
        facts |= {"image": str(request.image), "label": str(request.label) if request.label else ""}
        try:
            files.make_folder(self.path)
            files.remove(self._report(request))
            files.remove(self._cancel(request))
            with files.PartFile(self._job(request)) as whole:
                whole.write(json.dumps(facts).encode())
                failpoint("burn.half")
                request.begin()
                whole.commit()
            failpoint("burn.done")
        except OSError as error:
            text = say("The job for agent %(name)s can't be laid down: %(why)s.", name=self.name, why=describe(error))
            return BurnResult(outcome=BurnOutcome.WAITING, reasons=("offline",), message=text)
        return BurnResult(outcome=BurnOutcome.WORKING, message=say("Waits for agent %(name)s.", name=self.name))

    def _job(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}.json"

    def _part(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}.json{files.PART_SUFFIX}"

    def _report(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}.report"

    def _cancel(self, request: BurnRequest) -> Path:
        return self.path / f"{request.job_name}.cancel"

    def status(self, request: BurnRequest) -> BurnResult:
        """What the agent reported last."""
        report = read_json(self._report(request))
        if report is None:
            if not self._job(request).exists():
                return self._missing(request)
            if not self._is_alive():
                return self._absent()
            return BurnResult(outcome=BurnOutcome.WORKING, message=say("Waits for agent %(name)s.", name=self.name))
        outcome = BurnOutcome(report["state"])
        if outcome in (BurnOutcome.WORKING, BurnOutcome.WAITING) and not self._is_alive():
            return self._absent()
        return BurnResult(
            outcome=outcome,
            reasons=tuple(report["reasons"]),
            message=f"{report['message']} (agent {self.name})" if report["message"] else "",
            evidence=f"agent {self.name}: {report['evidence']}",
            done=report["done"],
        )

    def _missing(self, request: BurnRequest) -> BurnResult:
        """No such job: it never got its name, or somebody removed it."""
        if not request.begun or self._part(request).exists():
            return BurnResult(
                outcome=BurnOutcome.RETRY, message=say("Agent %(name)s has not seen the job.", name=self.name)
            )
        text = say(
            "The job %(job_name)s is gone: look at the desk of agent %(name)s whether it was burned.",
            job_name=request.job_name,
            name=self.name,
        )
        return BurnResult(outcome=BurnOutcome.UNCERTAIN, message=text)

    def _absent(self) -> BurnResult:
        text = say("Agent %(name)s is not there: start appliance burner-agent on its PC.", name=self.name)
        return BurnResult(outcome=BurnOutcome.WAITING, reasons=("offline",), message=text)

    def cancel(self, request: BurnRequest) -> BurnResult:
        """Take back what the agent has not begun; ask it to stop what it has."""
        if read_json(self._report(request)) is None:
            self.close(request)
            return BurnResult(outcome=BurnOutcome.CANCELED, message=say("The job was taken back."))
        result = self.status(request)
        if result.outcome in (BurnOutcome.WORKING, BurnOutcome.WAITING) and not self._is_alive():
            self.close(request)  # who knows when it is back; it finds its job gone then
            text = say("Agent %(name)s is not there: look at its desk for a disc that was begun.", name=self.name)
            return BurnResult(outcome=BurnOutcome.CANCELED, message=text)
        if result.outcome in (BurnOutcome.WORKING, BurnOutcome.WAITING):
            files.write_file(self._cancel(request), b"")
            return BurnResult(
                outcome=BurnOutcome.WORKING, message=say("Agent %(name)s was asked to stop.", name=self.name)
            )
        self.close(request)
        return BurnResult(outcome=BurnOutcome.CANCELED, message=say("The agent had ended it."))

    def verify(self, request: BurnRequest) -> Verification:
        """What the agent read back: the sum it took is compared here."""
        report = read_json(self._report(request)) or {}
        sha256, by = str(report.get("sha256", "")), str(report.get("verified_by", "nobody"))
        if report.get("verified") is None and not sha256:
            return Verification(
                good=None, by="nobody", message=say("agent %(name)s did not read the disc back", name=self.name)
            )
        good = bool(report.get("verified")) and sha256 == request.sha256
        text = say(
            "read back by agent %(name)s: %(verification)s", name=self.name, verification=report.get("verification", "")
        )
        return Verification(good=good, by=by, sha256=sha256, message=text)

    def close(self, request: BurnRequest) -> None:
        """Done with: the agent sees that its job is gone."""
        forget(self.path, request.job_name)

    def _is_alive(self) -> bool:
        try:
            return clock.now().timestamp() - (self.path / "seen").stat().st_mtime < ALIVE_SECONDS
        except OSError:
            return False

    def supplies(self) -> BurnerStatus:
        """Whether the agent has been heard of lately."""
        if self._is_alive():
            return BurnerStatus()
        return BurnerStatus(burner_state="stopped", burner_state_reasons=("offline",), message=self._absent().message)

    def probe(self) -> list[Finding]:
        """The same as a finding."""
        alive = self._is_alive()
        advice = (
            ""
            if alive
            else say("Start appliance burner-agent --burner NAME on the PC of agent %(name)s.", name=self.name)
        )
        return [Finding(ok=alive, what=say("agent %(name)s has asked for work lately", name=self.name), advice=advice)]


def read_json(path: Path) -> dict[str, Any] | None:
    """A job or report; None when there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if isinstance(found, dict) else None


# the server's side of the API -------------------------------------------------------------------------------------


def jobs_of(folder: Path) -> list[dict[str, Any]]:
    """The jobs an agent still has to do with, oldest first, without our paths; that it asked is noted.

    What it forgets then is all it has of a job: image and label of a patient, whatever became of the disc.
    """
    files.write_scratch(files.make_folder(folder) / "seen", b"")
    found = []
    for path in sorted(folder.glob("*.json"), key=_age):
        facts = read_json(path)
        if facts is not None:
            has_label = bool(facts.pop("label"))
            facts.pop("image")
            canceled = path.with_suffix(".cancel").exists()
            said = read_json(path.with_suffix(".report")) or {}
            if said.get("state") not in OVER:
                found.append({**facts, "has_label": has_label, "canceled": canceled, "begun": bool(said.get("begun"))})
    return found


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # ended in this moment
        return 0.0


def serials_of(folder: Path) -> dict[str, tuple[str, ...]]:
    """Job -> the pieces of media it is to make."""
    jobs = {path.stem: read_json(path) for path in folder.glob("*.json")}
    return {name: tuple(facts["serials"]) for name, facts in jobs.items() if facts is not None}


def forget(folder: Path, job_name: str) -> None:
    """Remove a job nobody waits for any more, with what was said of it."""
    for suffix in _SUFFIXES:
        files.remove(folder / f"{job_name}{suffix}")


def file_of(folder: Path, job_name: str, what: str) -> Path:
    """The image or label of a job. Raises NotFoundError."""
    facts = read_json(folder / f"{job_name}.json") if NAME.fullmatch(job_name) else None
    if facts is None or not facts.get(what) or not Path(facts[what]).is_file():
        raise NotFoundError(say("There is no %(what)s of a job %(job_name)s.", what=what, job_name=repr(job_name[:64])))
    return Path(facts[what])


def report(folder: Path, job_name: str, said: dict[str, Any]) -> None:
    """Keep what an agent says of a job. Raises NotFoundError when the job is gone."""
    if not NAME.fullmatch(job_name) or not (folder / f"{job_name}.json").is_file():
        raise NotFoundError(say("There is no job %(job_name)s: it was ended.", job_name=repr(job_name[:64])))
    files.write_file(folder / f"{job_name}.report", json.dumps(said).encode())
