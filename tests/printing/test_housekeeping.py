"""What is done now and then: purging kept films, redirecting waiting ones, asking printers how they are."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from appliance.config import Settings
from appliance.errors import ConflictError
from appliance.events import Actor
from appliance.film.boxes import files_of_session
from appliance.printing import housekeeping, jobs
from appliance.printing.printer_verbs import add_printer, all_printers, get_printer, printer_settings
from appliance.printing.printers import Printer
from appliance.printing.views import list_jobs, show_job
from appliance.printing.worker import FilmWorker
from appliance.store import audit, files, print_jobs
from appliance.store.store import Store
from appliance.store.tables.base import now
from tests.printing.films import MODALITY, add_folder_printer, printed, submit_films


def test_films_past_their_days_are_purged_and_can_t_be_reprinted(store: Store, clerk: Actor) -> None:
    printer = add_folder_printer(store)
    ended, waiting = submit_films(store, printer), submit_films(store, printer)
    jobs.cancel(store, ended, clerk)
    jobs.hold(store, waiting, clerk)
    assert housekeeping.purge(store) == 0
    later = now() + dt.timedelta(days=store.settings.storage.films_days, minutes=1)
    assert housekeeping.purge(store, at=later) == 1
    assert not store.folder.job(ended).exists()
    assert store.folder.job(waiting).exists()
    assert show_job(store, ended)["purged"]
    with pytest.raises(ConflictError, match="purged"):
        jobs.reprint(store, ended, clerk, printer=printer)


def test_films_that_can_t_be_removed_are_not_said_to_be_gone(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may be another user's, after a restore as root; the trail is the proof that patients' data is gone."""
    job_id = submit_films(store, add_folder_printer(store))
    jobs.cancel(store, job_id, clerk)
    full = replace(store, settings=_with_quota(store.settings, 0))
    with monkeypatch.context() as stubborn:
        stubborn.setattr(files.shutil, "rmtree", lambda *_, **__: None)
        assert housekeeping.purge(full) == 0
    with store.database.read() as connection:
        assert audit.page(connection, event="films-purged") == []
    assert housekeeping.purge(full) == 1, "it is tried again"
    assert not store.folder.job(job_id).exists()


def test_the_quota_counts_all_that_is_kept_of_a_film(store: Store) -> None:
    """Document and preview, too, which may be more than was received."""
    job_id = submit_films(store, add_folder_printer(store))
    received = show_job(store, job_id)["bytes"]
    FilmWorker(store).work_off()
    on_disk = sum(path.stat().st_size for path in store.folder.job(job_id).iterdir())
    with store.database.read() as connection:
        assert print_jobs.kept_bytes(connection) == on_disk > received > 0


def test_a_film_being_purged_in_that_moment_is_not_reprinted_in_part(store: Store, clerk: Actor) -> None:
    printer = add_folder_printer(store)
    ended = submit_films(store, printer)
    jobs.cancel(store, ended, clerk)
    folder = store.folder.job(ended)
    gone = next(iter(files_of_session(jobs.read_session(folder))))
    (folder / gone).unlink()  # the row is not told yet
    with pytest.raises(ConflictError, match="purged"):
        jobs.reprint(store, ended, clerk, printer=printer)
    assert list(store.folder.spool.iterdir()) == []


def test_above_the_quota_the_oldest_ended_films_go_and_waiting_ones_stay(store: Store, clerk: Actor) -> None:
    printer = add_folder_printer(store)
    ended = [submit_films(store, printer) for _ in range(3)]
    for job_id in ended:
        jobs.cancel(store, job_id, clerk)
    waiting = submit_films(store, printer)
    full = replace(store, settings=_with_quota(store.settings, 0))
    assert housekeeping.purge(full) == 3
    assert [path.name for path in store.folder.jobs.iterdir()] == [str(waiting)]


def _with_quota(settings: Settings, gib: int) -> Settings:
    storage = settings.storage.model_copy(update={"films_quota_gib": gib})
    return settings.model_copy(update={"storage": storage})


def test_a_job_its_printer_fails_to_print_goes_to_the_one_named(store: Store) -> None:
    add_folder_printer(store, "spare")
    broken = Printer(
        name="broken",
        device_uri="socket://127.0.0.1:1",
        ae_titles=(),
        settings=printer_settings({"resolution": 72, "error_policy": "redirect:spare", "redirect_minutes": 1}),
    )
    add_printer(store, broken, MODALITY)
    job_id = submit_films(store, broken)
    FilmWorker(store).work_off()
    housekeeping.redirect(store)
    assert show_job(store, job_id)["printer"] == "broken"  # not yet
    with store.database.write("print") as connection:
        print_jobs.change(connection, job_id, created=now() - dt.timedelta(minutes=2))
    housekeeping.redirect(store)
    FilmWorker(store).work_off()
    assert printed(store, "spare") == [f"{job_id}-01.pdf"]


def test_a_printer_that_can_t_be_reached_says_so_and_its_job_waits(store: Store) -> None:
    settings = printer_settings({"resolution": 72})
    add_printer(
        store, Printer(name="off", device_uri="socket://127.0.0.1:1", ae_titles=(), settings=settings), MODALITY
    )
    job_id = submit_films(store, get_printer(store, "off"))
    FilmWorker(store).work_off()
    job = show_job(store, job_id)
    assert (job["job_state"], job["attempts"]) == ("pending", 1)
    assert "refused" in job["job_state_message"]
    assert "connecting-to-device" in get_printer(store, "off").printer_state_reasons


def test_printers_are_asked_how_they_are(store: Store) -> None:
    add_folder_printer(store)
    housekeeping.ask_printers(store)
    assert [printer.printer_state_reasons for printer in all_printers(store)] == [()]
    printer = get_printer(store, "film")
    blocked = store.folder.root / "out"
    blocked.rename(store.folder.root / "gone") if blocked.exists() else None
    blocked.write_text("a file where a folder should be")
    housekeeping.ask_printers(store)
    assert get_printer(store, "film").printer_state_reasons != ()
    assert replace(printer).is_accepting_jobs


def test_a_printer_whose_state_breaks_us_keeps_no_other_from_being_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_folder_printer(store, "first")
    add_folder_printer(store, "second")
    asked = []

    def device_of(store: Store, printer: Printer) -> Any:
        asked.append(printer.name)
        raise NotImplementedError("Unknown Value Representation")

    monkeypatch.setattr(housekeeping, "device_of", device_of)
    housekeeping.ask_printers(store)
    assert asked[-2:] == ["first", "second"]


def test_jobs_are_listed_newest_first_by_keyset(store: Store) -> None:
    printer = add_folder_printer(store)
    numbers = [submit_films(store, printer) for _ in range(5)]
    first = list_jobs(store, limit=2)
    second = list_jobs(store, limit=2, before=first[-1]["job_id"])
    assert [job["job_id"] for job in first + second] == list(reversed(numbers))[:4]
    assert list_jobs(store, printer_name="other") == []
    assert [job["job_id"] for job in list_jobs(store, text=str(numbers[2]))] == [numbers[2]]
    assert len(list_jobs(store, originator="CT1", job_states=["pending"])) == 5


def test_a_job_that_waits_does_not_wait_longer_because_the_clock_was_put_back(store: Store) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    with store.database.write("print") as connection:
        print_jobs.change(connection, job_id, not_before=now() + dt.timedelta(minutes=4))
    FilmWorker(store).work_off()
    assert show_job(store, job_id)["job_state"] == "pending"
    with store.database.write("print") as connection:
        print_jobs.change(connection, job_id, not_before=now() + dt.timedelta(hours=1))
    FilmWorker(store).work_off()
    assert show_job(store, job_id)["job_state"] == "completed"
