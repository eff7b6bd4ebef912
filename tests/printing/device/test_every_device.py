"""What every device must do: one suite for all of them, over real sockets."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from appliance.printing.device.outcome import SendOutcome, document_name
from appliance.store import files
from tests.printing.device.harness import NETWORK, SCHEMES, MakeHarness, no_progress
from tests.support.ports import free_port

DONE, RETRY, UNCERTAIN = SendOutcome.DONE, SendOutcome.RETRY, SendOutcome.UNCERTAIN
HOLD, CANCEL, STOP = SendOutcome.HOLD, SendOutcome.CANCEL, SendOutcome.STOP_PRINTER

# (scheme, fault) -> outcome, films that came out, first reason
FAULTS = {
    ("socket", "reset"): (UNCERTAIN, [], "submission-interrupted"),
    ("lpd", "reset"): (UNCERTAIN, [], "submission-interrupted"),
    ("ipp", "reset"): (RETRY, [], "submission-interrupted"),  # the printer says that it dropped its part
    ("dicom", "reset"): (RETRY, [], "connecting-to-device"),  # nothing prints before N-ACTION
    ("socket", "die"): (UNCERTAIN, [], "submission-interrupted"),
    ("lpd", "die"): (UNCERTAIN, [], "submission-interrupted"),
    ("ipp", "die"): (UNCERTAIN, [], "submission-interrupted"),
    ("dicom", "die"): (RETRY, [], "connecting-to-device"),
    ("socket", "stall"): (UNCERTAIN, [], "submission-interrupted"),
    ("lpd", "stall"): (UNCERTAIN, [], "submission-interrupted"),
    ("ipp", "stall"): (RETRY, [], "submission-interrupted"),
    ("dicom", "stall"): (UNCERTAIN, [1], "submission-interrupted"),  # no answer to N-ACTION
    ("socket", "slow"): (DONE, [1, 2], "queued-in-device"),
    ("lpd", "slow"): (DONE, [1, 2], "queued-in-device"),
    ("ipp", "slow"): (DONE, [1, 2], "job-completed-successfully"),
    ("dicom", "slow"): (DONE, [1, 2], "queued-in-device"),
    ("socket", "half-closed"): (UNCERTAIN, [1], "submission-interrupted"),
    ("lpd", "half-closed"): (RETRY, [], "connecting-to-device"),  # no word can come back: nothing is sent
    ("ipp", "half-closed"): (DONE, [1, 2], "job-completed-successfully"),  # no answer, but it can be asked
    ("socket", "garbage"): (DONE, [1, 2], "queued-in-device"),  # a raw port may say what it likes
    ("lpd", "garbage"): (RETRY, [], "connecting-to-device"),
    ("ipp", "garbage"): (RETRY, [], "connecting-to-device"),
    ("socket", "flood"): (DONE, [1, 2], "queued-in-device"),
    ("lpd", "flood"): (RETRY, [], "connecting-to-device"),
    ("ipp", "flood"): (RETRY, [], "connecting-to-device"),
    ("dicom", "garbage"): (RETRY, [], "connecting-to-device"),
    ("dicom", "flood"): (RETRY, [], "connecting-to-device"),
    ("socket", "mute"): (UNCERTAIN, [], "submission-interrupted"),
    ("lpd", "mute"): (RETRY, [], "connecting-to-device"),
    ("ipp", "mute"): (RETRY, [], "connecting-to-device"),
    ("dicom", "mute"): (RETRY, [], "connecting-to-device"),
    ("ipp", "media-missing"): (HOLD, [], "media-needed"),
    ("dicom", "media-missing"): (HOLD, [], "media-needed"),
    ("ipp", "wrong-size"): (HOLD, [], "media-needed"),
    ("dicom", "wrong-size"): (HOLD, [], "media-needed"),
}


@pytest.mark.parametrize(("scheme", "fault"), FAULTS)
def test_a_fault_of_the_printer_ends_as_it_should(harness: MakeHarness, scheme: str, fault: str) -> None:
    printer = harness(scheme, fault)
    result = printer.device.send(printer.request(2), no_progress)
    outcome, films, reason = FAULTS[scheme, fault]
    assert (result.outcome, result.job_state_reasons[:1]) == (outcome, (reason,)), result.message
    assert printer.eventually_printed(films) == films
    assert result.message.isprintable()


@pytest.mark.parametrize(("scheme", "fault"), FAULTS)
def test_state_and_check_answer_whatever_the_printer_does(harness: MakeHarness, scheme: str, fault: str) -> None:
    printer = harness(scheme, fault)
    assert printer.device.status().printer_state in ("idle", "processing", "stopped", "unknown")
    findings = printer.device.check()
    assert findings and all(finding.ok or finding.advice for finding in findings)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_films_and_copies_come_out_once_in_order(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme)
    calls: list[tuple[int, int]] = []
    result = printer.device.send(printer.request(2, copies=2), lambda sent, total: calls.append((sent, total)))
    assert (result.outcome, result.documents_done) == (DONE, 4), result.message
    assert result.evidence
    assert printer.printed() == [1, 2, 1, 2]
    assert [sent for sent, _ in calls] == sorted(sent for sent, _ in calls)
    assert calls[-1][0] == calls[-1][1] > 0


@pytest.mark.parametrize("scheme", NETWORK)
def test_a_refused_connection_is_retried(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme)
    device = printer.elsewhere("127.0.0.1", free_port())
    result = device.send(printer.request(), no_progress)
    assert (result.outcome, result.rest_untouched) == (RETRY, True)
    assert device.status().printer_state == "unknown"
    assert [finding.ok for finding in device.check()] == [True, False]


@pytest.mark.parametrize("scheme", NETWORK)
def test_a_name_that_does_not_resolve_is_retried(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme)
    device = printer.elsewhere("printer.invalid", 9100)
    result = device.send(printer.request(), no_progress)
    assert (result.outcome, result.rest_untouched) == (RETRY, True)
    assert "printer.invalid" in result.message
    assert [finding.ok for finding in device.check()] == [False]


@pytest.mark.parametrize("scheme", NETWORK)
def test_an_address_that_is_not_allowed_is_not_connected_to(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme, allow_loopback=False)
    result = printer.device.send(printer.request(), no_progress)
    assert result.outcome is STOP
    assert "this machine itself" in result.message
    assert getattr(printer.printer, "connections", 0) == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_sent_when_the_start_can_not_be_noted(harness: MakeHarness, scheme: str) -> None:
    class NoDatabaseError(Exception):
        pass

    def fail(sent: int, total: int) -> None:
        if sent:
            raise NoDatabaseError

    printer = harness(scheme)
    with pytest.raises(NoDatabaseError):
        printer.device.send(printer.request(), fail)
    assert printer.printed() == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_job_cancelled_before_it_is_sent_does_not_come_out(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme)
    result = printer.device.send(printer.request(is_canceled=lambda: True), no_progress)
    assert (result.outcome, result.job_state_reasons) == (CANCEL, ("job-canceled-by-user",))
    assert printer.printed() == []


@pytest.mark.parametrize("scheme", ["socket", "lpd", "ipp"])
def test_a_job_cancelled_while_the_printer_stalls_ends(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme, "stall", stall_deadline=30)
    began: list[float] = []
    request = printer.request(is_canceled=lambda: bool(began) and time.monotonic() - began[0] > 0.3)
    result = printer.device.send(request, lambda sent, total: began.append(time.monotonic()))
    assert result.outcome is CANCEL
    assert printer.printed() == []


# what `ask` says after a film came out, and after it did not (with a printer that remembers earlier jobs)
ANSWERS = {
    "folder": (DONE, RETRY),
    "socket": (UNCERTAIN, UNCERTAIN),
    "lpd": (UNCERTAIN, UNCERTAIN),
    "ipp": (DONE, RETRY),
    "dicom": (UNCERTAIN, UNCERTAIN),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_after_an_interruption_the_printer_is_asked(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme)
    printer.device.send(printer.request(job_name="earlier"), no_progress)
    if scheme == "ipp":
        printer.printer.up_time += 60
    lost = replace(printer.request(), attempted_at=time.time() - 1)
    assert printer.device.ask(lost).outcome is ANSWERS[scheme][1]
    printer.device.send(printer.request(), no_progress)
    assert printer.device.ask(printer.request()).outcome is ANSWERS[scheme][0]


@pytest.mark.parametrize("scheme", NETWORK)
def test_asking_a_printer_that_is_gone_leaves_it_in_doubt(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme)
    assert printer.elsewhere("127.0.0.1", free_port()).ask(printer.request()).outcome is UNCERTAIN


# failpoint -> outcome by scheme; "closed" comes after the evidence
FAILPOINTS = {
    "device.connect": dict.fromkeys(SCHEMES, RETRY),
    "device.first-byte": {**dict.fromkeys(SCHEMES, UNCERTAIN), "folder": RETRY, "ipp": RETRY},
    "device.half": {**dict.fromkeys(SCHEMES, UNCERTAIN), "folder": RETRY, "ipp": DONE},  # a whole film had left: asked
    "device.last-byte": {**dict.fromkeys(SCHEMES, UNCERTAIN), "folder": RETRY, "ipp": DONE},
    "device.closed": {**dict.fromkeys(SCHEMES, RETRY), "socket": UNCERTAIN},
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", FAILPOINTS)
def test_an_error_at_any_step_prints_no_film_twice(harness: MakeHarness, scheme: str, name: str) -> None:
    printer = harness(scheme)
    request = printer.request(2)
    files.set_fault(f"{name}:EIO")
    first = printer.device.send(request, no_progress)
    files.set_fault("")
    assert first.outcome is FAILPOINTS[name][scheme], first.message
    if first.outcome is RETRY:
        again = replace(request, skip_documents=first.documents_done if first.rest_untouched else 0)
        assert printer.device.send(again, no_progress).outcome is DONE
        assert printer.printed() == [1, 2]
    assert len(printer.printed()) <= 2


@pytest.mark.parametrize("scheme", SCHEMES)
def test_documents_that_came_out_before_are_skipped(harness: MakeHarness, scheme: str) -> None:
    printer = harness(scheme)
    result = printer.device.send(printer.request(3, skip_documents=2), no_progress)
    assert (result.outcome, result.documents_done) == (DONE, 3)
    assert printer.printed() == [3]


def test_every_document_has_a_name_of_its_own(harness: MakeHarness) -> None:
    request = harness("folder").request(3, copies=3)
    names = [document_name(request, document) for document in request.documents]
    assert names[:4] == ["job-7-01", "job-7-02", "job-7-03", "job-7-01-c2"]
    assert len(set(names)) == 9
