"""Archives whose answers are none: found by a fuzzer of answers (2026-11-30)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydicom.dataset import Dataset

from appliance.network.commands import encode_command
from appliance.network.requestor import NoResponseError
from appliance.network.scu import get
from tests.network.conftest import QUICK
from tests.network.raw import p_data
from tests.network.scripted import ScriptedSCP

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


@pytest.mark.timeout(30)
def test_a_retrieve_ends_when_what_comes_in_the_middle_of_an_instance_is_no_dicom() -> None:
    wanted = Dataset()
    wanted.QueryRetrieveLevel, wanted.StudyInstanceUID = "STUDY", "1.2.3"
    limits = replace(QUICK, response_timeout=1)
    with ScriptedSCP(half_an_instance, EXPLICIT.encode()) as archive, pytest.raises(NoResponseError):
        get(archive.peer, wanted, {CT_IMAGE: (EXPLICIT,)}, lambda event: 0, limits=limits)
