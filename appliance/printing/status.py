"""What the modality is told, derived from what is stored. Pure (PS3.3 C.13.8, C.13.9)."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.printing.printers import Printer
from appliance.store import job_states as states

# IPP printer-state-reasons -> Printer Status Info; a suffix -error, -warning, -report is cut off before
DEVICE_INFO = {
    "media-empty": "SUPPLY EMPTY",
    "media-needed": "SUPPLY EMPTY",
    "media-low": "SUPPLY LOW",
    "media-jam": "FILM JAM",
    "cover-open": "COVER OPEN",
    "door-open": "COVER OPEN",
    "interlock-open": "COVER OPEN",
    "offline": "PRINTER OFFLINE",
    "paused": "PRINTER OFFLINE",
    "shutdown": "PRINTER DOWN",
    "timed-out": "PRINTER DOWN",
    "connecting-to-device": "PRINTER DOWN",
    "spool-area-full": "PRINT BUFF FULL",
    "output-area-full": "RECEIVER FULL",
    "output-tray-missing": "NO RECEIVE MGZ",
    "input-tray-missing": "NO SUPPLY MGZ",
    "toner-empty": "SUPPLY EMPTY",
    "marker-supply-empty": "SUPPLY EMPTY",
    "toner-low": "SUPPLY LOW",
    "marker-supply-low": "SUPPLY LOW",
}
HARMLESS = ("none", "moving-to-paused-report", "wifi-not-configured-report")


def printer_status(printer: Printer, described: str, *, refusing: bool) -> tuple[str, str]:
    """(Printer Status, Printer Status Info) for a peer told of the ``queue`` or of the ``device``.

    The queue is NORMAL while films are accepted: scanners cancel their jobs on FAILURE and on some WARNINGs. A device
    that needs a person is WARNING, SUPPLY LOW. FAILURE only when films are refused.
    """
    if refusing or not printer.is_accepting_jobs:
        return "FAILURE", "PRINT BUFF FULL" if refusing else "PRINTER OFFLINE"
    info = device_info(printer.printer_state_reasons)
    needs_a_person = bool(info) or printer.printer_state == "stopped"
    if not needs_a_person:
        return "NORMAL", "NORMAL"
    if described == "queue":
        return "WARNING", "SUPPLY LOW"
    return ("FAILURE" if printer.printer_state == "stopped" else "WARNING"), info or "CHECK PRINTER"


def device_info(reasons: Sequence[str]) -> str:
    """The Printer Status Info of a device's reasons; "" when there is nothing to say."""
    for reason in reasons:
        if reason in HARMLESS:
            continue
        keyword = reason.removesuffix("-error").removesuffix("-warning").removesuffix("-report")
        if keyword in DEVICE_INFO:
            return DEVICE_INFO[keyword]
        if reason.endswith("-error"):
            return "CHECK PRINTER"
    return ""


def execution_status(job_state: str, reasons: Sequence[str], done_when: str) -> tuple[str, str]:
    """(Execution Status, Execution Status Info) of a print job for a peer told DONE when ``printed`` or ``queued``."""
    if job_state == states.COMPLETED:
        return "DONE", "NORMAL"
    if job_state == states.PROCESSING:
        return "PRINTING", "NORMAL"
    if job_state == states.CANCELED:
        return "FAILURE", "JOB CANCELED"
    if job_state == states.ABORTED:
        return "FAILURE", "CHECK PRINTER"
    if done_when == "queued":
        return "DONE", "NORMAL"
    if job_state == states.PENDING:
        return "PENDING", "QUEUED"
    return "PENDING", device_info(reasons) or "CHECK PRINTER"
