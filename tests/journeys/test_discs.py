"""Discs from the front door to the burner: DCMTK's storage client, real processes, judges from outside."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.journeys.test_films import eventually
from tests.media import made
from tests.support.ports import free_port
from tests.support.service import ROOT, column, command, running

STUDY = f"{made.ROOT}.1"
TEXT = made.code("18748-4", "LN", "Diagnostic imaging report")


def study() -> list[Dataset]:
    """CT in two series and a report, of a patient with a Cyrillic name."""
    report = made.common(1, made.record_tables.STORAGE + "88.33", series=3, Modality="SR")
    made.changed(report, CompletionFlag="COMPLETE", VerificationFlag="UNVERIFIED", ValueType="CONTAINER")
    made.changed(report, ConceptNameCodeSequence=[TEXT], ContentSequence=[made.content_item("CONTAINS", "No fracture")])
    images = [made.image(number, 64, 64, series=series) for series in (1, 2) for number in (1, 2, 3)]
    name = {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Пётр"}
    return [made.changed(dataset, **name) for dataset in (*images, report)]


def written(folder: Path, datasets: Sequence[Dataset]) -> Path:
    folder.mkdir(parents=True)
    for number, dataset in enumerate(datasets):
        (folder / f"{number}.dcm").write_bytes(made.as_file(dataset))
    return folder


def store(port: int, folder: Path) -> None:
    line = ["storescu", "+sd", "-aec", "APPLIANCE", "127.0.0.1", str(port), str(folder)]
    subprocess.run(line, check=True, capture_output=True, env={**os.environ, "TCP_NODELAY": "1"}, timeout=60)


def said(*line: object) -> str:
    """What a judge prints; dcdirdmp does it on stderr. Raises CalledProcessError."""
    words = [str(each) for each in line]
    said_by = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return said_by.stdout.decode(errors="replace")


def extracted(image: Path, folder: Path) -> Path:
    said("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", folder)
    said("chmod", "-R", "u+w", folder)
    return folder


def verdict(path: Path) -> tuple[int, list[str]]:
    """Exit code of ``appliance disc verify``, and the codes of its findings."""
    line = [sys.executable, "-m", "appliance", "disc", "verify", str(path), "--json"]
    result = subprocess.run(line, check=False, cwd=ROOT, capture_output=True, text=True)
    return result.returncode, [finding["code"] for finding in json.loads(result.stdout)["findings"]]


def statuses(data: Path) -> list[str]:
    return column(data, "SELECT execution_status FROM disc")


@pytest.mark.slow
def test_a_study_sent_by_a_scanner_opens_at_the_next_hospital(tmp_path: Path) -> None:
    sent, data, port = written(tmp_path / "sent", study()), tmp_path / "data", free_port()
    with running(data, port, ["dicom", "discs"]):
        store(port, sent)
        store(port, sent)  # again: acknowledged, kept once
        assert [each["instances"] for each in command(data, "study", "list")] == [7]
        order = ("--study", STUDY, "--profile", "patient", "--burner", "folder", "--copies", "2", "--wait")
        disc = command(data, "disc", "create", *order)
    assert disc["execution_status"] == "DONE"
    assert [volume["verified"] for volume in disc["volumes"]] == [True]
    (image,) = (data / "burned").glob("*.iso")
    descriptor = said("isoinfo", "-d", "-i", image)
    assert "System id: \n" in descriptor
    assert f"Volume id: {disc['volumes'][0]['file_set_id']}\n" in descriptor
    on_disc = extracted(image, tmp_path / "disc")
    assert said("dcdirdmp", on_disc / "DICOMDIR").count(" -> ") == 7
    directory = dcmread(on_disc / "DICOMDIR")
    assert str(directory.DirectoryRecordSequence[0].PatientName) == "Иванов^Пётр"
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256.TXT"], cwd=on_disc, check=True, capture_output=True)
    assert data_sets(on_disc / "DICOM") == data_sets(sent)
    assert verdict(image) == (0, [])
    assert (on_disc / "INDEX.HTM").is_file()
    assert (on_disc / "VIEWER" / "VIEWER.HTM").is_file()


def data_sets(folder: Path) -> set[bytes]:
    """Everything after the file meta information, of each file."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file():
            meta = made.part10.read_file_meta(path)
            found.add(path.read_bytes()[meta.data_set_offset :])
    return found


@pytest.mark.slow
def test_discs_are_made_once_whatever_is_killed(tmp_path: Path) -> None:
    """kill -9 of the discs process at random moments; nothing half is left, nothing is done that was not verified."""
    data, port, chance = tmp_path / "data", free_port(), random.Random(3)
    command(data, "study", "import", str(written(tmp_path / "sent", study())))
    for _ in range(2):
        command(data, "disc", "create", "--study", STUDY)
    for _ in range(2):
        with running(data, port, ["discs"]) as processes:
            time.sleep(chance.uniform(1.5, 4))
            processes[0].kill()
    with running(data, port, ["discs"]):
        eventually(lambda: statuses(data) == ["DONE", "DONE"], 120)
    assert [disc["execution_status"] for disc in command(data, "disc", "list")] == ["DONE", "DONE"]
    burned = sorted(path.name for path in (data / "burned").iterdir())
    assert burned == [f"{disc}-1.{end}" for disc in (1, 2) for end in ("iso", "json", "pdf")]
    for number in (1, 2):
        assert verdict(data / "burned" / f"{number}-1.iso") == (0, [])


def foreign_disc(folder: Path) -> Path:
    """A disc's folder made by DCMTK."""
    written(folder / "DICOM", [made.image(number, 64, 64) for number in range(1, 5)])
    for number, path in enumerate(sorted((folder / "DICOM").iterdir())):
        path.rename(path.with_name(f"IM{number}"))
    subprocess.run(["dcmmkdir", "+r", "+I", "DICOM"], cwd=folder, check=True, capture_output=True)
    return folder


def pressed(folder: Path, image: Path) -> Path:
    """An image of a folder by genisoimage."""
    line = ["genisoimage", "-quiet", "-iso-level", "1", "-sysid", "", "-V", "DCMTK_MEDIA_DEMO", "-o"]
    said(*line, image, folder)
    return image


def swap(folder: Path) -> None:
    first, second = folder / "DICOM/IM0", folder / "DICOM/IM1"
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def cut(folder: Path) -> None:
    path = folder / "DICOM/IM2"
    path.write_bytes(path.read_bytes()[:-100])


FAULTS: dict[str, Any] = {
    "missing-file": lambda folder: (folder / "DICOM/IM3").unlink(),
    "unreferenced": lambda folder: shutil.copy(folder / "DICOM/IM3", folder / "DICOM/OTHER"),
    "other-instance": swap,
    "truncated": cut,
}


@pytest.mark.slow
def test_a_foreign_disc_is_judged(tmp_path: Path) -> None:
    foreign = foreign_disc(tmp_path / "foreign")
    assert verdict(pressed(foreign, tmp_path / "good.iso")) == (0, [])
    for code, spoil in FAULTS.items():
        spoiled = shutil.copytree(foreign, tmp_path / code)
        spoil(spoiled)
        status, codes = verdict(pressed(spoiled, tmp_path / f"{code}.iso"))
        assert status == 1
        assert code in codes
