"""/metrics: what it says is what happened, and the alerts and the dashboard ask for nothing it does not say."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from appliance.errors import ResourceError
from appliance.media.discs import create_disc
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.media.worker import DiscWorker
from appliance.store import tally
from appliance.store.store import Store
from appliance.store.tally import put_level
from tests.web import made
from tests.web.conftest import TESTER

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures(app: Flask) -> Figures:
    families = text_string_to_metric_families(app.test_client().get("/metrics").text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def figure(found: Figures, name: str, **labels: str) -> float:
    return found[f"appliance_{name}", tuple(sorted(labels.items()))]


@pytest.fixture
def worked(store: Store, tmp_path: Path) -> Store:
    """An appliance that printed a film and made a disc."""
    made.devices(store)
    made.film(store)
    uid = made.study(store, tmp_path)
    create_disc(store, DiscOrder(selection=Selection(studies=(uid,))), TESTER)
    DiscWorker(store).work_off()
    store.tally.add("associations", "accepted")
    store.tally.write(store.database)
    put_level(store.database, "associations_open", 3)
    return store


def test_figures_say_what_happened(worked: Store, app: Flask) -> None:
    found = figures(app)
    for step in ("compose", "document", "send", "gather", "plan", "build", "check", "burn", "verify"):
        assert figure(found, "step_seconds_count", step=step) >= 1, step
        assert figure(found, "step_seconds_sum", step=step) >= 0
    assert figure(found, "print_jobs", printer="film", state="completed") == 1
    assert figure(found, "discs", burner="folder", status="DONE") == 1
    assert figure(found, "films_received_total", sender="process") == 1
    assert figure(found, "instances_received_total", sender="import") == 3
    assert figure(found, "instances_received_bytes_total", sender="import") > 3 * 32768
    assert figure(found, "associations_open") == 3 and figure(found, "associations_total", outcome="accepted") == 1


def test_no_patient_stands_in_the_figures(worked: Store, app: Flask) -> None:
    text = app.test_client().get("/metrics").text
    for secret in ("IVANOVA", "ИВАНОВА", "P100", "A100", "1.2.826.0.1.3680043.10.1499.1", "Thorax"):
        assert secret not in text


@pytest.mark.parametrize("name", ["alerts.yml", "grafana.json"])
def test_alerts_and_dashboard_ask_only_for_what_is_told(store: Store, app: Flask, name: str) -> None:
    asked = set(re.findall(r"\bappliance_\w+", (MONITORING / name).read_text("utf-8")))
    told = re.findall(r"^# TYPE (\w+) (\w+)", app.test_client().get("/metrics").text, re.M)
    names = {family for family, _ in told} | {
        f"{family}{end}" for family, kind in told if kind == "summary" for end in ("_sum", "_count")
    }
    assert len(asked) > 5 and asked <= names


def test_nought_is_told_before_anything_happens(store: Store, app: Flask) -> None:
    """A real Prometheus saw no first rejected associations (`increase` needs a figure before), and empty panels."""
    made.devices(store)
    found = figures(app)
    for outcome in ("accepted", "rejected", "broken"):
        assert figure(found, "associations_total", outcome=outcome) == 0
    assert figure(found, "print_queue_age_seconds", printer="film") == 0
    assert figure(found, "disc_queue_age_seconds", burner="folder") == 0
    assert figure(found, "discs", burner="folder", status="FAILURE") == 0
    assert figure(found, "arrivals", kind="retrieval", state="pending") == 0


def test_what_can_not_be_written_now_is_written_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.tally.add("steps", "send", total=2.0)
    monkeypatch.setattr("appliance.store.database.BUSY_MILLISECONDS", 50)
    store.database.engine.dispose()
    with store.database.write(), pytest.raises(ResourceError):
        store.tally.write(store.database)
    store.tally.add("steps", "send", total=1.0)
    store.tally.write(store.database)
    store.tally.write(store.database)
    assert tally.read(store.database, "steps") == {"send": tally.Sum(2, 3.0)}


def test_a_level_left_by_a_dead_process_is_nought(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_level(store.database, "associations_open", 7)
    assert tally.level(store.database, "associations_open") == 7
    monkeypatch.setattr(tally, "FRESH", dt.timedelta(0))
    assert tally.level(store.database, "associations_open") == 0


def test_each_of_several_machines_tells_its_own_associations(store: Store, app: Flask) -> None:
    put_level(store.database, "associations_open", 5, "west")
    assert figure(figures(app), "associations_open") == 0


def test_a_printer_without_jobs_tells_noughts_so_that_its_first_failure_is_a_rise(store: Store, app: Flask) -> None:
    made.devices(store)
    assert figure(figures(app), "print_jobs", printer="film", state="aborted") == 0
