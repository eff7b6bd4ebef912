"""What a printer may be set to, and how a mistake is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.errors import UsageError
from appliance.events import Actor
from appliance.printing.printer_verbs import get_printer, printer_settings, set_printer
from appliance.printing.sending import device_of
from appliance.store.store import Store
from tests.printing.films import add_folder_printer


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"retry_limt": 3}, "retry_limt: there is no such setting; did you mean retry_limit?"),
        ({"media": [{"film_size": "A4", "film_size_id": "A4"}]}, "did you mean film_size_id?"),
        ({"media": [{"film_size_id": "A4", "margins": {"topp": 1}}]}, "did you mean top?"),
    ],
)
def test_a_mistyped_setting_names_the_nearest_one(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        printer_settings(values)
    assert words in str(refused.value)


def test_a_film_size_the_layouts_do_not_know_is_refused(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    printer = get_printer(store, "film")
    mistyped = printer_settings({"media": [{"film_size_id": "14IN17IN"}]})
    with pytest.raises(UsageError, match="did you mean 14INX17IN"):
        set_printer(store, replace(printer, settings=mistyped), clerk)


def test_a_printer_may_not_widen_the_folders_it_writes_to(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    printer = get_printer(store, "film")
    widened = printer_settings({"device_options": {"folder_roots": ["/"]}})
    with pytest.raises(UsageError, match="under no allowed folder"):
        device_of(store, replace(printer, device_uri="folder:/etc/films", settings=widened))
