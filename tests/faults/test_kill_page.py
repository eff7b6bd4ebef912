"""kill -9 of the page in a verb: it is done with all that belongs to it, or not done and can be asked again."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.events import process_actor
from appliance.printing import printer_verbs
from appliance.printing.worker import FilmWorker
from appliance.security import tokens
from appliance.security.audit import first_broken
from appliance.store.store import open_store
from appliance.web.app import create_app
from tests.faults.discs import STUDY
from tests.faults.forked import kills
from tests.faults.instances import instance
from tests.faults.plant import SETTINGS
from tests.media.disc_helpers import keep
from tests.printing.films import submit_films
from tests.web import made

WHO = process_actor("tests")
VERBS: dict[str, tuple[str, dict[str, Any]]] = {
    "hold": ("/print-jobs/2/hold", {}),
    "cancel": ("/print-jobs/2/cancel", {}),
    "reprint": ("/print-jobs/1/reprint", {"copies": 1}),
    "disc": ("/discs", {"studies": [STUDY]}),
    "peer": ("/peers", {"name": "ct", "ae_title": "CT", "allows": ["print"]}),
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with a printed job, a waiting one and a study, to be copied to ``data``; the secret of a token."""
    data = tmp_path_factory.mktemp("ready") / "data"
    store = open_store(data, settings=SETTINGS)
    made.devices(store)
    printer = printer_verbs.get_printer(store, "film")
    submit_films(store, printer)
    FilmWorker(store).work_off()
    submit_films(store, printer)
    keep(store, [instance(1)])
    secret = tokens.create_token(store, "tests", "admin", WHO)
    store.close()
    return data.rename(data.with_name("template")), secret


def ask(data: Path, secret: str, verb: str) -> None:
    """Ask the page's API; a success that was heard is written down beside the data."""
    store = open_store(data, settings=SETTINGS)
    path, body = VERBS[verb]
    headers = {"Authorization": f"Bearer {secret}"}
    answer = create_app(store).test_client().post(f"/api/v1{path}", json=body or None, headers=headers)
    assert answer.status_code < 300, answer.text
    (data / "heard").touch()
    store.close()


def state(data: Path) -> tuple[list[Any], int]:
    """What the verbs change, and how many entries the audit has."""
    with closing(sqlite3.connect(data / "appliance.db")) as connection:
        tables = ("print_job", "film", "disc", "peer")
        rows = [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
        return rows, int(connection.execute("SELECT count(*) FROM audit").fetchone()[0])


def whole(data: Path) -> bool:
    """Every job in the database has its films on disk, and the audit's chain holds."""
    store = open_store(data, settings=SETTINGS)
    try:
        with store.database.read() as connection:
            numbers = [row[0] for row in connection.exec_driver_sql("SELECT job_id FROM print_job")]
            return first_broken(connection) is None and all(
                (store.folder.job(number) / "film.json").is_file() for number in numbers
            )
    finally:
        store.close()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_done_and_audited_or_not_done_when_the_page_is_killed(ready: tuple[Path, str], verb: str) -> None:
    template, secret = ready
    data = template.with_name("data")
    before = state(template)

    def as_it_was() -> None:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(template, data)

    done = []
    for fault in kills(lambda: ask(data, secret, verb), (), as_it_was, step=1):
        rows, entries = state(data)
        done.append(rows != before[0])
        assert done[-1] == (entries > before[1]), f"{fault}: done without its audit entry, or the other way round"
        assert done[-1] or not (data / "heard").exists()
        assert whole(data), fault
    assert done[0] is False
    assert state(data)[0] != before[0], "at last it comes through"
