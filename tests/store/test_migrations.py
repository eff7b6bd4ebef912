"""An upgrade goes forward whole, or leaves the database as it was and says so."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from appliance.errors import DamagedError, ResourceError
from appliance.events import Actor
from appliance.printing import jobs
from appliance.store import files, migrate
from appliance.store.store import Store, open_store
from appliance.store.upgrade import config_of
from tests.printing.films import add_folder_printer, submit_films
from tests.store.upgrades import BREAKS, NEXT, ORPHANS, next_version
from tests.support.small_disk import small_disk


@pytest.fixture
def used(store: Store, clerk: Actor) -> Path:
    """A database with jobs, films and events in it, closed."""
    printer = add_folder_printer(store)
    for _ in range(2):
        submit_films(store, printer, films=2)
    jobs.hold(store, 1, clerk)
    store.close()
    return store.folder.database


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_an_upgrade_keeps_every_row_also_of_tables_that_are_made_anew(
    used: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [line for line in content(used) if line.startswith("INSERT") and "alembic_version" not in line]
    next_version(tmp_path / "next", monkeypatch)
    open_store(used.parent, settings=store.settings).close()
    after = content(used)
    assert f"INSERT INTO \"alembic_version\" VALUES('{NEXT}');" in after
    assert "INSERT INTO \"ward\" VALUES('west');" in after
    altered = ('INSERT INTO "printer" ', 'INSERT INTO "print_job" ')
    assert {line for line in before if not line.startswith(altered)} <= set(after)
    assert sum(line.endswith(",'west');") for line in after if line.startswith(altered)) == 2
    reopened = open_store(used.parent, settings=store.settings)
    assert [jobs.get_job(reopened, number).job_state for number in (1, 2)] == ["pending-held", "pending"]
    with reopened.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    reopened.close()


@pytest.mark.parametrize(("last", "words"), [(BREAKS, "nobody thought of this row"), (ORPHANS, "refer to nothing")])
def test_an_upgrade_that_fails_midway_leaves_the_database_as_it_was(
    used: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, words: str
) -> None:
    before = content(used)
    next_version(tmp_path / "next", monkeypatch, last)
    with pytest.raises(DamagedError, match=words) as found:
        open_store(used.parent, settings=store.settings)
    assert found.value.exit_code == 3, "a supervisor does not start it again and again"
    assert content(used) == before
    assert list(store.folder.spool.iterdir()) == []
    monkeypatch.undo()
    open_store(used.parent, settings=store.settings).close()  # the version before goes on


@pytest.mark.parametrize("place", ["spool", "database"])
def test_an_upgrade_for_which_the_disk_has_no_room_is_done_once_it_has(
    used: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Exit 3 would mean that somebody must go back to the version before."""
    before = content(used)
    next_version(tmp_path / "next", monkeypatch)
    with contextlib.ExitStack() as full:
        if place == "spool":
            full.enter_context(small_disk(store.folder.spool, "size=64k"))
        else:
            full.enter_context(monkeypatch.context()).setattr(files, "operation", _no_room_to_commit)
        with pytest.raises(ResourceError, match=r"now: .*(full|No space)") as found:
            open_store(used.parent, settings=store.settings)
        assert found.value.exit_code == 1, "a supervisor starts it again"
    assert content(used) == before
    open_store(used.parent, settings=store.settings).close()
    assert f"VALUES('{NEXT}');" in "".join(content(used))


def _no_room_to_commit(kind: str, *_: object) -> None:
    if kind == "commit":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_upgrade_that_works_on_the_copy_alone_is_backed_out(
    used: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(used)
    only_once = f"import pathlib; pathlib.Path({str(tmp_path / 'tried')!r}).touch(exist_ok=False)"
    next_version(tmp_path / "next", monkeypatch, only_once)
    with pytest.raises(DamagedError, match="FileExistsError"):
        open_store(used.parent, settings=store.settings)
    assert (tmp_path / "tried").exists()
    assert content(used) == before


def test_the_newest_revision_is_the_one_alembic_walks_to() -> None:
    scripts = ScriptDirectory.from_config(config_of(migrate.MIGRATIONS))
    assert scripts.get_heads() == [migrate.head()]
    assert {script.revision for script in scripts.walk_revisions()} == set(migrate._known())


@pytest.mark.parametrize("kept", ["jobs/7", "instances/ab/file"])
def test_a_database_that_is_gone_costs_nothing_of_what_it_knew(tmp_path: Path, kept: str) -> None:
    """A new one in its place knows none of it: housekeeping would sweep it away."""
    open_store(tmp_path).close()
    open_store(tmp_path).close()  # an empty folder is anybody's
    file = tmp_path / kept / "content" if kept.startswith("jobs") else tmp_path / kept
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"a patient's")
    for each in tmp_path.glob("appliance.db*"):
        each.rename(tmp_path / f"aside-{each.name}")
    for _ in range(2):  # the first leaves an empty database behind
        with pytest.raises(DamagedError, match="nothing is removed"):
            open_store(tmp_path)
    for each in tmp_path.glob("aside-*"):
        each.rename(tmp_path / each.name.removeprefix("aside-"))
    open_store(tmp_path).close()
    assert file.exists()
