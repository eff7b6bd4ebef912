"""A terminal that knows few letters is told all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.media import made
from tests.media.disc_helpers import keep, opened


def test_names_a_terminal_has_no_letters_for_are_escaped(tmp_path: Path) -> None:
    store = opened(tmp_path)
    keep(store, [made.image(1, SpecificCharacterSet="ISO_IR 192", PatientName="王^小明")])
    store.close()
    command = [sys.executable, "-m", "appliance", "study", "list", "--data", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert rb"\u738b^\u5c0f\u660e" in told.stdout
