"""Objects of no patient from the front door to the disc: their records lie in the root, beside PATIENT."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from appliance.media.check import examine
from appliance.media.selection import Selection
from appliance.store.store import Store
from appliance.studies.record_tables import ROOT_TYPES
from tests.media import made
from tests.media.disc_helpers import STUDY, fresh, keep, ordered, work_off


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def test_an_inventory_and_its_like_go_on_a_disc_beside_a_study(store: Store, tmp_path: Path) -> None:
    kinds = sorted(ROOT_TYPES)
    datasets = [made.of_kind(kind, 500 + number) for number, kind in enumerate(kinds)]
    for dataset in datasets:
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
                        "StudyDate", "StudyTime", "SeriesInstanceUID", "SeriesNumber", "AccessionNumber"):  # fmt: skip
            delattr(dataset, keyword)
    keep(store, datasets)
    instances = tuple(dataset.SOPInstanceUID for dataset in datasets)
    view = work_off(store, ordered(store, selection=Selection(studies=(STUDY,), instances=instances)))
    assert view["execution_status"] == "DONE", view["message"]
    assert examine(view["volumes"][0]["image"]).findings == []
    out = tmp_path / "DICOMDIR"
    command = ["xorriso", "-osirrox", "on", "-indev", view["volumes"][0]["image"], "-extract", "/DICOMDIR", out]
    subprocess.run(command, capture_output=True, check=True)
    records = dcmread(out).DirectoryRecordSequence
    assert sorted(each.DirectoryRecordType for each in records if each.DirectoryRecordType in ROOT_TYPES) == kinds
    (inventory,) = [each for each in records if each.DirectoryRecordType == "INVENTORY"]
    assert (inventory.InventoryLevel, inventory.TotalNumberOfStudyRecords) == ("STUDY", 2)
    assert sum(each.DirectoryRecordType == "PATIENT" for each in records) == 1


def test_an_inventory_alone_makes_a_disc(store: Store) -> None:
    dataset = made.of_kind("INVENTORY", 900)
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID"):
        delattr(dataset, keyword)
    keep(store, [dataset])
    view = work_off(store, ordered(store, selection=Selection(instances=(dataset.SOPInstanceUID,))))
    assert (view["execution_status"], view["volumes"][0]["instances"]) == ("DONE", 1), view["message"]
    assert examine(view["volumes"][0]["image"]).findings == []
