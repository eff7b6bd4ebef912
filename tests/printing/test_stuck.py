"""What once lost, doubled or jammed films: verbs and faults that meet at an unlucky moment."""

from __future__ import annotations

import datetime as dt
import errno
import shutil
from collections.abc import Iterable
from dataclasses import replace
from threading import Event, Thread
from typing import Any

import pytest

from appliance.errors import ConflictError, ResourceError, UsageError
from appliance.events import Actor
from appliance.film.sheet import GreyPolicy
from appliance.printing import composing, housekeeping, jobs
from appliance.printing.composing import ATTEMPTS
from appliance.printing.printer_verbs import (
    add_printer,
    add_profile,
    get_printer,
    pause,
    printer_settings,
    remove_printer,
    remove_profile,
    resume,
    set_printer,
    set_profile,
)
from appliance.printing.printers import Printer
from appliance.printing.profiles import PrintProfile
from appliance.printing.submission import submit
from appliance.printing.views import show_job
from appliance.printing.worker import FilmWorker
from appliance.store import print_jobs
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from tests.faults.plant import wait_until
from tests.printing.films import MODALITY, add_folder_printer, printed, submission, submit_films
from tests.support.killing import killed_at


def work(store: Store) -> None:
    FilmWorker(store).work_off()


def work_and_die(store: Store, failpoint: str) -> None:
    killed_at(failpoint, lambda: FilmWorker(open_store(store.folder.root, settings=store.settings)).work_off())


def change(store: Store, job_id: int, **values: object) -> None:
    with store.database.write("print") as connection:
        print_jobs.change(connection, job_id, **values)


def add_unreachable(store: Store, name: str = "off", **settings: object) -> Printer:
    values = printer_settings({"resolution": 72} | settings)
    add_printer(store, Printer(name=name, device_uri="socket://127.0.0.1:1", ae_titles=(), settings=values), MODALITY)
    return get_printer(store, name)


def test_a_cancel_outlives_the_worker_that_was_to_send(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    work_and_die(store, "send.claimed")
    jobs.cancel(store, job_id, clerk)
    work(store)
    assert printed(store) == []
    assert show_job(store, job_id)["job_state"] == "canceled"


def test_a_film_begun_at_another_address_than_its_printer_has_now_is_in_doubt(store: Store, clerk: Actor) -> None:
    """The device there now knows nothing of it: that would be a second film without a mark."""
    printer = add_folder_printer(store)
    job_id = submit_films(store, printer)
    work_and_die(store, "send.answered")
    assert len(printed(store)) == 1
    elsewhere = store.folder.root / "elsewhere"
    elsewhere.mkdir()
    set_printer(store, replace(printer, device_uri=f"folder:{elsewhere}"), clerk)
    work(store)
    assert list(elsewhere.iterdir()) == []
    job = show_job(store, job_id)
    assert (job["job_state"], job["job_state_reasons"][0]) == ("pending-held", "in-doubt")
    assert f"begun at {printer.device_uri}," in job["job_state_message"]


def test_a_job_in_doubt_that_is_moved_prints_under_another_name(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    other = add_folder_printer(store, "other")
    change(store, job_id, job_state="pending-held", job_state_reasons=["in-doubt"])
    jobs.move(store, job_id, other, clerk)
    assert show_job(store, job_id)["job_state_reasons"] == ["reprinted-after-doubt"]
    work(store)
    assert printed(store, "other") == [f"{job_id}-again1-01.pdf"]


def test_a_job_is_not_moved_to_the_printer_it_is_for(store: Store, clerk: Actor) -> None:
    printer = add_folder_printer(store)
    job_id = submit_films(store, printer)
    change(store, job_id, job_state="pending-held", job_state_reasons=["in-doubt"])
    with pytest.raises(ConflictError, match="already"):
        jobs.move(store, job_id, printer, clerk)
    assert show_job(store, job_id)["job_state_reasons"] == ["in-doubt"]


def test_a_job_half_printed_that_is_moved_prints_whole_under_another_name(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store), films=2)
    other = add_folder_printer(store, "other")
    change(store, job_id, sent_documents=1)
    jobs.move(store, job_id, other, clerk)
    work(store)
    assert printed(store, "other") == [f"{job_id}-again1-01.pdf", f"{job_id}-again1-02.pdf"]


def test_settings_changed_while_a_job_is_being_sent_hold_for_its_next_attempt(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    work_and_die(store, "send.claimed")
    assert show_job(store, job_id)["job_state"] == "processing"
    settings = printer_settings({"resolution": 72, "document_format": "postscript"})
    set_printer(store, replace(get_printer(store, "film"), settings=settings), clerk)
    work(store)
    assert printed(store) == [f"{job_id}-01.ps"]


def test_a_print_profile_s_other_grey_holds_for_the_films_that_wait(store: Store, clerk: Actor) -> None:
    add_profile(store, PrintProfile(name="old", printer=add_folder_printer(store).name), clerk)
    job_id = submit(store, replace(submission(store, get_printer(store, "film")), profile="old"), MODALITY)
    pause(store, "film", clerk)
    work(store)
    before = show_job(store, job_id)["films"][0]["document_sha256"]
    set_profile(store, PrintProfile(name="old", printer="film", grey=GreyPolicy(without_lut="lin-od")), clerk)
    work(store)
    assert show_job(store, job_id)["films"][0]["document_sha256"] != before


def test_a_print_profile_whose_grey_films_wait_for_stays(store: Store, clerk: Actor) -> None:
    profile = PrintProfile(name="od", printer=add_folder_printer(store).name, grey=GreyPolicy(without_lut="lin-od"))
    add_profile(store, profile, clerk)
    job_id = submit(store, replace(submission(store, get_printer(store, "film")), profile="od"), MODALITY)
    with pytest.raises(ConflictError, match="1 jobs wait"):
        remove_profile(store, "od", clerk)
    jobs.cancel(store, job_id, clerk)
    remove_profile(store, "od", clerk)


def test_a_film_whose_files_are_gone_is_aborted_and_the_queue_goes_on(store: Store) -> None:
    printer = add_folder_printer(store)
    lost, good = submit_films(store, printer), submit_films(store, printer)
    shutil.rmtree(store.folder.job(lost))
    for _ in range(ATTEMPTS):
        work(store)
        change(store, lost, not_before=None)
    work(store)
    assert show_job(store, lost)["job_state"] == "aborted"
    assert "film.json" in show_job(store, lost)["job_state_message"]
    assert printed(store) == [f"{good}-01.pdf"]


def test_films_wait_while_the_folder_of_all_of_them_is_away(store: Store) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    away = store.folder.jobs.rename(store.folder.root / "away")
    for _ in range(2 * ATTEMPTS):
        work(store)
        change(store, job_id, not_before=None)
    assert show_job(store, job_id)["job_state"] == "pending"
    away.rename(store.folder.jobs)
    work(store)
    assert printed(store) == [f"{job_id}-01.pdf"]


def test_a_film_outlasts_a_database_that_takes_nothing_each_time_it_was_composed(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Locked by a long writer, or no room for a large transaction where there is some for a small one."""
    job_id = submit_films(store, add_folder_printer(store))
    keep, failures = composing._keep, iter(range(2 * ATTEMPTS))

    def kept_at_last(*arguments: Any) -> None:
        if next(failures, None) is not None:
            raise ResourceError("The database can't be written: database or disk is full.")
        keep(*arguments)

    monkeypatch.setattr(composing, "_keep", kept_at_last)
    for _ in range(2 * ATTEMPTS):
        work(store)
        assert show_job(store, job_id)["job_state"] == "pending"
        assert "Composing waits" in show_job(store, job_id)["job_state_message"]
        change(store, job_id, not_before=None)
    work(store)
    assert printed(store) == [f"{job_id}-01.pdf"]
    assert not [record for record in caplog.records if record.exc_info], "told in words"


def run_until_printed(store: Store, worker: FilmWorker, job_id: int) -> None:
    """Have the worker go round as in its process."""
    stop = Event()
    running = Thread(target=worker.run, args=(stop,))
    running.start()
    try:
        assert wait_until(lambda: show_job(store, job_id)["job_state"] == "completed")
    finally:
        stop.set()
        running.join(30)


def test_a_film_outlasts_a_moment_without_threads(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id, worker, real, short = submit_films(store, add_folder_printer(store)), FilmWorker(store), Thread.start, [1]

    def start(thread: Thread) -> None:
        if thread.name.startswith("send") and short:
            short.pop()
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(Thread, "start", start)
    run_until_printed(store, worker, job_id)
    assert printed(store) == [f"{job_id}-01.pdf"]
    assert not [record for record in caplog.records if record.exc_info], "told in words"
    assert "no thread to spare" in caplog.text


def test_a_worker_that_can_t_look_who_lives_waits_and_says_so_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id, worker = submit_films(store, add_folder_printer(store)), FilmWorker(store)
    real, short = store.locks.dead, [1, 2]

    def dead(names: Iterable[str]) -> list[str]:
        if short:
            short.pop()
            raise OSError(errno.EMFILE, "Too many open files")
        return real(names)

    monkeypatch.setattr(store.locks, "dead", dead)
    run_until_printed(store, worker, job_id)
    assert not [record for record in caplog.records if record.exc_info]
    assert caplog.text.count("Too many open files") == 1


def test_what_is_no_fault_of_the_printer_is_no_matter_of_its_error_policy(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store, error_policy="abort-job"))
    pause(store, "film", clerk)
    work(store)
    (store.folder.job(job_id) / "film-01.pdf").write_bytes(b"damaged")
    resume(store, "film", clerk)
    work(store)
    change(store, job_id, not_before=None)
    work(store)
    assert printed(store) == [f"{job_id}-01.pdf"]


def test_films_behind_one_that_is_half_printed_are_redirected(store: Store) -> None:
    spare = add_folder_printer(store, "spare")
    off = add_unreachable(store, error_policy="redirect:spare", redirect_minutes=1)
    half, behind, young = (submit_films(store, off, films=2) for _ in range(3))
    for job_id in (half, behind):
        change(store, job_id, created=now() - dt.timedelta(minutes=2))
    change(store, half, sent_documents=1)
    work(store)
    housekeeping.redirect(store)
    assert [show_job(store, job_id)["printer"] for job_id in (half, behind, young)] == ["off", spare.name, "off"]


def test_films_wait_where_they_are_while_the_other_printer_prints_nothing_either(store: Store, clerk: Actor) -> None:
    """Two dead printers that lead to each other would pass them to and fro, each time composed and audited anew."""
    add_folder_printer(store, "spare")
    off = add_unreachable(store, error_policy="redirect:spare", redirect_minutes=1)
    job_id = submit_films(store, off)
    change(store, job_id, created=now() - dt.timedelta(minutes=2))
    work(store)
    pause(store, "spare", clerk)
    housekeeping.redirect(store)
    assert show_job(store, job_id)["printer"] == "off"
    resume(store, "spare", clerk)
    housekeeping.redirect(store)
    assert show_job(store, job_id)["printer"] == "spare"


@pytest.mark.parametrize("other", ["nowhere", "off"])
def test_films_are_redirected_to_another_printer_that_is_there(store: Store, other: str) -> None:
    with pytest.raises(UsageError) as refused:
        add_unreachable(store, error_policy=f"redirect:{other}")
    assert refused.value.field == "error_policy"


def test_a_printer_others_lead_to_can_t_be_removed(store: Store, clerk: Actor) -> None:
    add_folder_printer(store, "spare")
    add_unreachable(store, error_policy="redirect:spare")
    add_profile(store, PrintProfile(name="old", printer="off", called_ae_title="DRYPIX"), clerk)
    with pytest.raises(ConflictError, match="'off' redirects"):
        remove_printer(store, "spare", clerk)
    with pytest.raises(ConflictError, match="'old' leads"):
        remove_printer(store, "off", clerk)


def test_a_film_that_was_never_sent_can_t_have_come_out(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    jobs.hold(store, job_id, clerk)
    with pytest.raises(ConflictError, match="not sent"):
        jobs.confirm(store, job_id, clerk)
    assert show_job(store, job_id)["job_state"] == "pending-held"


def test_a_film_held_as_a_duplicate_says_what_to_do(store: Store) -> None:
    printer = add_folder_printer(store, duplicates="hold")
    submit_films(store, printer, level=7)
    assert "release it" in show_job(store, submit_films(store, printer, level=7))["job_state_message"]
