"""kill -9 at every operation of an upgrade: the database is of the version before or of the next, whole."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.store.store import open_store
from tests.faults.forked import kills
from tests.faults.plant import SETTINGS
from tests.store.upgrades import next_version

POINTS = ("migrate.start", "migrate.tried", "migrate.done")


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
    data, found = tmp_path / "data", []

    def as_it_was() -> None:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(template, data)

    for _ in kills(lambda: open_store(data, settings=SETTINGS), POINTS, as_it_was):
        found.append(tables(data))
        assert found[-1] in (before, after), "half an upgrade"
        open_store(data, settings=SETTINGS).close()
        assert tables(data) == after
    assert found[: len(POINTS)] == [before, before, after]
