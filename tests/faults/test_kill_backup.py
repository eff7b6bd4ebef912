"""kill -9 at every operation of a backup and a restore: a whole archive or none, the old data or the new or words."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import DamagedError
from appliance.events import process_actor
from appliance.store.store import open_store
from appliance.upkeep.backup import make_backup
from appliance.upkeep.restore import restore
from tests.faults.forked import kills
from tests.faults.plant import SETTINGS
from tests.printing.films import add_folder_printer, submit_films

WHO = process_actor("tests")
BACKUP = ("backup.snapshot", "backup.file", "backup.written")
RESTORE = ("restore.unpacked", "restore.marked", "restore.aside", "restore.moved")


@pytest.fixture
def data(tmp_path: Path, template: Path) -> Path:
    """An appliance with a job."""
    data = Path(shutil.copytree(template, tmp_path / "data"))
    store = open_store(data, settings=SETTINGS)
    submit_films(store, add_folder_printer(store), films=2)
    store.close()
    return data


def jobs(data: Path) -> int:
    """Print jobs in a sound database whose files are there."""
    with closing(sqlite3.connect(data / "appliance.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        numbers = [row[0] for row in connection.execute("SELECT job_id FROM print_job")]
    assert all((data / "jobs" / str(number) / "film.json").is_file() for number in numbers)
    return len(numbers)


def back_up(data: Path, target: Path) -> None:
    store = open_store(data, settings=SETTINGS)
    make_backup(store, target, WHO)
    store.close()


def test_a_backup_killed_anywhere_is_whole_or_not_there(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    seen = set()
    for fault in kills(lambda: back_up(data, target), BACKUP, lambda: target.unlink(missing_ok=True)):
        seen.add(target.exists())
        if target.exists():
            assert restore(target, tmp_path / f"there-{fault}", WHO).jobs_held == 1
        assert jobs(data) == 1
    assert seen == {True, False}
    assert restore(target, tmp_path / "at-last", WHO).jobs_held == 1


def test_a_restore_killed_anywhere_leaves_the_old_data_or_the_new_or_says_that_neither_is_whole(
    data: Path, tmp_path: Path
) -> None:
    back_up(data, tmp_path / "b.tar")
    store = open_store(data, settings=SETTINGS)
    submit_films(store, add_folder_printer(store, name="second"))
    store.close()
    place = tmp_path / "place"

    def as_it_was() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(data, place)

    seen = set()
    for fault in kills(lambda: restore(tmp_path / "b.tar", place, WHO, replace=True), RESTORE, as_it_was):
        seen.add(now := opens(place))
        restore(tmp_path / "b.tar", place, WHO, replace=True)
        assert opens(place) == "new"
        asides = [aside for aside in place.glob("before-restore-*") if (aside / "appliance.db").exists()]
        assert now == "new" or any(jobs(aside) == 2 for aside in asides), f"the old data are gone after {fault}"
        assert not list(place.glob("restore-*")), fault
    assert seen == {"old", "refused", "new"}


def opens(data: Path) -> str:
    """What a service that starts there finds: old, new, or words."""
    try:
        open_store(data, settings=SETTINGS).close()
    except DamagedError as error:
        assert "run appliance restore FILE --replace again" in str(error)
        return "refused"
    return {2: "old", 1: "new"}[jobs(data)]
