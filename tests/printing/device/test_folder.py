from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import DamagedError, UsageError
from appliance.printing.device.outcome import SendOutcome
from appliance.printing.device.registry import open_device
from appliance.store import files
from tests.printing.device.harness import MakeHarness, no_progress


def test_files_are_named_by_job_film_and_copy(harness: MakeHarness, tmp_path: Path) -> None:
    printer = harness("folder")
    printer.device.send(printer.request(2, copies=2), no_progress)
    names = sorted(path.name for path in (tmp_path / "printed").iterdir())
    assert names == ["job-7-01-c2.pdf", "job-7-01.pdf", "job-7-02-c2.pdf", "job-7-02.pdf"]


def test_postscript_has_its_own_suffix(harness: MakeHarness, tmp_path: Path) -> None:
    printer = harness("folder")
    request = printer.request()
    film = replace(request.documents[0], document_format="application/postscript")
    printer.device.send(replace(request, documents=[film]), no_progress)
    assert [path.name for path in (tmp_path / "printed").iterdir()] == ["job-7-01.ps"]


def test_another_film_of_the_name_is_neither_overwritten_nor_taken_for_this_one(
    harness: MakeHarness, tmp_path: Path
) -> None:
    printer, there = harness("folder"), tmp_path / "printed" / "job-7-01.pdf"
    there.parent.mkdir()
    there.write_bytes(b"of an appliance before this one")
    request = printer.request()
    result = printer.device.send(request, no_progress)
    assert result.outcome is SendOutcome.RETRY and "another film lies there as job-7-01.pdf" in str(result.message)
    assert printer.device.ask(request).outcome is SendOutcome.RETRY
    assert there.read_bytes() == b"of an appliance before this one"
    there.unlink()
    assert printer.device.send(request, no_progress).outcome is SendOutcome.DONE
    assert printer.device.ask(request).outcome is SendOutcome.DONE


def test_a_folder_outside_the_roots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="under no allowed folder"):
        open_device("folder:/etc", options={"folder_roots": [tmp_path]})
    with pytest.raises(UsageError, match="none is configured"):
        open_device(f"folder:{tmp_path}")


def test_a_link_out_of_the_roots_is_not_followed(harness: MakeHarness, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "printed").symlink_to(outside)
    printer = harness("folder")
    device = open_device(f"folder:{tmp_path}/root/printed/deeper", options={"folder_roots": [tmp_path / "root"]})
    result = device.send(printer.request(), no_progress)
    assert result.outcome is SendOutcome.STOP_PRINTER
    assert list(outside.iterdir()) == []
    assert not device.check()[0].ok


def test_a_planted_part_file_is_not_written_through(harness: MakeHarness, tmp_path: Path) -> None:
    printer = harness("folder")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "printed").mkdir()
    (tmp_path / "printed" / "job-7-01.pdf.part").symlink_to(victim)
    assert printer.device.send(printer.request(), no_progress).outcome is SendOutcome.DONE
    assert victim.read_text() == "untouched"


# (errno, outcome): what a person must mend stops the printer, a full disk may pass
ERRORS = [
    (errno.ENOSPC, SendOutcome.RETRY),
    (errno.EIO, SendOutcome.RETRY),
    (errno.EROFS, SendOutcome.STOP_PRINTER),
]


@pytest.mark.parametrize(("number", "outcome"), ERRORS)
def test_a_film_is_there_whole_or_not_at_all(harness: MakeHarness, number: int, outcome: SendOutcome) -> None:
    printer = harness("folder")
    printer.device.send(printer.request(job_name="first"), no_progress)
    outcomes = set()
    for step in range(1, 8):
        files.set_fault(f"{step}:{errno.errorcode[number]}")
        result = printer.device.send(printer.request(job_name=f"job-{step}"), no_progress)
        files.set_fault("")
        outcomes.add(result.outcome)
        there = printer.device.ask(printer.request(job_name=f"job-{step}")).outcome
        assert there in (SendOutcome.DONE, SendOutcome.RETRY)
        printer.printed()  # checks that each is whole
        assert not list((printer.folder / "printed").glob("*.part"))
    assert outcomes == {outcome, SendOutcome.DONE}


def test_a_folder_the_unit_may_not_write_to_names_what_to_do(harness: MakeHarness) -> None:
    """ProtectSystem=strict: to the service all is read-only but its own; in root's shell the folder is fine."""
    printer = harness("folder")
    files.set_fault("1:EROFS")
    assert "ReadWritePaths=" in printer.device.send(printer.request(), no_progress).message


def test_a_damaged_document_is_no_fault_of_the_printer(harness: MakeHarness) -> None:
    printer = harness("folder")
    request = printer.request()
    request.documents[0].path.unlink()
    with pytest.raises(DamagedError, match="Film 1"):
        printer.device.send(request, no_progress)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.printing.device.harness import Harness, no_progress
printer = Harness("folder", Path({folder!r}))
printer.device.send(printer.request(3), no_progress)
"""
STEPS = ["device.connect", "device.first-byte", "device.half", "device.last-byte", "device.closed"]


@pytest.mark.parametrize("name", STEPS)
def test_after_kill_9_the_folder_tells_which_films_are_there(harness: MakeHarness, tmp_path: Path, name: str) -> None:
    root = str(Path(__file__).parents[3])
    code = KILLED.format(root=root, folder=str(tmp_path))
    environment = {**os.environ, "APPLIANCE_FAULT": f"{name}:kill"}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert killed.returncode == -9
    printer = harness("folder")
    there = printer.printed()
    answer = printer.device.ask(printer.request(3))
    assert answer.outcome is (SendOutcome.DONE if there == [1, 2, 3] else SendOutcome.RETRY)
    assert answer.documents_done == len(there)
    assert printer.device.send(printer.request(3), no_progress).outcome is SendOutcome.DONE
    assert printer.printed() == [1, 2, 3]
