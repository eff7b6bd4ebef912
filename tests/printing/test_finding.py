"""Print jobs are found by what a person knows of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.printing import jobs
from appliance.printing.printer_verbs import add_printer
from appliance.printing.submission import submit
from appliance.printing.views import list_jobs
from appliance.store import print_job_words
from appliance.store.store import Store
from tests.printing.films import MODALITY, add_folder_printer, submission


def labelled(store: Store, *labels: str) -> list[int]:
    printer = add_folder_printer(store)
    sent = [submission(store, printer, FilmSessionLabel=label) for label in labels]
    return [submit(store, replace(each, originator="CT_ROOM1", called_ae_title="DRYPIX"), MODALITY) for each in sent]


def found(store: Store, text: str) -> list[int]:
    return [job["job_id"] for job in list_jobs(store, text=text)]


@pytest.mark.parametrize("few", [0, 2000])  # by walking the list, and by looking a rare word up: the same answers
def test_a_job_is_found_by_the_beginnings_of_its_words(store: Store, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(print_job_words, "FEW", few)
    first, second, third = labelled(store, "Müller, Thorax", "ИВАНОВА ОЛЬГА", "王小明 thorax")
    assert found(store, "MULLER tho") == [first]
    assert found(store, "иван") == [second]
    assert found(store, "小明") == [third]
    assert found(store, "thorax") == [third, first]
    assert found(store, "ct_room1 DRY") == found(store, "film") == [third, second, first]
    assert found(store, "hidden") == found(store, "%") == found(store, "thorax olga") == []


def test_a_number_finds_the_job_of_that_number_alone(store: Store) -> None:
    numbers = labelled(store, *["x"] * 11)
    assert found(store, str(numbers[0])) == [numbers[0]]
    assert found(store, str(numbers[10])) == [numbers[10]]


def test_a_moved_job_is_found_by_its_new_printer(store: Store) -> None:
    (job_id,) = labelled(store, "x")
    other = replace(add_folder_printer(store, "other"), name="theatre", ae_titles=("THEATRE",))
    add_printer(store, other, MODALITY)
    jobs.move(store, job_id, other, MODALITY)
    assert found(store, "theatre") == [job_id] and found(store, "film") == []
