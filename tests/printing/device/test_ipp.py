from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.printing.device import ipp_message as ipp
from appliance.printing.device.ipp_job import (
    JobState,
    covers,
    device_status,
    end_of,
    exact_size,
    named_size,
)
from appliance.printing.device.outcome import MediaChoice, SendOutcome, SendRequest, Supply
from appliance.printing.device.registry import open_device
from tests.printing.device.harness import QUICK, MakeHarness, document, no_progress
from tests.support.ippeve import IppevePrinter, ippeve_printer, missing

DONE, RETRY, UNCERTAIN = SendOutcome.DONE, SendOutcome.RETRY, SendOutcome.UNCERTAIN
HOLD, CANCEL, STOP = SendOutcome.HOLD, SendOutcome.CANCEL, SendOutcome.STOP_PRINTER
NEVER_TWICE = iter(range(1, 1000))


def request_for(folder: Path, films: int = 1, **more: Any) -> SendRequest:
    """A job with a name no other test uses: the printer remembers them."""
    documents = [document(folder, film) for film in range(1, films + 1)]
    return SendRequest(job_name=f"appliance-{next(NEVER_TWICE)}", documents=documents, **more)


# ---------------------------------------------------------------------------------------------- the real printer


def test_a_film_arrives_byte_for_byte(ippeve: IppevePrinter, tmp_path: Path) -> None:
    request = request_for(tmp_path, 2, originator="CT1")
    before = len(ippeve.documents())
    result = open_device(ippeve.uri, options=QUICK).send(request, no_progress)
    assert (result.outcome, result.documents_done) == (DONE, 2), result.message
    assert result.job_state_reasons == ("job-completed-successfully",)
    assert ippeve.documents()[before:] == [film.path.read_bytes() for film in request.documents]


def test_the_exact_sheet_one_side_and_no_scaling_are_asked_for(tmp_path: Path) -> None:
    """ippeveprinter hands the job's attributes to its command as IPP_ variables."""
    if reason := missing():
        pytest.skip(reason)
    command = tmp_path / "command"
    command.write_text(f"#!/bin/sh\nenv | grep -e ^IPP_ -e ^CONTENT_TYPE > {tmp_path}/variables\n")
    command.chmod(0o755)
    film = replace(document(tmp_path, 1), resolution=320)
    media = MediaChoice(media_source="tray-1", media_type="film", output_bin="tray-2")
    with ippeve_printer(tmp_path / "printer", command=str(command)) as printer:
        request = SendRequest(job_name="exact", documents=[film], media=media, originator="CT1")
        assert open_device(printer.uri, options=QUICK).send(request, no_progress).outcome is DONE
    told = dict(line.split("=", 1) for line in (tmp_path / "variables").read_text().splitlines())
    assert told["IPP_PRINT_SCALING"] == "none"
    assert told["IPP_SIDES"] == "one-sided"
    assert told["IPP_OUTPUT_BIN"] == "tray-2"
    assert told["IPP_PRINTER_RESOLUTION"] == "320dpi"
    assert told["IPP_JOB_NAME"] == "exact-01"
    assert told["IPP_JOB_ORIGINATING_USER_NAME"] == "CT1"
    assert told["CONTENT_TYPE"] == "application/pdf"
    for part in ("x-dimension=35560", "y-dimension=43180", "media-source=tray-1", "media-type=film"):
        assert part in told["IPP_MEDIA_COL"]


def test_a_film_is_never_printed_twice_under_one_name(ippeve: IppevePrinter, tmp_path: Path) -> None:
    request = request_for(tmp_path, 2)
    device = open_device(ippeve.uri, options=QUICK)
    device.send(replace(request, documents=request.documents[:1]), no_progress)
    before = len(ippeve.documents())
    assert device.ask(request).outcome in (RETRY, UNCERTAIN)
    assert device.send(request, no_progress).outcome is DONE
    assert device.send(request, no_progress).outcome is DONE
    assert device.ask(request).outcome is DONE
    assert len(ippeve.documents()) - before == 1


@pytest.mark.parametrize(
    "media", [MediaChoice(x_dimension=40000, y_dimension=50000), MediaChoice(media="iso_a0_841x1189mm")]
)
def test_a_film_that_is_not_loaded_holds_the_job(ippeve: IppevePrinter, tmp_path: Path, media: MediaChoice) -> None:
    before = len(ippeve.documents())
    result = open_device(ippeve.uri, options=QUICK).send(request_for(tmp_path, media=media), no_progress)
    assert (result.outcome, result.job_state_reasons) == (HOLD, ("media-needed",))
    assert len(ippeve.documents()) == before


def test_a_film_in_another_tray_holds_the_job(ippeve: IppevePrinter, tmp_path: Path) -> None:
    result = open_device(ippeve.uri, options=QUICK).send(
        request_for(tmp_path, media=MediaChoice(media_source="tray-2")), no_progress
    )
    assert (result.outcome, result.job_state_reasons) == (HOLD, ("media-needed",))
    assert "355.6 x 431.8 mm in tray-2" in result.message


def test_a_real_film_printer_passes_its_check(ippeve: IppevePrinter) -> None:
    findings = open_device(ippeve.uri, options=QUICK).check()
    assert [finding for finding in findings if not finding.ok] == []
    assert len(findings) == 9


def test_an_office_printer_that_scales_fails_its_check_in_words(office_printer: IppevePrinter) -> None:
    bad = [finding for finding in open_device(office_printer.uri, options=QUICK).check() if not finding.ok]
    assert [finding.what for finding in bad] == ["prints without scaling (print-scaling)"]
    assert "shrink or enlarge" in bad[0].advice


def test_supplies_of_a_real_printer_are_read_back(office_printer: IppevePrinter) -> None:
    status = open_device(office_printer.uri, options=QUICK).status()
    assert status.printer_state == "idle"
    assert Supply(name="Toner Waste Tank", level=25) in status.supplies


def test_tls_is_verified_unless_told_otherwise(ippeve: IppevePrinter, tmp_path: Path) -> None:
    device = open_device(ippeve.secure_uri, options=QUICK)
    result = device.send(request_for(tmp_path), no_progress)
    assert result.outcome is STOP
    assert "certificate is not trusted" in result.message
    assert not device.check()[2].ok
    unverified = open_device(ippeve.secure_uri, options=replace(QUICK, tls_verify=False))
    before = len(ippeve.documents())
    assert unverified.send(request_for(tmp_path), no_progress).outcome is DONE
    assert len(ippeve.documents()) == before + 1


def test_a_job_the_printer_fails_is_not_called_done(tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    with ippeve_printer(tmp_path / "printer", command="/bin/false") as printer:
        result = open_device(printer.uri, options=QUICK).send(request_for(tmp_path), no_progress)
    assert result.outcome in (RETRY, UNCERTAIN)
    assert "ended as" in result.message


# ------------------------------------------------------------------------------------- printers that answer oddly

# refused operation, status -> outcome
REFUSALS = [
    ("Get-Printer-Attributes", 0x0406, STOP),
    ("Get-Printer-Attributes", 0x0403, STOP),
    ("Create-Job", 0x0506, RETRY),
    ("Create-Job", 0x0507, RETRY),
    ("Create-Job", 0x040B, HOLD),
    ("Create-Job", 0x0501, STOP),
    ("Send-Document", 0x040A, CANCEL),
    ("Send-Document", 0x0504, RETRY),
]


@pytest.mark.parametrize(("operation", "status", "outcome"), REFUSALS)
def test_a_refusal_ends_as_its_status_says(
    harness: MakeHarness, operation: str, status: int, outcome: SendOutcome
) -> None:
    printer = harness("ipp", busy_deadline=0.1)
    printer.printer.refuse = {operation: status}
    result = printer.device.send(printer.request(), no_progress)
    assert result.outcome is outcome, result.message
    assert (result.rest_untouched, printer.printed()) == (True, [])
    assert operation in result.message


@pytest.mark.parametrize("operation", ["Get-Printer-Attributes", "Get-Jobs"])
@pytest.mark.parametrize("status", [0x0403, 0x0502])
def test_a_printer_that_will_not_tell_leaves_the_job_in_doubt(
    harness: MakeHarness, operation: str, status: int
) -> None:
    printer = harness("ipp")
    printer.printer.refuse = {operation: status}
    lost = replace(printer.request(), attempted_at=time.time() - 5)
    assert printer.device.ask(lost).outcome is UNCERTAIN


def test_a_job_the_printer_forgot_while_printing_is_in_doubt(harness: MakeHarness) -> None:
    printer = harness("ipp")
    printer.printer.ends_as = 5
    printer.printer.refuse = {"Get-Job-Attributes": 0x0406}
    result = printer.device.send(printer.request(), no_progress)
    assert (result.outcome, result.rest_untouched) == (UNCERTAIN, False)
    assert "it took job 1, then" in result.message


def test_a_document_refused_with_a_server_error_may_have_been_printed(harness: MakeHarness) -> None:
    printer = harness("ipp")
    printer.printer.refuse = {"Send-Document": 0x0500, "Cancel-Job": 0x0404}
    assert printer.device.send(printer.request(), no_progress).outcome is UNCERTAIN


# a job's end at the printer -> outcome
ENDS = [
    (JobState(job_id=1, state="completed", sheets=1), None),
    (JobState(job_id=1, state="completed", reasons=("job-completed-with-warnings",)), None),
    (JobState(job_id=1, state="completed", reasons=("job-completed-with-errors",)), UNCERTAIN),
    (JobState(job_id=1, state="aborted", reasons=("document-format-error",), sheets=0), CANCEL),
    (JobState(job_id=1, state="aborted", reasons=("aborted-by-system",), sheets=0), RETRY),
    (JobState(job_id=1, state="aborted", reasons=("aborted-by-system",), sheets=1), UNCERTAIN),
    (JobState(job_id=1, state="aborted", reasons=("aborted-by-system",)), UNCERTAIN),
    (JobState(job_id=1, state="canceled", reasons=("job-canceled-at-device",), sheets=0), CANCEL),
    (JobState(job_id=1, state="canceled", sheets=1), UNCERTAIN),
]


@pytest.mark.parametrize(("job", "outcome"), ENDS)
def test_the_end_of_a_job_means(job: JobState, outcome: SendOutcome | None) -> None:
    end = end_of(job)
    assert (end.outcome if end else None) is outcome


@pytest.mark.parametrize("without", ["Create-Job", "Send-Document", "Get-Jobs"])
def test_a_printer_of_few_operations_is_printed_to(harness: MakeHarness, without: str) -> None:
    printer = harness("ipp")
    printer.printer.without = {without}
    assert printer.device.send(printer.request(2), no_progress).outcome is DONE
    assert printer.printed() == [1, 2]


def test_what_a_printer_lacks_is_said_in_words(harness: MakeHarness) -> None:
    printer = harness("ipp")
    printer.printer.without = {"print-scaling-supported", "sides-supported", "media-col-supported", "Get-Jobs"}
    bad = [finding.what for finding in printer.device.check() if not finding.ok]
    assert bad == [
        "prints without scaling (print-scaling)",
        "prints on one side (sides)",
        "takes an exact sheet (media-col with media-size)",
        "can be asked which jobs it printed (Get-Jobs)",
    ]


def test_a_job_cancelled_while_the_printer_prints_is_cancelled_there(harness: MakeHarness) -> None:
    printer = harness("ipp")
    printer.printer.ends_as = 5  # processing, for ever
    began: list[float] = []
    request = printer.request(is_canceled=lambda: bool(began) and time.monotonic() - began[0] > 0.2)
    result = printer.device.send(request, lambda sent, total: began.append(time.monotonic()))
    assert result.outcome is CANCEL
    assert "Cancel-Job" in printer.printer.calls
    assert printer.printer.jobs[1].state == 7


def test_a_job_that_waits_in_the_printer_too_long_is_in_doubt(harness: MakeHarness) -> None:
    printer = harness("ipp", job_deadline=0.2)
    printer.printer.ends_as = 6
    result = printer.device.send(printer.request(), no_progress)
    assert result.outcome is UNCERTAIN
    assert "still processing-stopped" in result.message


def test_a_job_still_on_its_way_is_waited_for_and_not_sent_again(harness: MakeHarness) -> None:
    printer = harness("ipp", job_deadline=0.2)
    printer.printer.ends_as = 5
    printer.device.send(printer.request(), no_progress)
    printer.printer.ends_as = 9
    job = printer.printer.jobs[1]
    job.state, job.sheets = 9, 1
    assert printer.device.ask(printer.request()).outcome is DONE
    assert printer.device.send(printer.request(), no_progress).outcome is DONE
    assert len(printer.printer.jobs) == 1


def test_a_job_left_without_its_document_is_dropped_and_sent_again(harness: MakeHarness) -> None:
    """A crash between Create-Job and the last byte."""
    printer = harness("ipp")
    group = {"job-name": ["job-7-01"]}
    printer.printer._new_job(ipp.parse(b"\x02\0\0\0\0\0\0\1\3"), group)
    assert printer.device.ask(printer.request()).outcome is RETRY
    assert printer.printer.jobs[1].state == 7
    assert printer.device.send(printer.request(), no_progress).outcome is DONE
    assert printer.printed() == [1]


def test_a_printer_that_forgets_jobs_leaves_a_lost_one_in_doubt(harness: MakeHarness) -> None:
    printer = harness("ipp")
    printer.printer.keeps_jobs = False
    printer.device.send(printer.request(job_name="earlier"), no_progress)
    lost = replace(printer.request(), attempted_at=time.time() - 5)
    assert printer.device.ask(lost).outcome is UNCERTAIN


def test_an_attempt_by_a_clock_that_is_ahead_is_in_doubt_whatever_the_printer_remembers(harness: MakeHarness) -> None:
    """Another machine's clock, or this one's before it was put back: a younger job passed for an older one."""
    printer = harness("ipp")
    printer.device.send(printer.request(job_name="younger"), no_progress)
    printer.printer.up_time += 10
    lost = replace(printer.request(), attempted_at=time.time() + 300)
    assert printer.device.ask(lost).outcome is UNCERTAIN


# (time-at-creation of known jobs, up-time, age of the attempt) -> its list reaches back
MEMORIES = [
    ([900], 1000, 50.0, True),
    ([960], 1000, 50.0, False),  # all it knows is younger than the attempt
    ([], 1000, 50.0, False),
    ([10], 20, 50.0, False),  # restarted since
    ([900], None, 50.0, False),
    ([900], 1000, None, False),
    ([900], "1000", 50.0, False),  # no number: a printer's answer of the wrong kind
]


@pytest.mark.parametrize(("created", "up_time", "age", "reaches"), MEMORIES)
def test_how_far_a_printer_remembers(created: list[int], up_time: Any, age: float | None, reaches: bool) -> None:
    jobs = [JobState(job_id=number, created=moment) for number, moment in enumerate(created)]
    assert covers(jobs, {"printer-up-time": [up_time]}, age) is reaches


# ------------------------------------------------------------------------------------------------ attributes read

SIZES = [
    ("iso_a4_210x297mm", (21000, 29700)),
    ("na_letter_8.5x11in", (21590, 27940)),
    ("custom_film_14x17in", (35560, 43180)),
    ("custom_1.2.3x4mm", None),
    ("photo", None),
]


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_a_media_name_tells_its_size(name: str, size: tuple[int, int] | None) -> None:
    assert named_size(name) == size


def test_the_printer_s_own_numbers_are_asked_for(tmp_path: Path) -> None:
    offered = {"media-size": [{"x-dimension": [35600], "y-dimension": [43200]}]}
    film = document(tmp_path, 1)
    assert exact_size({"media-col-ready": [offered]}, MediaChoice(), film) == (35600, 43200)
    anything = {"media-size-supported": [{"x-dimension": [(10000, 36000)], "y-dimension": [(10000, 44000)]}]}
    assert exact_size(anything, MediaChoice(), film) == (35560, 43180)
    landscape = replace(film, width_mm=431.8, height_mm=355.6)
    assert exact_size(anything, MediaChoice(), landscape) == (35560, 43180)


def test_state_reasons_lose_their_severity_and_foreign_text_its_teeth() -> None:
    status = device_status(
        {
            "printer-state": [5],
            "printer-state-reasons": ["media-empty-error", "media-low-warning", "none"],
            "printer-state-message": ["\x1b[31mload\nfilm"],
            "marker-names": ["Black", "Waste"],
            "marker-levels": [42, -2],
        }
    )
    assert (status.printer_state, status.printer_state_reasons) == ("stopped", ("media-empty", "media-low"))
    assert status.message == "[31mload film"
    assert status.supplies == (Supply(name="Black", level=42), Supply(name="Waste", level=-1))


def test_odd_types_of_attributes_do_no_harm() -> None:
    odd = {
        name: [{"x": [1]}, b"\0", True, None, (1, 2)] for name in ("printer-state", "marker-names", "printer-supply")
    }
    assert device_status(odd).printer_state == "unknown"
