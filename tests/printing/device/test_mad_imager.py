"""Imagers whose answers can't be read: found by a fuzzer of answers (2026-11-30)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.printing.device.outcome import Device, SendOutcome, SendRequest, SendResult
from appliance.printing.device.registry import open_device
from tests.network.scripted import Reply, ScriptedSCP, response
from tests.printing.device.harness import QUICK, document, film_session, no_progress

N_GET, N_ACTION, N_CREATE, C_GET = 0x0110, 0x0130, 0x0140, 0x0010


def element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", group, number, len(value)) + value


BOX = element(0x0008, 0x1150, b"1.2.840.10008.5.1.1.4\0") + element(0x0008, 0x1155, b"1.2.3.4\0")
BOXES = element(0x2010, 0x0510, element(0xFFFE, 0xE000, BOX))
UNREADABLE = {
    "a length beyond its end": struct.pack("<HHL", 0x2010, 0x0510, 0xFFFFFFF0) + b"half",
    "no item where one should be": element(0x2010, 0x0510, b"\x08\0\x05\0\x02\0\0\0AB"),
    "half a header": element(0x2000, 0x0010, b"1 ") + b"\x10\x20\x10",
    "no end of a sequence": struct.pack("<HHL", 0x2010, 0x0510, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 8),
}


@pytest.fixture
def imager(tmp_path: Path) -> Iterator[Any]:
    """Makes the device of an imager that answers so."""
    with ExitStack() as stack:

        def make(reply: Reply) -> Device:
            scp = stack.enter_context(ScriptedSCP(reply))
            return open_device(f"dicom://IMAGER@127.0.0.1:{scp.peer.port}", options=replace(QUICK, job_deadline=1))

        yield make


def send(device: Device, folder: Path) -> SendResult:
    request = SendRequest(
        job_name="job-7", documents=[document(folder, 1)], session=film_session(folder, 1), folder=folder
    )
    return device.send(request, no_progress)


def answering(broken: bytes, *operations: int) -> Reply:
    """An imager that answers these with `broken`, a film box as it should, and others without a data set."""

    def reply(number: int, command: dict[str, Any]) -> bytes:
        field = command["CommandField"]
        dataset = broken if field in operations else BOXES if field == N_CREATE else b""
        return response(number, command, dataset)

    return reply


@pytest.mark.parametrize("broken", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_answers_that_cannot_be_read_before_the_print_leave_nothing_in_doubt(
    imager: Any, tmp_path: Path, broken: bytes
) -> None:
    result = send(imager(answering(broken, N_CREATE, N_GET)), tmp_path)
    assert result.outcome is SendOutcome.RETRY, result.message
    assert "named no image boxes" in result.message


@pytest.mark.parametrize("broken", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_film_whose_print_was_answered_is_printed_whatever_else_the_answer_holds(
    imager: Any, tmp_path: Path, broken: bytes
) -> None:
    result = send(imager(answering(broken, N_ACTION)), tmp_path)
    assert result.outcome is SendOutcome.DONE, result.message


@pytest.mark.parametrize("broken", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_state_that_cannot_be_read_is_unknown(imager: Any, broken: bytes) -> None:
    assert imager(answering(broken, N_GET)).status().printer_state == "unknown"


def test_an_answer_of_another_kind_is_none(imager: Any, tmp_path: Path) -> None:
    def reply(number: int, command: dict[str, Any]) -> bytes:
        return response(number, command, CommandField=C_GET | 0x8000)

    result = send(imager(reply), tmp_path)
    assert result.outcome is SendOutcome.RETRY, result.message
