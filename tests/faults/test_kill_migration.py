"""kill -9 at every operation of an upgrade: the database is of the version before or of the next, whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.store import files
from appliance.store.store import open_store
from tests.faults.plant import SETTINGS
from tests.store.upgrades import next_version

POINTS = ("migrate.start", "migrate.tried", "migrate.done")
MOST = 60


def killed(data: Path, fault: str) -> bool:
    """Open a data folder in a process that breaks at `fault`; whether it came so far."""
    child = os.fork()
    if not child:
        try:
            files.set_fault(f"{fault}:kill")
            open_store(data, settings=SETTINGS)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9


def tables(data: Path) -> set[str]:
    with closing(sqlite3.connect(data / "appliance.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_an_upgrade_killed_anywhere_is_done_or_not_done(
    tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(template)
    next_version(tmp_path / "next", monkeypatch)
    after = before | {"ward"}
    found = []
    for number, fault in enumerate((*POINTS, *map(str, range(1, MOST)))):
        data = Path(shutil.copytree(template, tmp_path / str(number)))
        if not killed(data, fault):
            break
        found.append(tables(data))
        assert found[-1] in (before, after), f"half an upgrade after {fault}"
        open_store(data, settings=SETTINGS).close()
        assert tables(data) == after
    else:
        pytest.fail(f"{MOST} operations and no end")
    assert fault.isdigit(), f"{fault} was not met"
    assert found[: len(POINTS)] == [before, before, after]
