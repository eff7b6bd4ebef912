"""Archives whose answers are none: found by a fuzzer of answers (2026-11-30)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset

from appliance.errors import DeviceError
from appliance.network.commands import encode_command
from appliance.network.requestor import NoAssociationError, NoResponseError
from appliance.network.scu import echo, find, get
from tests.network.conftest import QUICK
from tests.network.raw import p_data
from tests.network.scripted import ScriptedSCP, response

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


def half_an_instance(number: int, command: dict[str, Any]) -> bytes:
    """The first fragment of a C-STORE, and then what is no PDU."""
    store = {
        "AffectedSOPClassUID": CT_IMAGE,
        "AffectedSOPInstanceUID": "1.2.3",
        "CommandField": 0x0001,
        "CommandDataSetType": 1,
        "MessageID": 1,
    }
    return p_data((number, 3, encode_command(store)), (number, 0, b"half")) + b"\x94" + bytes(5)


def a_study() -> Dataset:
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", "1.2.3"
    return wanted


@pytest.mark.timeout(30)
def test_a_retrieve_ends_when_what_comes_in_the_middle_of_an_instance_is_no_dicom() -> None:
    limits = replace(QUICK, response_timeout=1)
    with ScriptedSCP(half_an_instance, EXPLICIT.encode()) as archive, pytest.raises(NoResponseError):
        get(archive.peer, a_study(), {CT_IMAGE: (EXPLICIT,)}, lambda event: 0, limits=limits)


BROKEN = b"\x10\0\x20\0OB\0\0\x01"
"""Patient ID, cut off in its length (Explicit VR Little Endian)."""
PATIENT = b"\x10\0\x20\0LO\x02\x0042"


def one_of_two(number: int, command: dict[str, Any]) -> bytes:
    """Two matches, one of which can't be read."""
    pending = [response(number, command, match, Status=0xFF00) for match in (PATIENT, BROKEN)]
    return b"".join([*pending, response(number, command)])


def test_a_match_that_cannot_be_read_is_not_passed_over_in_silence() -> None:
    found = []
    with (
        ScriptedSCP(one_of_two, EXPLICIT.encode()) as archive,
        pytest.raises(DeviceError, match="can't be read"),
    ):
        found.extend(find(archive.peer, a_study(), limits=QUICK))
    assert [match.PatientID for match in found] == ["42"]


def test_a_match_with_an_element_that_cannot_be_read_is_told_all_the_same() -> None:
    duration = b"\x18\0\x73\x90FD\x04\0long"  # Acquisition Duration of half its bytes

    def reply(number: int, command: dict[str, Any]) -> bytes:
        return response(number, command, PATIENT + duration, Status=0xFF00) + response(number, command)

    with ScriptedSCP(reply, EXPLICIT.encode()) as archive:
        found = list(find(archive.peer, a_study(), limits=QUICK))
    assert [match.PatientID for match in found] == ["42"]


def test_a_context_accepted_with_a_transfer_syntax_we_did_not_offer_is_none() -> None:
    jpeg = b"1.2.840.10008.1.2.4.50"
    with ScriptedSCP(response, jpeg) as archive:
        result = echo(archive.peer, limits=QUICK)
        with pytest.raises(NoAssociationError, match="none of the services"):
            list(find(archive.peer, a_study(), limits=QUICK))
    assert not result.ok
