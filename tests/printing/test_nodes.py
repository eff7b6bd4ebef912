"""Several machines on one database: a printer or burner bound to one is driven by it alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from appliance.config import NodeSettings
from appliance.errors import UsageError
from appliance.events import Actor
from appliance.media.burners import BurnerSettings, StoredBurner, add_burner
from appliance.printing import housekeeping, recovery
from appliance.printing.printer_verbs import get_printer, set_printer
from appliance.printing.worker import FilmWorker
from appliance.store import print_jobs
from appliance.store.store import Store, open_store
from tests.faults.plant import wait_until
from tests.printing.films import MODALITY, add_folder_printer, printed, submit_films
from tests.support.killing import killed_at


@pytest.fixture
def database_kind() -> str:
    return "postgresql"


def on(store: Store, name: str) -> Store:
    """The same store as another machine has it."""
    return open_store(store.folder.root, settings=store.settings.model_copy(update={"node": NodeSettings(name=name)}))


@pytest.fixture
def machines(store: Store) -> Iterator[tuple[Store, Store]]:
    both = on(store, "east"), on(store, "west")
    yield both
    for each in both:
        each.close()


def test_a_printer_bound_to_a_machine_is_driven_by_it_alone(machines: tuple[Store, Store]) -> None:
    east, west = machines
    printer = add_folder_printer(east, node="west")
    job = submit_films(east, printer)
    FilmWorker(east).work_off()
    assert printed(east) == []
    with east.database.read() as connection:
        assert print_jobs.get(connection, job).composed, "anyone composes"
    FilmWorker(west).work_off()
    assert len(printed(west)) == 1


def test_what_a_dead_machine_had_begun_at_its_own_printer_waits_for_it(machines: tuple[Store, Store]) -> None:
    east, west = machines
    job = submit_films(west, add_folder_printer(west, node="west"))
    with west.database.write() as connection:
        print_jobs.change(connection, job, composed=True)
        assert print_jobs.claim_send(connection, job, "films-west-1-gone")
    with east.database.read() as connection:
        assert print_jobs.claimed(connection, "east") == []
        assert [row.job_id for row in print_jobs.claimed(connection, "west")] == [job]
    assert recovery.take_over_claims(east, "films-east-1-x", set()) == []


def test_a_film_begun_in_a_dead_machine_s_own_folder_is_in_doubt_once_its_printer_is_bound_to_another(
    machines: tuple[Store, Store],
) -> None:
    """The folder of that name here knows nothing of it: that would be a second film without a mark."""
    east, west = machines
    printer = add_folder_printer(west, node="west")
    job = submit_films(west, printer)
    killed_at("send.answered", lambda: FilmWorker(on(west, "west")).work_off())
    assert len(printed(west)) == 1
    (west.folder.root / "out").rename(west.folder.root / "out-of-west")
    bound = printer.settings.model_copy(update={"node": "east"})
    set_printer(east, replace(get_printer(east, printer.name), settings=bound), MODALITY)
    assert wait_until(lambda: work_off(east, job).job_state != "processing", 30), "it is dead once its lease is over"
    assert printed(east) == []
    found = work_off(east, job)
    assert (found.job_state, found.job_state_reasons[0]) == ("pending-held", "in-doubt")
    assert "(west)" in found.job_state_message


def work_off(store: Store, job_id: int) -> print_jobs.Job:
    FilmWorker(store).work_off()
    with store.database.read() as connection:
        job = print_jobs.get(connection, job_id)
    assert job is not None
    return job


def test_the_machine_a_printer_is_at_asks_it_how_it_is_though_another_keeps_house(
    machines: tuple[Store, Store],
) -> None:
    """Nobody did: the one that kept house left it to the other, which did not keep house."""
    east, west = machines
    add_folder_printer(east, node="west")
    with west.database.write() as connection:
        connection.exec_driver_sql("UPDATE printer SET printer_state_reasons = '[\"offline\"]'")
    house = [keeper for machine in machines for keeper in housekeeping.keepers(machine)]
    for keeper in house:
        keeper.keep()
    assert wait_until(lambda: _reasons(west) == [], 10)
    for keeper in house:
        keeper.close()


def _reasons(store: Store) -> object:
    with store.database.read() as connection:
        return connection.exec_driver_sql("SELECT printer_state_reasons FROM printer").scalar_one()


def test_a_film_whose_composing_broke_off_goes_on_though_its_printer_is_elsewhere(
    machines: tuple[Store, Store],
) -> None:
    """Its claim stayed for as long as that worker lived: only the printer's machine looked, and found it alive."""
    east, west = machines
    job = submit_films(east, add_folder_printer(east, node="west"))
    worker = FilmWorker(east)
    with east.database.write() as connection:
        assert print_jobs.claim_compose(connection, job, worker.lock.name)
    worker.work_off()
    with east.database.read() as connection:
        assert print_jobs.get(connection, job).composed


def test_a_send_that_broke_off_is_found_out_about_though_its_printer_was_bound_elsewhere_since(
    machines: tuple[Store, Store],
) -> None:
    east, _ = machines
    job = submit_films(east, add_folder_printer(east, node="west"))
    worker = FilmWorker(east)
    with east.database.write() as connection:
        print_jobs.change(connection, job, composed=True)
        assert print_jobs.claim_send(connection, job, worker.lock.name)
    assert recovery.take_over_claims(east, worker.lock.name, set()) == [job]
    worker.lock.release()


def test_a_drive_among_several_machines_says_in_which_it_is(store: Store, clerk: Actor) -> None:
    drive = StoredBurner(name="drive", burner_uri="drive:/dev/sr0")
    with pytest.raises(UsageError, match="in one machine") as caught:
        add_burner(store, drive, clerk)
    assert caught.value.field == "node"
    add_burner(
        store, StoredBurner(name="drive", burner_uri=drive.burner_uri, settings=BurnerSettings(node="west")), clerk
    )
