"""``appliance calibration`` and ``appliance retrieval`` by the real command line."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli import cli
from appliance.errors import ApplianceError
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import open_store
from appliance.studies.retrieving import request_retrieve
from tests.web.conftest import TESTER

READ = [round(3.12 - 2.9 * (step / 17) ** 0.82, 2) for step in range(18)]


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, input=given, standalone_mode=False)


def shown() -> dict[str, object]:
    (medium,) = json.loads(run("calibration", "show", "film", "--json").stdout)
    return medium  # type: ignore[no-any-return]


def test_densities_are_kept_and_one_goes_back(data: Path) -> None:
    typed = "density\n" + "\n".join(str(density).replace(".", ",") for density in READ)
    assert run("calibration", "measure", "film", "-", "--label", "batch 7", given=typed).exit_code == 0
    measured = shown()
    assert measured["in_force"]["densities"] == READ and measured["medium_type"] == "BLUE FILM"  # type: ignore[index]
    at = measured["measurements"][0]["at"]  # type: ignore[index]
    told = re.search(r"20\d\d-\S+ \S+", run("calibration", "show", "film").stdout.splitlines()[-1].partition("OD")[2])
    assert told and dt.datetime.fromisoformat(told[0]) == dt.datetime.fromisoformat(at)
    assert run("calibration", "use", "film", "--p-values").exit_code == 0
    assert shown()["in_force"]["kind"] == "p-values"  # type: ignore[index]
    assert run("calibration", "use", "film", "--at", told[0]).exit_code == 0
    assert shown()["in_force"]["kind"] == "measured"  # type: ignore[index]


def test_readings_no_printer_has_and_half_an_order_are_refused(data: Path) -> None:
    for wrong in (["measure", "film", "-"], ["use", "film"], ["use", "film", "--assumed", "--p-values"]):
        result = run("calibration", *wrong, given="0.2\n3.1\n")
        assert isinstance(result.exception, ApplianceError), wrong


def test_the_rulers_correct_the_scale(data: Path) -> None:
    assert run("calibration", "scale", "film", "--across", "98", "--down", "101").exit_code == 0
    media = json.loads(run("printer", "show", "film", "--json").stdout)["settings"]["media"]
    (size,) = [each for each in media if each["film_size_id"] == "14INX17IN"]
    assert (size["x_scale"], size["y_scale"]) == (pytest.approx(1.02041), pytest.approx(0.9901))


def test_what_is_fetched_is_listed_and_stopped(data: Path) -> None:
    store = open_store(data)
    add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=1), TESTER)
    number = request_retrieve(store, "pacs", "1.2.3", TESTER)
    store.close()
    assert "pending" in run("retrieval", "list").stdout and "1.2.3" in run("retrieval", "show", str(number)).stdout
    (ended,) = json.loads(run("retrieval", "cancel", str(number), "--json").stdout)
    assert ended["state"] == "canceled"
    again = run("retrieval", "cancel", str(number), "77")
    assert again.exit_code == 1 and "77" in again.stderr
