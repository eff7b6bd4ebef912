"""The conformance statement says what the code does."""

from __future__ import annotations

from pydicom.datadict import dictionary_description
from pynetdicom.status import PRINT_JOB_MANAGEMENT_SERVICE_CLASS_STATUS as KNOWN

from appliance.dicom.conformance import CLASS_TABLES, print_statement
from appliance.dicom.print_classes import CLASS_NAMES
from appliance.dicom.statuses import STATUSES
from tests.dicom.conftest import Door
from tests.dicom.test_odd_requests import PROBES

ANSWERED_ELSEWHERE = {0x0110, 0x0118, 0x0124, 0xC601, 0xC602, 0xC605}
"""Statuses that other tests provoke: malformed data sets, full disks and queues."""


def test_every_status_answered_is_stated_for_that_kind_of_peer() -> None:
    for probe in PROBES:
        tolerant, strict = probe.status("TOLERANT"), probe.status("STRICT")
        assert not STATUSES[tolerant][1].startswith("never"), (probe.name, f"{tolerant:04X}")
        assert not STATUSES[strict][2].startswith("never"), (probe.name, f"{strict:04X}")


def test_every_status_stated_is_tried() -> None:
    tried = {probe.status(calling) for probe in PROBES for calling in ("TOLERANT", "STRICT")} | ANSWERED_ELSEWHERE
    stated = {code for code, (_, tolerant, _) in STATUSES.items() if not tolerant.startswith("never")}
    assert stated <= tried
    assert set(STATUSES) <= set(KNOWN)


def test_the_statement_names_every_class_attribute_status_and_printer(door: Door) -> None:
    text = print_statement(door.store)
    for name in CLASS_NAMES.values():
        assert f"| {name} |" in text
    for attributes in CLASS_TABLES.values():
        for keyword in attributes:
            assert f"| {dictionary_description(keyword)} |" in text
    for code in STATUSES:
        assert f"| {code:04X} |" in text
    for printer in ("film", "colour", "small"):
        assert f"## Printer {printer}\n" in text
    assert "| 14INX17IN HIGH | 8400 x 10200 |" in text, "600 dpi of the small printer"
    assert "CUSTOM\\1" in text and "35CMX43CM" in text
