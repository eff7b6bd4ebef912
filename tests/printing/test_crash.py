"""kill -9 at every step from N-ACTION to the printer: nothing acknowledged is lost, nothing prints twice by itself."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from appliance.events import Actor
from appliance.printing import jobs, recovery
from appliance.printing.printer_verbs import add_printer, get_printer
from appliance.printing.printers import Printer, PrinterSettings
from appliance.printing.views import list_jobs, show_job
from appliance.printing.worker import FilmWorker
from appliance.store import print_jobs
from appliance.store.store import Store, open_store
from tests.printing.films import MODALITY, add_folder_printer, printed, submit_films
from tests.support.away import away_between
from tests.support.fault_printers import IppPrinter, SocketPrinter
from tests.support.killing import killed_at

SUBMIT = ["submit.start", "submit.numbered", "submit.renamed", "submit.committed"]
COMPOSE = ["compose.start", "compose.raster", "compose.document", "compose.committed"]
SEND = ["send.started", "device.connect", "device.first-byte", "device.half", "device.last-byte", "device.closed"]
AFTER = ["send.answered", "send.settled"]


def work_and_die(store: Store, failpoint: str) -> None:
    """A worker is killed at the failpoint."""
    killed_at(failpoint, lambda: FilmWorker(open_store(store.folder.root, settings=store.settings)).work_off())


def recover_and_work(store: Store) -> None:
    recovery.sweep(store, settled_seconds=0)
    FilmWorker(store).work_off()


def test_a_film_that_kills_each_worker_is_held_in_the_end_and_the_others_print(store: Store, clerk: Actor) -> None:
    """A decoder that crashes takes the process along; another one would begin with the same film."""
    printer = add_folder_printer(store)
    poison, next_one = submit_films(store, printer), submit_films(store, printer)
    for _ in range(recovery.MOST_DEATHS):
        work_and_die(store, "compose.raster")
    recover_and_work(store)
    assert printed(store) == [f"{next_one}-01.pdf"]
    held = show_job(store, poison)
    assert (held["job_state"], held["job_state_reasons"]) == ("pending-held", ["composer-died"])
    assert "died 3 times" in held["job_state_message"]
    jobs.release(store, poison, clerk)
    recover_and_work(store)
    assert len(printed(store)) == 2, "nothing of it had come out: it is no second one"


@pytest.mark.parametrize("failpoint", SUBMIT)
def test_a_film_killed_while_submitted_is_there_whole_or_not_at_all(
    store: Store, tmp_path: Path, failpoint: str
) -> None:
    acknowledged = tmp_path / "acknowledged"

    def submit() -> None:
        door = open_store(store.folder.root, settings=store.settings)
        submit_films(door, get_printer(door, "film"))
        acknowledged.touch()

    add_folder_printer(store)
    killed_at(failpoint, submit)
    assert not acknowledged.exists()
    recover_and_work(store)
    states = [job["job_state"] for job in list_jobs(store)]
    assert states in ([], ["completed"])
    assert len(printed(store)) == len(states)
    assert [int(path.name) for path in store.folder.jobs.iterdir()] == [job["job_id"] for job in list_jobs(store)]
    assert list(store.folder.spool.iterdir()) == []


@pytest.mark.parametrize("failpoint", COMPOSE + SEND + AFTER)
def test_a_film_for_a_folder_killed_on_its_way_comes_out_once(store: Store, failpoint: str) -> None:
    job_id = submit_films(store, add_folder_printer(store), films=2)
    work_and_die(store, failpoint)
    recover_and_work(store)
    assert printed(store) == [f"{job_id}-01.pdf", f"{job_id}-02.pdf"]
    assert [job["job_state"] for job in list_jobs(store)] == ["completed"]


@pytest.mark.parametrize("failpoint", SEND + AFTER)
def test_a_film_for_a_raw_port_killed_on_its_way_prints_once_or_is_held_in_doubt(store: Store, failpoint: str) -> None:
    device = SocketPrinter()
    try:
        _add(store, f"socket://127.0.0.1:{device.port}")
        work_and_die(store, failpoint)
        recover_and_work(store)
    finally:
        device.stop()
    job = list_jobs(store)[0]
    whole = [document for document in device.printed if document.rstrip().endswith(b"%%EOF")]
    if job["job_state"] == "completed":
        assert len(whole) == 1
    else:
        assert (job["job_state"], job["job_state_reasons"][0]) == ("pending-held", "in-doubt")
        assert len(whole) <= 1
    assert job["job_state"] == "completed" or failpoint != "send.settled"


@pytest.mark.parametrize("failpoint", SEND + AFTER)
def test_a_film_for_an_ipp_printer_killed_on_its_way_comes_out_once_or_is_held(store: Store, failpoint: str) -> None:
    device = IppPrinter(loaded=[(20320, 25400)])
    try:
        _add(store, f"ipp://127.0.0.1:{device.port}/ipp/print")
        work_and_die(store, failpoint)
        recover_and_work(store)
        for _ in range(100):
            if list_jobs(store)[0]["job_state"] in ("completed", "pending-held"):
                break
            with store.database.write("print") as connection:  # its back-off is over
                print_jobs.change(connection, 1, not_before=None)
            recover_and_work(store)
    finally:
        device.stop()
    job = list_jobs(store)[0]
    assert len(device.printed) == (1 if job["job_state"] == "completed" else len(device.printed))
    assert len(device.printed) <= 1
    assert job["job_state"] == "completed" or job["job_state_reasons"][0] == "in-doubt"


def test_a_database_that_is_away_when_a_send_begins_costs_no_film(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    fell: list[object] = []
    monkeypatch.setattr(threading, "excepthook", fell.append)
    with away_between(monkeypatch, "send.claimed", "never", thread="send-"):
        FilmWorker(store).work_off()
    assert (fell, printed(store)) == ([], [])
    FilmWorker(store).work_off()
    assert printed(store) == [f"{job_id}-01.pdf"]
    assert show_job(store, job_id)["job_state"] == "completed"


def _add(store: Store, uri: str) -> None:
    settings = PrinterSettings(resolution=72)
    add_printer(store, Printer(name="raw", device_uri=uri, ae_titles=(), settings=settings), MODALITY)
    submit_films(store, get_printer(store, "raw"))
