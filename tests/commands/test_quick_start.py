"""A list is there at once: it does not wait for what makes films and discs to be loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.media.burners import add_first_burner
from appliance.printing.first_run import add_first_printer
from appliance.store.store import open_store

HEAVY = ("pydicom", "pynetdicom", "numpy", "cv2", "reportlab", "alembic", "psycopg")

PROGRAM = """
import sys
from appliance.cli import cli
cli(sys.argv[1:], standalone_mode=False)
print("loaded:", *[name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was opened before."""
    folder = tmp_path_factory.mktemp("used")
    store = open_store(folder, settings=Settings())
    add_first_printer(store)
    add_first_burner(store)
    store.close()
    return folder


@pytest.mark.parametrize("noun", ["study", "disc", "job"])
def test_a_list_loads_nothing_that_makes_films_or_discs(noun: str, used: Path) -> None:
    command = [sys.executable, "-c", PROGRAM.format(heavy=HEAVY), noun, "list", "--json", "--data", str(used)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert listed.stdout.strip() == "[]"
    loaded = listed.stderr.rpartition("loaded:")[2].split()
    assert loaded == []
