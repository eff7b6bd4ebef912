"""``appliance study`` as one types it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.media import made
from tests.studies.pacs import archive, send

STUDY = f"{made.ROOT}.1"
SaveFiles = Callable[..., Path]
ENVIRONMENT = {**os.environ, "APPLIANCE_STORAGE_RESERVE_MIB": "1", "APPLIANCE_STORAGE_RESERVE_PERCENT": "0"}


@pytest.fixture
def appliance(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command on a data folder of its own."""
    (tmp_path / "data").mkdir()

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "appliance", *words, "--data", str(tmp_path / "data")]
        result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr
        return result

    return run


def test_a_folder_is_imported_listed_shown_exported_and_deleted(
    appliance: Callable[..., Any], saved: SaveFiles, tmp_path: Path
) -> None:
    folder = saved(made.image(1), made.image(2))
    report = json.loads(appliance("study", "import", str(folder), "--json").stdout)
    assert (report["stored"], report["studies"]) == (2, [STUDY])
    [study] = json.loads(appliance("study", "list", "doe", "--json").stdout)
    surface = "study_instance_uid patient_name patient_id accession_number study_date modalities series instances"
    assert {*surface.split(), "bytes", "complete"} <= set(study)
    assert "DOE^JANE" in appliance("study", "list").stdout
    assert json.loads(appliance("study", "show", STUDY, "--json").stdout)["series_list"][0]["instances"] == 2
    appliance("study", "export", STUDY, "--to", str(tmp_path / "out.zip"))
    assert (tmp_path / "out.zip").stat().st_size > 1000
    appliance("study", "delete", STUDY)
    missing = appliance("study", "show", STUDY, code=1)
    assert missing.stderr.strip() == f"appliance: There is no study {STUDY} here."


def test_refused_files_are_named_and_the_exit_code_says_so(appliance: Callable[..., Any], saved: SaveFiles) -> None:
    folder = saved(made.image(1))
    (folder / "cut.dcm").write_bytes((folder / "0001.dcm").read_bytes()[:400])
    result = appliance("study", "import", str(folder), code=1)
    assert "Refused cut.dcm: the data set is truncated" in result.stdout
    assert "1 files were refused" in result.stderr
    assert appliance("study", "import", str(folder / "nowhere"), code=2).stderr.startswith("appliance: There is no")


@pytest.mark.parametrize("name", ["study.iso", "study.zip", "study.7z"])
def test_a_folder_of_archives_alone_says_so(
    appliance: Callable[..., Any], saved: SaveFiles, tmp_path: Path, name: str
) -> None:
    """They are what somebody meant; beside instances they are a viewer's, and passed over."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).write_bytes(b"PK\3\4")
    (tmp_path / "folder" / "letter.txt").write_bytes(b"no image")
    result = appliance("study", "import", str(tmp_path / "folder"), code=1)
    assert f"Refused {name}: it is an archive or the image of a disc" in result.stdout
    assert "1 are no DICOM" in result.stdout
    shutil.copy(saved(made.image(1)) / "0001.dcm", tmp_path / "folder")
    assert "2 are no DICOM" in appliance("study", "import", str(tmp_path / "folder")).stdout


def test_an_import_that_finds_nothing_has_failed(appliance: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    result = appliance("study", "import", str(tmp_path / "folder"), code=1)
    assert result.stderr.splitlines()[-1] == f"appliance: There is no DICOM file in {tmp_path / 'folder'}."


def test_an_archive_is_asked_and_a_study_fetched_without_the_service(
    appliance: Callable[..., Any], saved: SaveFiles, tmp_path: Path
) -> None:
    with archive(tmp_path / "pacs", 9) as port:
        assert send(port, "PACS", saved(made.image(1), made.image(2))).returncode == 0
        appliance("peer", "add", "pacs", "--ae-title", "PACS", "--host", "127.0.0.1", "--port", str(port))
        [found] = json.loads(appliance("study", "query", "pacs", "PatientName=DOE*", "--json").stdout)
        assert found["StudyInstanceUID"] == STUDY
        assert "completed" in appliance("study", "retrieve", "pacs", STUDY, "--wait").stdout
        result = appliance("study", "retrieve", "pacs", "1.2.3", "--wait", code=1)
    assert "pacs has no study 1.2.3" in result.stderr
    [study] = json.loads(appliance("study", "list", "--json").stdout)
    assert (study["instances"], study["expected"], study["complete"]) == (2, 2, True)
