"""How long a list on the command line takes, against the libraries it can't do without."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from appliance.config import Settings
from appliance.media.burners import add_first_burner
from appliance.printing.first_run import add_first_printer
from appliance.store.store import open_store
from benchmarks.support import workplace

PAIRS = 7
BARE = [sys.executable, "-c", "import click, pydantic, rich.console, rich.table, sqlalchemy"]


def run() -> list[dict[str, Any]]:
    with workplace() as folder:
        store = open_store(folder / "data", settings=Settings())
        add_first_printer(store)
        add_first_burner(store)
        store.close()
        return [_paired(noun, folder / "data") for noun in ("study", "disc", "job")]


def _paired(noun: str, data: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "appliance", noun, "list", "--data", str(data)]
    times = [(_seconds(command), _seconds(BARE)) for _ in range(PAIRS)]
    ours, bare = (statistics.median(column) for column in zip(*times, strict=True))
    return {
        "name": f"appliance {noun} list",
        "ours_s": ours,
        "bare_s": bare,
        "ratio": statistics.median(mine / theirs for mine, theirs in times),
        "goal": "none",
        "peer": "python that imports click, pydantic, rich and sqlalchemy",
    }


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began
