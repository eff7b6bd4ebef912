"""Odd surroundings: arguments that are no text, a full disk behind standard output, standard files that are closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.commands.common import actor
from tests.media.disc_helpers import opened

COMMAND = [sys.executable, "-m", "appliance"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    opened(tmp_path).close()
    return tmp_path


def test_an_argument_that_is_no_text_is_refused_in_a_line(folder: Path) -> None:
    told = subprocess.run([*COMMAND, "printer", "show", b"\xff", "--data", folder], capture_output=True, check=False)
    assert (told.returncode, told.stderr) == (2, b"appliance: '\\udcff' is no text in UTF-8.\n")


@pytest.mark.parametrize("words", [["printer", "list"], ["printer", "list", "--json"]])
def test_a_full_disk_behind_standard_output_is_told_in_a_line(folder: Path, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        told = subprocess.run([*COMMAND, *words, "--data", folder], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (told.returncode, told.stderr) == (1, b"appliance: No space left on device.\n")


def test_closed_standard_files_are_as_if_nothing_were_there(folder: Path) -> None:
    words = ["user", "add", "ada", "--role", "admin", "--data", str(folder)]
    script = f"exec {sys.executable} -m appliance {' '.join(words)} <&-"
    told = subprocess.run(["setsid", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert told.returncode == 130 and told.stderr.endswith("appliance: Broken off; nothing was answered.\n"), (
        told.stderr
    )


def test_a_file_opened_later_does_not_take_the_place_of_standard_error(folder: Path) -> None:
    look = "import os; from appliance.cli import main; main.__globals__['cli'] = lambda **_: None; main(); "
    look += "print([os.readlink(f'/proc/self/fd/{number}') for number in (0, 2)])"
    told = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", sys.executable, "-c", look], capture_output=True, text=True, check=True
    )
    assert told.stdout == "['/dev/null', '/dev/null']\n"


def test_a_passphrase_in_another_encoding_is_refused_in_a_line(folder: Path) -> None:
    file = folder / "passphrase"
    file.write_bytes("größe".encode("latin-1"))
    line = [*COMMAND, "backup", "--passphrase-file", file, folder / "b.tar", "--data", folder]
    told = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (2, f"appliance: {file} is no text in UTF-8.\n")


def test_who_has_no_name_here_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 1_234_567)
    assert actor().name == "uid 1234567"
