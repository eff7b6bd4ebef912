"""What an IPP printer is asked for and what its answers mean: pure functions over its attributes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from appliance.printing.device import ipp_message as ipp
from appliance.printing.device.delivery import shown
from appliance.printing.device.ipp_message import Attributes, IppMessage, value
from appliance.printing.device.outcome import (
    DeviceStatus,
    Document,
    Finding,
    MediaChoice,
    SendOutcome,
    Supply,
)
from appliance.words import row, say

# RFC 8011 section 5.3.7: job-state
JOB_STATES = {
    3: "pending",
    4: "pending-held",
    5: "processing",
    6: "processing-stopped",
    7: "canceled",
    8: "aborted",
    9: "completed",
}
ENDED = ("canceled", "aborted", "completed")

# RFC 8011 section 5.4.11: printer-state
PRINTER_STATES = {3: "idle", 4: "processing", 5: "stopped"}

SIZE_TOLERANCE = 50  # hundredths of mm: 14 in may be 35560 or 35600

# RFC 8011 section 5.3.8: reasons of an aborted job that another attempt would meet again
REFUSED_FOR_GOOD = {
    "document-format-error",
    "document-unprintable-error",
    "unsupported-attributes-or-values",
    "unsupported-compression",
    "unsupported-document-format",
}

# RFC 8011 appendix B: what a refusal means for the job; others are tried again
REFUSALS = {
    0x0400: SendOutcome.STOP_PRINTER,
    0x0401: SendOutcome.STOP_PRINTER,
    0x0402: SendOutcome.STOP_PRINTER,
    0x0403: SendOutcome.STOP_PRINTER,
    0x0406: SendOutcome.STOP_PRINTER,
    0x0407: SendOutcome.STOP_PRINTER,
    0x0408: SendOutcome.CANCEL,
    0x0409: SendOutcome.CANCEL,
    0x040A: SendOutcome.CANCEL,
    0x040B: SendOutcome.HOLD,
    0x040C: SendOutcome.STOP_PRINTER,
    0x040E: SendOutcome.HOLD,
    0x0411: SendOutcome.CANCEL,
    0x0501: SendOutcome.STOP_PRINTER,
    0x0503: SendOutcome.STOP_PRINTER,
    0x0508: SendOutcome.CANCEL,
}
ADVICE = {
    SendOutcome.RETRY: say("It will be tried again."),
    SendOutcome.HOLD: say("Load or choose what it needs, then release the job."),
    SendOutcome.STOP_PRINTER: say("Correct the printer's address or its settings."),
    SendOutcome.CANCEL: say("It would refuse it again."),
}

PRINTER_ATTRIBUTES = (
    "printer-state",
    "printer-state-reasons",
    "printer-state-message",
    "printer-is-accepting-jobs",
    "printer-up-time",
    "operations-supported",
    "document-format-supported",
    "which-jobs-supported",
    "job-creation-attributes-supported",
    "media-supported",
    "media-ready",
    "media-size-supported",
    "media-col-supported",
    "media-col-ready",
    "media-col-database",
    "media-source-supported",
    "media-type-supported",
    "print-scaling-supported",
    "sides-supported",
    "output-bin-supported",
    "printer-resolution-supported",
    "printer-make-and-model",
    "marker-names",
    "marker-levels",
    "printer-supply",
    "printer-supply-description",
)


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):  # noqa: N818
    """Why a job isn't sent, or wasn't taken."""

    outcome: SendOutcome
    message: str
    job_state_reasons: tuple[str, ...] = ()


class OperationRefusedError(Refusal):
    """The printer answered an operation with an error: of no worth as evidence on an earlier one."""


def refusal(answer: IppMessage, operation: str) -> OperationRefusedError:
    """What it means that the printer refused an operation."""
    outcome = REFUSALS.get(answer.status_code, SendOutcome.RETRY)
    unsupported = answer.first(ipp.UNSUPPORTED_GROUP)
    names = ", ".join(list(unsupported)[:8])
    said = shown(answer.message)
    why = f"{answer.status}{f' ({said})' if said else ''}{f': {names}' if names else ''}"
    words = say("%(operation)s was refused: %(why)s", operation=operation, why=why)
    media = outcome is SendOutcome.HOLD and any(name.startswith("media") for name in unsupported)
    return OperationRefusedError(
        outcome=outcome,
        message=f"{words}. {ADVICE[outcome]}",
        job_state_reasons=("media-needed",) if media else (),
    )


# ------------------------------------------------------------------------------------------------------- media


def sizes(collections: list[Any]) -> Iterator[tuple[Any, Any, Attributes]]:
    """(x, y, the whole entry) of each media-col or media-size collection; x and y may be ranges."""
    for entry in collections:
        if isinstance(entry, dict):
            size = value(entry, "media-size", entry)
            if isinstance(size, dict) and "x-dimension" in size and "y-dimension" in size:
                yield value(size, "x-dimension"), value(size, "y-dimension"), entry


def named_size(name: Any) -> tuple[int, int] | None:
    """Hundredths of mm of a self-describing media name (PWG 5101.1), e.g. iso_a4_210x297mm."""
    match = re.search("_([\\d.]+)x([\\d.]+)(mm|in)$", str(name))
    if not match:
        return None
    unit = 100 if match[3] == "mm" else 2540
    try:
        return round(float(match[1]) * unit), round(float(match[2]) * unit)
    except ValueError:
        return None


def fits(offered: Any, wanted: int) -> int | None:
    """The dimension to ask for when `offered` (a number or a range) has `wanted`, else None."""
    if isinstance(offered, tuple):
        return wanted if offered[0] <= wanted <= offered[1] else None
    return offered if isinstance(offered, int) and abs(offered - wanted) <= SIZE_TOLERANCE else None


def loaded(printer: Attributes) -> list[tuple[Any, Any, Attributes]]:
    """What the printer says it can print on now: what is ready, or else all it supports."""
    for names in (("media-col-ready",), ("media-ready",), ("media-size-supported", "media-col-database")):
        found = list(sizes([entry for name in names for entry in printer.get(name, [])]))
        found += [(*size, {}) for name in printer.get(names[0], []) if (size := named_size(name))]
        if found:
            return found
    return [(*size, {}) for name in printer.get("media-supported", []) if (size := named_size(name))]


def wanted_size(media: MediaChoice, document: Document) -> tuple[int, int]:
    """Portrait (x, y) in hundredths of mm: what was chosen, or the document's own."""
    if media.x_dimension and media.y_dimension:
        return media.x_dimension, media.y_dimension
    short, long = sorted((document.width_mm, document.height_mm))
    return round(short * 100), round(long * 100)


def exact_size(printer: Attributes, media: MediaChoice, document: Document) -> tuple[int, int]:
    """The loaded size that is the one wanted, in the printer's own numbers. Raises Refusal with media-needed."""
    x, y = wanted_size(media, document)
    for offered_x, offered_y, entry in loaded(printer):
        size = fits(offered_x, x), fits(offered_y, y)
        if size[0] is not None and size[1] is not None and _same_medium(entry, media):
            return size[0], size[1]
    sheet = f"{x / 100:g} x {y / 100:g} mm"
    if media.media_type:
        sheet = say("%(size)s of %(kind)s", size=sheet, kind=media.media_type)
    if media.media_source:
        sheet = say("%(sheet)s in %(tray)s", sheet=sheet, tray=media.media_source)
    raise Refusal(
        outcome=SendOutcome.HOLD,
        message=say("The printer has no sheet %(sheet)s. Load it, then release the job.", sheet=sheet),
        job_state_reasons=("media-needed",),
    )


def _same_medium(entry: Attributes, media: MediaChoice) -> bool:
    pairs = (("media-source", media.media_source), ("media-type", media.media_type))
    return all(wanted is None or value(entry, name, wanted) in (wanted, "auto") for name, wanted in pairs)


# ----------------------------------------------------------------------------------------------- job attributes


def job_attributes(printer: Attributes, media: MediaChoice, document: Document) -> bytes:
    """The job template attributes of one sheet: exact medium, one side, no scaling. Raises Refusal."""
    out = _media(printer, media, document)
    if "one-sided" in printer.get("sides-supported", []):
        out += ipp.keyword("sides", "one-sided")
    if "none" in printer.get("print-scaling-supported", []):
        out += ipp.keyword("print-scaling", "none")
    dots = document.resolution
    if dots and (dots, dots, ipp.DOTS_PER_INCH) in printer.get("printer-resolution-supported", []):
        out += ipp.resolution("printer-resolution", dots, dots)
    return out + _output_bin(printer, media.output_bin)


def _media(printer: Attributes, media: MediaChoice, document: Document) -> bytes:
    if media.media:
        return _named_media(printer, media.media)
    x, y = exact_size(printer, media, document)
    members = [ipp.collection("media-size", [ipp.integer("x-dimension", x), ipp.integer("y-dimension", y)])]
    for name, word in (("media-source", media.media_source), ("media-type", media.media_type)):
        if word:
            members.append(ipp.keyword(name, word))
    return ipp.collection("media-col", members)


def _named_media(printer: Attributes, name: str) -> bytes:
    there = printer.get("media-ready") or printer.get("media-supported") or [name]
    if name not in there:
        raise Refusal(
            outcome=SendOutcome.HOLD,
            message=say("The printer has no %(name)s. Load it, then release the job.", name=name),
            job_state_reasons=("media-needed",),
        )
    return ipp.keyword("media", name)


def _output_bin(printer: Attributes, wanted: str | None) -> bytes:
    if not wanted:
        return b""
    bins = printer.get("output-bin-supported", [])
    if wanted not in bins:
        message = say(
            "The printer has no output bin %(wanted)s, only %(there)s.",
            wanted=wanted,
            there=shown(", ".join(map(str, bins))) or "one",
        )
        raise Refusal(outcome=SendOutcome.HOLD, message=row((message, say("Correct the printer's settings.")), " "))
    return ipp.keyword("output-bin", wanted)


def unfit(printer: Attributes, document: Document) -> None:
    """Raises Refusal when the printer can't take the document now."""
    formats = printer.get("document-format-supported", [])
    if formats and document.document_format not in formats:
        message = say(
            "The printer takes no %(document_format)s, only %(there)s.",
            document_format=document.document_format,
            there=shown(", ".join(map(str, formats))),
        )
        raise Refusal(
            outcome=SendOutcome.STOP_PRINTER, message=row((message, say("Choose another format for it.")), " ")
        )
    if value(printer, "printer-is-accepting-jobs", True) is False:
        raise Refusal(
            outcome=SendOutcome.RETRY, message=say("The printer accepts no jobs now. It will be tried again.")
        )


# ----------------------------------------------------------------------------------------------- what jobs say


@dataclass(frozen=True, kw_only=True)
class JobState:
    """One job as the printer tells of it."""

    job_id: int
    name: str = ""
    state: str = "unknown"
    reasons: tuple[str, ...] = ()
    sheets: int | None = None  # that came out; None: not told
    created: int | None = None  # time-at-creation, in seconds of the printer's up-time

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def nothing_came_out(self) -> bool:
        return self.state in ("canceled", "aborted") and self.sheets == 0


JOB_ATTRIBUTES = (
    "job-id",
    "job-name",
    "job-state",
    "job-state-reasons",
    "job-impressions-completed",
    "job-media-sheets-completed",
    "time-at-creation",
)


def job_state(attributes: Attributes) -> JobState:
    """Read a job's attributes; what is of the wrong kind counts as not told."""
    reasons = tuple(shown(reason, 100) for reason in attributes.get("job-state-reasons", []) if reason != "none")
    counts = [_number(attributes, name) for name in ("job-impressions-completed", "job-media-sheets-completed")]
    told = [count for count in counts if count is not None]
    return JobState(
        job_id=_number(attributes, "job-id") or 0,
        name=str(value(attributes, "job-name", "")),
        state=JOB_STATES.get(_number(attributes, "job-state") or 0, "unknown"),
        reasons=reasons[:16],
        sheets=max(told) if told else None,
        created=_number(attributes, "time-at-creation"),
    )


def _number(attributes: Attributes, name: str) -> int | None:
    number = value(attributes, name)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def end_of(job: JobState) -> Refusal | None:
    """What the end of a job means: None when its sheet came out."""
    reasons = job.reasons
    words = say(
        "IPP job %(job_id)s ended as %(state)s (%(reasons)s).",
        job_id=job.job_id,
        state=job.state,
        reasons=", ".join(reasons) or "no reason given",
    )
    if job.state == "completed" and "job-completed-with-errors" not in reasons:
        return None
    if job.state == "aborted" and REFUSED_FOR_GOOD & set(reasons):
        message = row((words, say("It would refuse it again.")), " ")
        return Refusal(outcome=SendOutcome.CANCEL, message=message, job_state_reasons=reasons)
    if job.state == "canceled" and job.nothing_came_out:
        message = row((words, say("Somebody cancelled it there.")), " ")
        return Refusal(outcome=SendOutcome.CANCEL, message=message, job_state_reasons=reasons)
    if job.nothing_came_out:
        return Refusal(
            outcome=SendOutcome.RETRY,
            message=row((words, say("It will be tried again.")), " "),
            job_state_reasons=reasons,
        )
    advice = say("Look whether the sheet came out, then print again or call it done.")
    return Refusal(outcome=SendOutcome.UNCERTAIN, message=f"{words} {advice}", job_state_reasons=reasons)


def covers(jobs: list[JobState], printer: Attributes, age: float | None) -> bool:
    """Whether the printer's list of jobs reaches back before an attempt of `age` seconds ago.

    Only then does a missing job mean that it was never taken: printers forget jobs, at the latest when restarted. Their
    clocks count whole seconds.
    """
    up_time = _number(printer, "printer-up-time")
    if up_time is None or age is None:
        return False
    return any(job.created is not None and 0 <= job.created <= up_time - age - 1 for job in jobs)


# ----------------------------------------------------------------------------------------------- state and check


def device_status(printer: Attributes) -> DeviceStatus:
    """State, reasons and supplies in IPP keywords; the severity behind a reason is left out."""
    reasons = [shown(reason, 100) for reason in printer.get("printer-state-reasons", []) if reason != "none"]
    reasons = [re.sub("-(error|warning|report)$", "", reason) for reason in reasons]
    return DeviceStatus(
        printer_state=PRINTER_STATES.get(_number(printer, "printer-state") or 0, "unknown"),
        printer_state_reasons=tuple(dict.fromkeys(reasons))[:32],
        message=shown(value(printer, "printer-state-message", "")),
        supplies=tuple(supplies(printer))[:32],
    )


def supplies(printer: Attributes) -> Iterator[Supply]:
    """From marker-names and marker-levels, or else from printer-supply (PWG 5100.13)."""
    names = printer.get("marker-names", [])
    if names:
        for name, level in zip(names, printer.get("marker-levels", []), strict=False):
            yield Supply(name=shown(name, 100), level=level if isinstance(level, int) and 0 <= level <= 100 else -1)
        return
    descriptions = printer.get("printer-supply-description", [])
    for index, entry in enumerate(printer.get("printer-supply", [])):
        parts = dict(re.findall(r"(\w+)=([^;]*)", entry.decode("utf-8", "replace") if isinstance(entry, bytes) else ""))
        name = descriptions[index] if index < len(descriptions) else parts.get("type", "")
        yield Supply(name=shown(name, 100), level=_percent(parts.get("level", ""), parts.get("maxcapacity", "")))


def _percent(level: str, capacity: str) -> int:
    if level.isdigit() and capacity.isdigit() and len(level) < 10 and len(capacity) < 10 and int(capacity):
        return min(100, int(level) * 100 // int(capacity))
    return -1


def capabilities(printer: Attributes) -> list[Finding]:
    """What a film printer must be able to do, one line each."""
    takes = printer.get("document-format-supported", [])
    formats = [name for name in ("application/pdf", "application/postscript") if name in takes]
    exact = "media-size" in printer.get("media-col-supported", []) and bool(loaded(printer))
    asked = ipp.OPERATIONS["Get-Jobs"] in printer.get("operations-supported", [])
    history = "completed" in printer.get("which-jobs-supported", ["completed"])
    accepts = value(printer, "printer-is-accepting-jobs", True) is not False
    return [
        _finding(
            bool(formats),
            say("takes PDF or PostScript (%(formats)s)", formats=", ".join(formats) or "neither"),
            NO_FORMAT,
        ),
        _finding(
            "none" in printer.get("print-scaling-supported", []),
            say("prints without scaling (print-scaling)"),
            SCALES,
        ),
        _finding("one-sided" in printer.get("sides-supported", []), say("prints on one side (sides)"), TWO_SIDED),
        _finding(exact, say("takes an exact sheet (media-col with media-size)"), INEXACT),
        _finding(asked and history, say("can be asked which jobs it printed (Get-Jobs)"), FORGETS),
        _finding(accepts, say("accepts jobs"), say("It refuses jobs now: set it to accept them at the printer.")),
    ]


NO_FORMAT = say("It can't print our documents: reach it another way, e.g. through a print server.")
INEXACT = say("It would choose a sheet by itself: update its firmware, or give its media by name.")
FORGETS = say("After an interruption nobody can tell whether a film came out: such jobs will be held.")
SCALES = say("It may shrink or enlarge films: set it to 100 % at the printer and measure the ruler of the test page.")
TWO_SIDED = say("It may print films on both sides: set it to one-sided at the printer.")


def _finding(ok: bool, what: str, advice: str) -> Finding:
    return Finding(ok=ok, what=what, advice="" if ok else advice)
