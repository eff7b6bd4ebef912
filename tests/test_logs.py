"""What libraries say of what a peer sent, in the log of a process that imports them after it has begun to log."""

from __future__ import annotations

import subprocess
import sys

PARTS = {
    "values": """
from pydicom.dataset import Dataset
told = Dataset()
told.PatientBirthDate = "3 May 1950"
told.StudyInstanceUID = "Doe^Jane"
""",
    "traces": """
import pynetdicom
try:
    raise ValueError("a match")
except ValueError as error:
    logging.getLogger("pynetdicom.association").exception(error)
""",
    "fault": """
from appliance.network.uids import is_valid_uid
try:
    is_valid_uid(5)
except Exception as error:
    logging.getLogger("pynetdicom.events").exception(error)
""",
}


def logged(part: str) -> str:
    program = f'import logging\nfrom appliance.logs import start_logging\nstart_logging("INFO", "json")\n{PARTS[part]}'
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr


def test_no_value_of_a_data_set_is_quoted() -> None:
    assert logged("values") == ""


def test_what_a_peer_sent_makes_no_trace() -> None:
    said = logged("traces")
    assert "a match" in said
    assert "trace" not in said


def test_a_fault_of_ours_that_pynetdicom_caught_keeps_its_trace() -> None:
    assert "is_valid_uid" in logged("fault")
