"""One study under two Patient IDs that a person called one patient: one record for each ID, whatever else is there.

The directory names the other ID, so that the disc says itself what was decided; a disc that does not stays wrong.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from appliance.errors import ApplianceError
from appliance.media import build
from appliance.media import discs as verbs
from appliance.media.check import Finding, verify
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.store.store import Store
from tests.media import made
from tests.media.disc_helpers import STUDY, fresh, keep, ordered, work_off
from tests.media.test_disc_commands import run

OTHER_STUDY = f"{made.ROOT}.77"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


@pytest.mark.parametrize("number", [0, 9], ids=["first", "last"])
def test_an_image_without_id_is_filed_under_the_id_the_rest_of_its_study_has(store: Store, number: int) -> None:
    """The made-up ID of the one had taken the real ID of the other for its record, which then was there twice."""
    own = made.ROOT + f".1.1.{number}.5"
    keep(store, [made.image(number, PatientID="", PatientName="Roe^Jane", SOPInstanceUID=own)])
    keep(store, [made.image(50, StudyInstanceUID=OTHER_STUDY, SeriesInstanceUID=OTHER_STUDY + ".1")])
    selection = Selection(studies=(STUDY, OTHER_STUDY))
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=selection))
    (conflict,) = [each for each in plan.conflicts if each.kind == "study"]
    decisions = tuple(each.decision for each in plan.conflicts)
    view = work_off(store, ordered(store, selection=selection, decisions=decisions))
    assert view["execution_status"] == "DONE", view["message"]
    assert conflict.subject == STUDY
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=selection, decisions=decisions))
    patients = [entry for entry in plan.volumes[0].entries if entry.record_type == "PATIENT"]
    assert len(patients) == 1


def merged(folder: Path, **options: Any) -> list[Path]:
    """The volumes of a study of P-1 and P-2, whom a person called the same."""
    sources = [kept_of(folder, number, "P-1" if number < 3 else "P-2") for number in range(1, 5)]
    return [each.path for each in build.build(_decided(sources, **options), folder / "out")]


def kept_of(folder: Path, number: int, patient: str, **values: Any) -> Any:
    series = 1 if patient == "P-1" else 2
    return made.kept(folder / "in", made.image(number, series=series, PatientID=patient, **values))


def _decided(sources: list[Any], profile: str = "STD-GEN-USB-JPEG", medium: str = "usb", **options: Any) -> Any:
    asked = made.planned(sources, profile, medium, several_patients=True, **options)
    decisions = frozenset(each.decision for each in asked.conflicts)
    return made.planned(sources, profile, medium, several_patients=True, decisions=decisions, **options)


def _about_patients(path: Path) -> list[Finding]:
    return [each for each in verify(path) if each.code in ("wrong-place", "two-patient-ids")]


def test_a_disc_of_a_patient_with_two_ids_verifies_and_names_both(store: Store) -> None:
    keep(store, [made.image(9, PatientID="P-2", SOPInstanceUID=made.ROOT + ".1.1.9.5")])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    decisions = (*(each.decision for each in plan.conflicts), "several-patients")
    view = work_off(store, ordered(store, decisions=decisions, choices={"several_patients": True}))
    assert view["execution_status"] == "DONE", view["message"]
    (volume,) = view["volumes"]
    assert [finding["code"] for finding in volume["findings"]] == ["two-patient-ids"]
    with pytest.raises(ApplianceError, match="1 finding, no errors among them"):
        run("disc", "verify", volume["image"])


def test_the_directory_names_the_other_id_of_a_patient_and_others_can_read_it(tmp_path: Path) -> None:
    (disc,) = merged(tmp_path)
    (finding,) = _about_patients(disc)
    assert finding.severity == "warning" and "P-1" in finding.text and "P-2" in finding.text
    (patient,) = [each for each in dcmread(disc / "DICOMDIR").DirectoryRecordSequence if "PatientID" in each]
    assert patient.PatientID == "P-1"
    assert [each.PatientID for each in patient.OtherPatientIDsSequence] == ["P-2"]
    said = subprocess.run(["dcdirdmp", "DICOMDIR"], cwd=disc, capture_output=True, text=True, check=True)
    assert "P-1" in said.stdout + said.stderr and "error" not in (said.stdout + said.stderr).lower()


def test_an_image_below_a_patient_whose_record_does_not_name_its_id_is_in_the_wrong_place(tmp_path: Path) -> None:
    (disc,) = merged(tmp_path, checksums=False)
    data = (disc / "DICOMDIR").read_bytes()
    assert data.count(b"P-2 ") == 1
    (disc / "DICOMDIR").write_bytes(data.replace(b"P-2 ", b"P-3 "))
    findings = _about_patients(disc)
    assert {each.code for each in findings} == {"wrong-place"} and len(findings) == 2


def test_each_volume_of_a_divided_study_of_two_ids_verifies(tmp_path: Path) -> None:
    """The second volume holds images of the other ID alone."""
    pixels = {"rows": 256, "columns": 256}
    sources = [kept_of(tmp_path, number, "P-1" if number < 3 else "P-2", **pixels) for number in range(1, 5)]
    plan = _decided(sources, "STD-GEN-CD", "cd:450000")
    assert len(plan.volumes) == 2
    first, second = (each.path for each in build.build(plan, tmp_path / "out"))
    assert [*_about_patients(first), *_about_patients(second)] == []


def test_a_patient_of_one_id_has_no_other(tmp_path: Path) -> None:
    disc = made.built(
        [kept_of(tmp_path, number, "P-1") for number in (1, 2)], tmp_path / "out", "STD-GEN-USB-JPEG", "usb"
    )
    assert b"\x10\x00\x02\x10SQ" not in (disc / "DICOMDIR").read_bytes()


def test_the_plan_keeps_room_for_each_other_id(tmp_path: Path) -> None:
    sources = [kept_of(tmp_path, number, f"ID{number:062d}", **_long(number)) for number in range(1, 61)]
    size = _decided(sources, "STD-GEN-CD", "cd-700", checksums=False).volumes[0].size
    tight = _decided(sources, "STD-GEN-CD", f"cd:{size - 1}", checksums=False)
    assert len(tight.volumes) == 2 and all(each.size < size for each in tight.volumes)
    assert len(build.build(tight, tmp_path / "out")) == 2


def _long(number: int) -> dict[str, str]:
    """The longest UID and issuer there may be."""
    return {"SOPInstanceUID": f"{made.ROOT}.1.".ljust(60, "1") + f"{number:04d}", "IssuerOfPatientID": "ISSUER" * 10}
