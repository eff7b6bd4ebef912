"""What the modality is told of printers and jobs."""

from __future__ import annotations

import pytest

from appliance.printing.printers import Printer, PrinterSettings
from appliance.printing.status import execution_status, printer_status


def printer(**values: object) -> Printer:
    return Printer(name="p", device_uri="folder:/x", ae_titles=(), settings=PrinterSettings(), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "reasons", "described", "refusing", "status"),
    [
        ("idle", (), "queue", False, ("NORMAL", "NORMAL")),
        ("idle", ("none",), "device", False, ("NORMAL", "NORMAL")),
        ("idle", ("media-jam-error",), "queue", False, ("WARNING", "SUPPLY LOW")),
        ("idle", ("media-jam-error",), "device", False, ("WARNING", "FILM JAM")),
        ("stopped", ("connecting-to-device",), "device", False, ("FAILURE", "PRINTER DOWN")),
        ("stopped", (), "queue", False, ("WARNING", "SUPPLY LOW")),
        ("idle", ("media-empty",), "device", False, ("WARNING", "SUPPLY EMPTY")),
        ("idle", ("strange-error",), "device", False, ("WARNING", "CHECK PRINTER")),
        ("idle", (), "queue", True, ("FAILURE", "PRINT BUFF FULL")),
    ],
)
def test_printer_status_describes_the_queue_or_the_device(
    state: str, reasons: tuple[str, ...], described: str, refusing: bool, status: tuple[str, str]
) -> None:
    assert (
        printer_status(printer(printer_state=state, printer_state_reasons=reasons), described, refusing=refusing)
        == status
    )


def test_a_printer_that_takes_no_jobs_says_failure() -> None:
    assert printer_status(printer(is_accepting_jobs=False), "queue", refusing=False)[0] == "FAILURE"


@pytest.mark.parametrize(
    ("job_state", "done_when", "status"),
    [
        ("pending", "printed", ("PENDING", "QUEUED")),
        ("pending", "queued", ("DONE", "NORMAL")),
        ("pending-held", "printed", ("PENDING", "CHECK PRINTER")),
        ("processing", "printed", ("PRINTING", "NORMAL")),
        ("completed", "printed", ("DONE", "NORMAL")),
        ("canceled", "printed", ("FAILURE", "JOB CANCELED")),
        ("aborted", "queued", ("FAILURE", "CHECK PRINTER")),
    ],
)
def test_execution_status_follows_the_job_state(job_state: str, done_when: str, status: tuple[str, str]) -> None:
    assert execution_status(job_state, (), done_when) == status
    assert len(status[1]) <= 16  # CS
