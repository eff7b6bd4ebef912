"""``appliance disc`` and ``appliance burner`` as an admin types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.commands.disc import _counted
from appliance.errors import ApplianceError, UsageError
from appliance.media import asking
from appliance.studies import completeness
from tests.media.disc_helpers import STUDY, opened, with_study
from tests.media.made import ROOT
from tests.support.cli import run


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with one study, found by the environment."""
    with_study(opened(tmp_path / "data")).close()
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_MIB", "1")
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_PERCENT", "0")
    return tmp_path / "data"


def asked(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_a_disc_is_planned_made_listed_and_verified(data: Path) -> None:
    plan = asked("disc", "create", "--study", STUDY, "--plan")
    assert (plan["ready"], plan["volumes"][0]["volume"], plan["conflicts"]) == (True, 1, [])
    assert "Ready to be made." in run("disc", "create", "--study", STUDY, "--plan")
    quick = ("--set", "viewer=false", "--set", "web_content=false")
    made = asked("disc", "create", "--study", STUDY, "--profile", "physician", "--wait", *quick)
    assert (made["execution_status"], made["copy_type"], made["profile"]) == ("DONE", "physician", "STD-GEN-CD")
    assert [disc["disc_id"] for disc in asked("disc", "list", "--study", STUDY)] == [made["disc_id"]]
    assert asked("disc", "list", "--status", "FAILURE") == []
    assert asked("disc", "show", "1")["volumes"][0]["verified"]
    image = Path(made["volumes"][0]["image"])
    assert asked("disc", "verify", str(image))["good"]
    assert _counted(1, "error") == "1 error" and _counted(0, "error") == "no errors"
    image.write_bytes(image.read_bytes()[:-4096])
    with pytest.raises(ApplianceError, match=r"findings?, .* among them"):
        run("disc", "verify", str(image))


def test_a_list_counts_the_patients_it_does_not_name(data: Path) -> None:
    """One of a disc of several stood there as if it were the only one, while it waited and when it was made."""
    with_study(opened(data), 1, study=2, PatientName="ROE^EVA", PatientID="P-2").close()
    order = ("--study", STUDY, "--study", f"{ROOT}.2", "--set", "several_patients=true", "--set", "viewer=false")
    run("disc", "create", *order, "--set", "web_content=false")
    waiting = run("disc", "list")
    run("disc", "create", *order, "--set", "web_content=false", "--wait")
    run("disc", "create", "--study", STUDY)
    for table in (waiting, run("disc", "list", "--status", "DONE")):
        assert "DOE^JANE and 1 more" in table
    assert [disc["patients"] for disc in asked("disc", "list")] == [1, 2, 2]


def test_a_plan_says_that_the_disc_would_wait_for_a_person(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    news = completeness.News(differs=("pacs has another birth date for it now: 19700101, here 19700102",))
    monkeypatch.setattr(asking, "ask_again", lambda store, uid: news)  # an archive is tried in tests/studies
    plan = ("disc", "create", "--study", STUDY, "--plan")
    said = run(*plan)
    assert "it will be held: pacs has another birth date" in said and "Ready to be made" not in said
    assert f"decide identity:{STUDY}" in asked(*plan)["held"][0]
    assert run(*plan, "--decision", f"identity:{STUDY}").endswith("Ready to be made.\n")


def test_what_fails_says_so_in_one_line(data: Path) -> None:
    with pytest.raises(ApplianceError, match="no study 1.2.3 here"):
        run("disc", "create", "--study", "1.2.3")
    with pytest.raises(ApplianceError, match="does not fit on one CD"):
        run("disc", "create", "--study", STUDY, "--medium", "cd:90000", "--wait")
    with pytest.raises(UsageError, match="KEY=VALUE"):
        run("disc", "create", "--study", STUDY, "--set", "viewer")


def test_burners_are_added_changed_checked_and_removed(data: Path) -> None:
    assert [burner["name"] for burner in asked("burner", "list")] == ["folder"]
    added = asked("burner", "add", "robot", "--uri", f"primera:{data}/robot", "--medium", "cd-700", "--set", "speed=8")
    assert (added["settings"]["media"], added["settings"]["options"]) == (["cd-700"], {"speed": 8})
    assert asked("burner", "set", "robot", "--set", 'robot="Bravo"')["settings"]["options"]["robot"] == "Bravo"
    assert all(line["ok"] for line in asked("burner", "check", "robot"))
    assert asked("burner", "pause", "robot")["burner_state"] == "stopped"
    with pytest.raises(UsageError, match="has cd-700, not cd-650"):
        run("disc", "create", "--study", STUDY, "--burner", "robot", "--medium", "cd-650")
    run("burner", "remove", "robot")
    with pytest.raises(UsageError, match="/dev/null is no optical drive"):
        run("burner", "add", "drive", "--uri", "drive:/dev/null")
    run("burner", "add", "drive", "--uri", "drive:/dev/no-such-drive")
    with pytest.raises(ApplianceError, match="would not burn"):
        run("burner", "check", "drive")
