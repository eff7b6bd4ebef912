"""The support bundle holds what helps, and nothing of patients or passwords."""

from __future__ import annotations

import contextlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.commands import common
from appliance.config import Settings
from appliance.errors import ApplianceError, ResourceError
from appliance.events import Actor
from appliance.printing.printer_verbs import add_printer, printer_settings
from appliance.printing.printers import Printer
from appliance.store import print_jobs
from appliance.store.store import Store
from appliance.upkeep import bundle, health
from appliance.upkeep.bundle import NAMES, write_bundle
from tests.printing.films import add_folder_printer, submit_films
from tests.support.cli import run


def test_a_bundle_names_no_patient_and_no_password(store: Store, tmp_path: Path, clerk: Actor) -> None:
    job_id = submit_films(store, add_folder_printer(store))
    with store.database.write() as connection:
        print_jobs.change(connection, job_id, label="NIGHTINGALE^FLORENCE")
    options = printer_settings({"device_options": {"username": "films", "password": "hunter2"}})
    uri = "ipp://admin:hunter2@192.0.2.7/ipp/print"
    add_printer(store, Printer(name="room1", device_uri=uri, ae_titles=(), settings=options), clerk)
    values = store.settings.model_dump() | {"notices": {"webhook": "https://chat.example/T0KEN"}}
    told = replace(store, settings=Settings.model_validate(values))
    path = write_bundle(told, tmp_path / "bundle.zip", health.look(told))
    with zipfile.ZipFile(path) as archive:
        text = {name: archive.read(name).decode() for name in archive.namelist()}
    everything = "".join(text.values())
    assert not [secret for secret in ("NIGHTINGALE", "hunter2", "T0KEN") if secret in everything]
    assert json.loads(text["jobs.json"]) == {"film pending": 1}
    assert "192.0.2.7" in text["printers.json"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_name_that_got_into_the_log_is_blotted_out() -> None:
    assert NAMES.sub("(name)", 'odd value "DOE^JOHN" in 1.2.3') == 'odd value "(name)" in 1.2.3'


def test_a_bundle_that_has_no_place_is_said_in_words(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="No such file or directory"):
        write_bundle(store, tmp_path / "nowhere" / "bundle.zip", [])


def test_the_journal_is_read_before_root_becomes_who_owns_the_folder(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To him it is closed: on an installed machine the bundle held no log at all."""
    became: list[Path] = []
    monkeypatch.setattr(common, "become_owner", became.append)
    monkeypatch.setattr(bundle, "journal", lambda: f"read before {became == []}")
    path = tmp_path / "bundle.zip"
    with contextlib.suppress(ApplianceError):
        run("check", "--quick", "--bundle", str(path), "--data", str(store.folder.root))
    assert became and zipfile.ZipFile(path).read("log.txt") == b"read before True"


def test_the_link_that_makes_the_first_admin_does_not_go_along() -> None:
    log = '{"says": "Make the first admin at https://films.example/first-run/Vuwe-SiO_jQ0 (the link works once)."}'
    assert "Vuwe-SiO_jQ0" not in bundle.blotted(log) and "(the link works once)" in bundle.blotted(log)
