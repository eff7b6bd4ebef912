"""The life of a print job, through the real worker and a folder printer."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ConflictError, NotFoundError, ResourceError
from appliance.events import Actor
from appliance.film.boxes import PresentationLUT
from appliance.film.sheet import GreyPolicy
from appliance.printing import jobs
from appliance.printing.printer_verbs import (
    add_profile,
    get_printer,
    pause,
    printer_settings,
    remove_printer,
    resume,
    set_printer,
)
from appliance.printing.profiles import PrintProfile
from appliance.printing.sending import in_printing_order, request_for
from appliance.printing.submission import SAME_FILM, fingerprint, submit
from appliance.printing.views import show_job
from appliance.printing.worker import FilmWorker
from appliance.store import files
from appliance.store.store import Store
from tests.printing.films import MODALITY, add_folder_printer, printed, submission, submit_films

pytestmark = pytest.mark.both_databases


def work(store: Store) -> None:
    FilmWorker(store).work_off()


def test_a_film_is_composed_and_comes_out_once(store: Store) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    work(store)
    work(store)
    job = show_job(store, job_id)
    assert printed(store) == [f"{job_id}-01.pdf"]
    assert job["job_state"] == "completed"
    assert [event["job_state"] for event in job["history"]] == ["pending", "processing", "completed"]
    assert (store.folder.job(job_id) / job["films"][0]["preview"]).read_bytes().startswith(b"\x89PNG")
    document = (store.folder.job(job_id) / job["films"][0]["document"]).read_bytes()
    assert (Path(store.folder.root) / "out/film" / f"{job_id}-01.pdf").read_bytes() == document


def test_a_collated_job_prints_1234_1234_and_an_uncollated_one_1122(store: Store) -> None:
    from appliance.store import print_jobs

    printer = add_folder_printer(store)
    collated = submit_films(store, printer, films=3, NumberOfCopies=2, collated=True)
    work(store)
    with store.database.read() as connection:
        job = print_jobs.get(connection, collated)
    documents = request_for(store, job, printer).documents
    assert [(document.copy, document.film) for document in documents] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 1),
        (2, 2),
        (2, 3),
    ]
    single = in_printing_order([documents[0], documents[1]], 2, collated=False)
    assert [(document.film, document.copy) for document in single] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert len(printed(store)) == 6


def test_high_prints_before_med_before_low_and_else_as_they_came(store: Store) -> None:
    printer = add_folder_printer(store)
    pause(store, "film", MODALITY)
    order = [submit_films(store, printer, PrintPriority=priority) for priority in ("LOW", "MED", "MED", "HIGH")]
    work(store)
    assert printed(store) == []
    resume(store, "film", MODALITY)
    work(store)
    ended = sorted(order, key=lambda job_id: show_job(store, job_id)["completed"])
    assert ended == [order[3], order[1], order[2], order[0]]


def test_a_job_that_goes_before_as_many_as_are_composed_ahead_does_not_jam_the_printer(
    store: Store, clerk: Actor
) -> None:
    """It is sent next, and is not composed yet: what stands behind it may not keep it from being."""
    printer, other = add_folder_printer(store), add_folder_printer(store, "other")
    moved, held = submit_films(store, other), submit_films(store, printer)
    jobs.hold(store, held, clerk)
    pause(store, "film", MODALITY)
    pause(store, "other", MODALITY)
    for _ in range(store.settings.printing.compose_ahead + 1):
        submit_films(store, printer)
    work(store)
    jobs.move(store, moved, printer, clerk)
    jobs.release(store, held, clerk)
    submit_films(store, printer, PrintPriority="HIGH")
    resume(store, "film", MODALITY)
    work(store)
    assert len(printed(store)) == store.settings.printing.compose_ahead + 4


def test_a_job_whose_document_can_t_be_written_lets_the_others_pass(store: Store) -> None:
    """It waits, for the disk may be well in a moment; nobody else's film does."""
    printer = add_folder_printer(store)
    pause(store, "film", MODALITY)
    stuck, next_one = submit_films(store, printer), submit_films(store, printer)
    (store.folder.job(stuck) / "film-01.pdf.part").mkdir()
    resume(store, "film", MODALITY)
    work(store)
    assert printed(store) == [f"{next_one}-01.pdf"]
    assert show_job(store, stuck)["job_state"] == "pending"
    assert "Composing waits" in show_job(store, stuck)["job_state_message"]


def test_held_jobs_wait_and_released_ones_print(store: Store, clerk: Actor) -> None:
    printer = add_folder_printer(store)
    held, free = submit_films(store, printer), submit_films(store, printer)
    jobs.hold(store, held, clerk)
    work(store)
    assert printed(store) == [f"{free}-01.pdf"]
    jobs.release(store, held, clerk)
    work(store)
    assert show_job(store, held)["job_state"] == "completed"


def test_a_canceled_job_never_prints(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    jobs.cancel(store, job_id, clerk)
    work(store)
    assert printed(store) == []
    assert show_job(store, job_id)["job_state"] == "canceled"
    with pytest.raises(ConflictError, match="canceled"):
        jobs.release(store, job_id, clerk)


def test_verbs_name_what_is_not_there(store: Store, clerk: Actor) -> None:
    with pytest.raises(NotFoundError, match="print job 77"):
        jobs.hold(store, 77, clerk)


def test_a_reprint_is_a_new_job_also_for_another_printer(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    other = add_folder_printer(store, "other", document_format="postscript", bits=12)
    work(store)
    new = jobs.reprint(store, job_id, clerk, printer=other, copies=2)
    work(store)
    assert printed(store, "other") == [f"{new}-01-c2.ps", f"{new}-01.ps"]
    assert show_job(store, new)["reprint_of"] == job_id
    assert list(store.folder.spool.iterdir()) == []


def test_a_moved_job_is_composed_for_its_new_printer(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    other = add_folder_printer(store, "other", document_format="postscript")
    pause(store, "film", clerk)
    work(store)
    jobs.move(store, job_id, other, clerk)
    work(store)
    assert printed(store) == []
    assert printed(store, "other") == [f"{job_id}-01.ps"]


def test_a_medium_that_is_not_loaded_holds_the_job(store: Store) -> None:
    media = [{"film_size_id": "14INX17IN"}]
    job_id = submit_films(store, add_folder_printer(store, media=media))
    work(store)
    job = show_job(store, job_id)
    assert (job["job_state"], job["job_state_reasons"]) == ("pending-held", ["media-needed"])
    assert "8INX10IN" in job["job_state_message"] and "release the job" in job["job_state_message"]


def test_the_same_film_within_minutes_is_flagged_or_held(store: Store) -> None:
    flagged, holding = add_folder_printer(store), add_folder_printer(store, "careful", duplicates="hold")
    first, second = submit_films(store, flagged, level=7), submit_films(store, flagged, level=7)
    third = submit_films(store, holding, level=7)
    other = submit_films(store, holding, level=8)
    work(store)
    assert "duplicate" in show_job(store, second)["history"][0]["job_state_reasons"]
    assert show_job(store, second)["warnings"] == [SAME_FILM]
    assert show_job(store, first)["history"][0]["job_state_reasons"] == []
    assert show_job(store, third)["job_state"] == "pending-held"
    assert show_job(store, other)["job_state"] == "completed"


def test_a_film_sent_again_after_it_was_cancelled_or_failed_is_no_duplicate(store: Store, clerk: Actor) -> None:
    printer = add_folder_printer(store, duplicates="hold")
    jobs.cancel(store, submit_films(store, printer, level=7), clerk)
    again = submit_films(store, printer, level=7)
    work(store)
    assert printed(store) == [f"{again}-01.pdf"]


@pytest.mark.parametrize(
    "looks",
    [
        {"presentation_lut": PresentationLUT(PresentationLUTShape="LIN OD")},
        {"MaxDensity": 150},
        {"MagnificationType": "NONE"},
        {"image": {"RequestedImageSize": 50.0}},
        {"image": {"Polarity": "REVERSE"}},
    ],
)
def test_the_same_pixels_printed_in_another_way_are_another_film(store: Store, looks: dict[str, Any]) -> None:
    request = submission(store, add_folder_printer(store), level=7)
    film = request.session.film_boxes[0]
    boxes = tuple(replace(box, **looks.get("image", {})) for box in film.image_boxes)
    values = {keyword: value for keyword, value in looks.items() if keyword != "image"}
    other = replace(request.session, film_boxes=(replace(film, image_boxes=boxes, **values),))
    assert fingerprint(other, request.folder) != fingerprint(request.session, request.folder)
    assert fingerprint(replace(other, MediumType="PAPER"), request.folder) != fingerprint(other, request.folder)


def test_a_film_whose_pixels_are_gone_is_aborted_and_the_queue_goes_on(store: Store) -> None:
    printer = add_folder_printer(store)
    broken, good = submit_films(store, printer), submit_films(store, printer)
    for path in store.folder.job(broken).glob("image-*"):
        path.write_bytes(b"")
    work(store)
    assert show_job(store, broken)["job_state"] == "aborted"
    assert show_job(store, good)["job_state"] == "completed"


def test_a_document_damaged_on_disk_is_composed_again(store: Store, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    pause(store, "film", clerk)
    work(store)
    document = store.folder.job(job_id) / "film-01.pdf"
    whole = document.read_bytes()
    document.write_bytes(whole[:-100])
    resume(store, "film", clerk)
    store.database.engine.dispose()
    work(store)
    with store.database.write("print") as connection:  # its back-off is over
        from appliance.store import print_jobs

        print_jobs.change(connection, job_id, not_before=None)
    work(store)
    assert (store.folder.root / "out/film" / f"{job_id}-01.pdf").read_bytes() == whole


def test_a_full_queue_and_a_short_disk_are_refused_and_nothing_is_kept(store: Store) -> None:
    printer = add_folder_printer(store, maximum_jobs=1)
    submit_films(store, printer)
    with pytest.raises(ResourceError, match="1 jobs waiting"):
        submit_films(store, printer)
    assert [path.name for path in store.folder.jobs.iterdir()] == ["1"]


@pytest.mark.parametrize("what", ["ENOSPC", "EIO", "EROFS"])
def test_a_submission_that_meets_a_fault_at_any_write_is_refused_whole(store: Store, what: str) -> None:
    printer = add_folder_printer(store)
    number = 0
    while True:
        number += 1
        request = submission(store, printer)
        files.set_fault(f"{number}:{what}")
        try:
            job_id = submit(store, request, MODALITY)
            break
        except (ResourceError, OSError) as error:
            assert isinstance(error, ResourceError), f"operation {number}: {error!r}"
        finally:
            files.set_fault("")
    assert number > 5
    with store.database.read() as connection:
        from appliance.store import print_jobs

        assert [job.job_id for job in print_jobs.page(connection)] == [job_id]


def test_changed_settings_compose_waiting_jobs_anew(store: Store, clerk: Actor) -> None:
    printer = add_folder_printer(store)
    job_id = submit_films(store, printer)
    pause(store, "film", clerk)
    work(store)
    printer = get_printer(store, "film")
    set_printer(
        store, replace(printer, settings=printer_settings({"resolution": 72, "document_format": "postscript"})), clerk
    )
    resume(store, "film", clerk)
    work(store)
    assert printed(store) == [f"{job_id}-01.ps"]


def test_a_printer_with_jobs_waiting_can_t_be_removed(store: Store, clerk: Actor) -> None:
    submit_films(store, add_folder_printer(store))
    with pytest.raises(ConflictError, match="1 jobs wait"):
        remove_printer(store, "film", clerk)


def test_two_workers_never_send_two_jobs_to_one_printer(store: Store) -> None:
    printer = add_folder_printer(store)
    numbers = [submit_films(store, printer) for _ in range(6)]
    stop = threading.Event()
    workers = [FilmWorker(store) for _ in range(2)]
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    while any(show_job(store, number)["job_state"] != "completed" for number in numbers):
        stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    ended = sorted(numbers, key=lambda number: show_job(store, number)["completed"])
    assert ended == numbers
    assert len(printed(store)) == 6


def test_an_imager_is_told_what_the_print_profile_says_of_grey(store: Store, clerk: Actor) -> None:
    printer = replace(add_folder_printer(store), device_uri="dicom://IMAGER@127.0.0.1:104")
    profile = PrintProfile(name="old", printer="film", grey=GreyPolicy(without_lut="lin-od"))
    add_profile(store, profile, clerk)
    job_id = submit(store, replace(submission(store, printer), profile="old"), MODALITY)
    work(store)
    session = request_for(store, jobs.get_job(store, job_id), printer).session
    assert session is not None
    assert session.film_boxes[0].image_boxes[0].presentation_lut == PresentationLUT(PresentationLUTShape="LIN OD")


def test_films_of_different_sizes_in_one_job_each_ask_for_their_own_medium(store: Store) -> None:
    from appliance.store import print_jobs

    printer = add_folder_printer(store)
    request = submission(store, printer, films=2, collated=True)
    first, second = request.session.film_boxes
    films = (first, replace(second, FilmSizeID="14INX17IN"))
    job_id = submit(store, replace(request, session=replace(request.session, film_boxes=films)), MODALITY)
    work(store)
    with store.database.read() as connection:
        job = print_jobs.get(connection, job_id)
    assert job is not None
    media = [document.media for document in request_for(store, job, printer).documents]
    assert [(one.x_dimension, one.y_dimension) for one in media if one] == [(20320, 25400), (35560, 43180)]
