"""The database under several writers, and what its tables promise."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from appliance.config import Settings
from appliance.errors import DamagedError, ResourceError
from appliance.events import process_actor
from appliance.security.audit import record
from appliance.store import audit, soundness
from appliance.store.database import next_number
from appliance.store.store import Store, open_store
from appliance.store.tables import metadata

pytestmark = pytest.mark.both_databases

COUNT = """
import sys
from pathlib import Path
from appliance.config import Settings
from appliance.store.store import open_store
from appliance.store.database import next_number
settings = Settings.model_validate({"database": {"url": sys.argv[2]}})
store = open_store(Path(sys.argv[1]), settings=settings)
for _ in range(50):
    with store.database.write("print") as connection:
        next_number(connection, "print-job")
"""


def test_migrations_make_the_tables_the_code_knows(store: Store) -> None:
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_four_processes_lose_no_update(store: Store) -> None:
    line = [sys.executable, "-c", COUNT, str(store.folder.root), store.settings.database.url]
    writers = [subprocess.Popen(line) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    with store.database.write() as connection:
        assert next_number(connection, "print-job") == 201
    assert store.database.changes("print") == 200


def test_threads_of_one_process_write_in_turn_however_slow_the_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not store.database.is_sqlite:
        pytest.skip("a server queues writers itself")
    monkeypatch.setattr("appliance.store.database.BUSY_MILLISECONDS", 50)
    store.database.engine.dispose()

    def write(number: int) -> None:
        for _ in range(3):
            with store.database.write("print") as connection:
                next_number(connection, "print-job")
                time.sleep(0.01)  # as a slow disk would take

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(write, range(12)))
    assert store.database.changes("print") == 36


def test_a_failed_transaction_leaves_nothing_and_raises_no_counter(store: Store) -> None:
    with pytest.raises(RuntimeError), store.database.write("print") as connection:
        next_number(connection, "print-job")
        raise RuntimeError("in the middle")
    assert store.database.changes() == 0
    with store.database.write() as connection:
        assert next_number(connection, "print-job") == 1


def test_a_database_that_stays_locked_is_a_resource_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.store.database.BUSY_MILLISECONDS", 50)
    monkeypatch.setattr("appliance.store.postgresql.LOCK_SECONDS", 0.05)
    store.database.engine.dispose()
    with store.database.write(), pytest.raises(ResourceError, match="locked"), store.database.write():
        pass


def test_a_database_of_a_newer_version_is_refused(store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    with pytest.raises(DamagedError, match="newer version"):
        open_store(store.folder.root, settings=store.settings)


def test_the_audit_trail_is_searched_without_case_and_for_what_is_written(store: Store) -> None:
    with store.database.write() as connection:
        for name in ("Film_Room", r"CLINIC\anna", "filmXroom"):
            record(connection, "tried", process_actor(name))
    with store.database.read() as connection:
        found = {text: [row.actor for row in audit.page(connection, text=text)] for text in ("FILM_", "c\\A", "%")}
    assert found == {"FILM_": ["Film_Room"], "c\\A": [r"CLINIC\anna"], "%": []}


@pytest.mark.parametrize("place", [0, 20_480], ids=["head", "inside"])
def test_a_disk_that_can_t_be_read_for_a_moment_is_no_damaged_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """After "damaged" no part starts again, and a person is told to put an older database in its place."""
    store, waited = open_store(tmp_path / "data", settings=Settings()), []
    path = store.folder.database
    store.close()
    whole = path.read_bytes()
    spoilt = whole[:place] + os.urandom(60_000) + whole[place + 60_000 :]

    def come_round(seconds: float) -> None:
        waited.append(seconds)
        path.write_bytes(whole)

    monkeypatch.setattr(soundness, "time", SimpleNamespace(sleep=come_round))
    path.write_bytes(spoilt)
    again = open_store(store.folder.root, settings=Settings())
    soundness.refuse_damaged(again.database, path)
    assert len(waited) == 1
    again.close()
    monkeypatch.setattr(soundness, "time", SimpleNamespace(sleep=waited.append))
    path.write_bytes(spoilt)
    with pytest.raises(DamagedError, match="restore a backup") as told:
        soundness.refuse_damaged(open_store(store.folder.root, settings=Settings()).database, path)
    assert "***" not in str(told.value)
