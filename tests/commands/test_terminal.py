"""A terminal that knows few letters is told all the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from appliance.commands.common import show
from tests.media import made
from tests.media.disc_helpers import keep, opened


def test_names_a_terminal_has_no_letters_for_are_escaped(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store, [made.image(1, SpecificCharacterSet="ISO_IR 192", PatientName="王^小明")])
    store.close()
    command = [sys.executable, "-m", "appliance", "study", "list", "--data", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert rb"\u738b^\u5c0f\u660e" in told.stdout


def test_names_of_files_command_no_terminal(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sent.zip", "w") as archive:
        archive.writestr("a\x1b]0;owned\x07.dcm", bytes(128) + b"DICM" + b"junk" * 9)
    command = [sys.executable, "-m", "appliance", "study", "import", str(tmp_path / "sent.zip"), "--data"]
    told = subprocess.run([*command, str(tmp_path / "data")], capture_output=True, check=False)
    assert b"Refused a]0;owned.dcm" in told.stdout and b"\x1b" not in told.stdout


def test_names_an_archive_tells_command_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"PatientName": "DOE\x1b]0;owned\x07^JOHN"}], as_json=False, columns=("PatientName",))
    show({"PatientName": "DOE\x1b]0;owned\x07^JOHN"}, as_json=False)
    said = capsys.readouterr().out
    assert said.count("DOE]0;owned^JOHN") == 2 and "\x07" not in said


def test_a_row_reads_as_lines_and_moments_by_the_clock_of_this_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Kyiv")
    time.tzset()
    try:
        moment = "2026-12-01T03:10:00.468707+00:00"
        show(
            {
                "created": moment,
                "settings": {"bits": 8, "media": [], "margins": {"top": 1.5}},
                "history": [{"at": moment}, {}],
            },
            as_json=False,
        )
    finally:
        monkeypatch.undo()
        time.tzset()
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    told = "2026-12-01 05:10:00+02:00"
    assert lines == [
        f"created   {told}",
        "settings",
        "  bits: 8",
        "  margins: (top: 1.5)",
        "history",
        f"  at: {told}",
        "",
    ]
