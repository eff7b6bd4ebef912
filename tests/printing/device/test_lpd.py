from __future__ import annotations

from appliance.printing.device.lpd import control_file
from appliance.printing.device.outcome import SendOutcome
from tests.printing.device.harness import MakeHarness, no_progress


def test_the_control_file_names_job_person_and_data_file(harness: MakeHarness) -> None:
    printer = harness("lpd")
    printer.device.send(printer.request(2), no_progress)
    lines = printer.printer.control_files[0].splitlines()
    kinds = {line[0]: line[1:] for line in lines}
    assert (kinds["P"], kinds["J"], kinds["N"]) == ("CT1", "job-7-01", "job-7-01")
    assert kinds["l"] == kinds["U"]
    assert kinds["l"].startswith("dfA")
    assert len({control.splitlines()[4] for control in printer.printer.control_files}) == 2


def test_a_line_feed_in_a_name_adds_no_line_to_the_control_file() -> None:
    lines = control_file("host", 7, "job\nU/etc/passwd", "CT1\nHevil").decode("ascii").splitlines()
    assert [line[0] for line in lines] == list("HPJTlUN")


def test_a_queue_that_is_not_there_is_named(harness: MakeHarness) -> None:
    printer = harness("lpd")
    device = printer.open(f"lpd://127.0.0.1:{printer.printer.port}/other")
    result = device.send(printer.request(), no_progress)
    assert result.outcome is SendOutcome.RETRY
    assert "queue other" in result.message
    assert not device.check()[-1].ok


def test_the_state_of_a_queue_is_its_own_words_made_safe(harness: MakeHarness) -> None:
    state = harness("lpd").device.status()
    assert state.printer_state == "idle"
    assert state.message == "film is ready and printing [31mno entries"
