"""A disc its burner can't tell about: a person looks, and says that it came out or that it is spoilt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import ConflictError
from appliance.media import doubt
from appliance.media.housekeeping import forget_robot_jobs
from appliance.media.views import show_disc
from appliance.store import audit as audit_rows
from appliance.store.store import Store
from appliance.upkeep.backup import make_backup
from appliance.upkeep.restore import restore
from tests.media import made
from tests.media.disc_helpers import CLERK, add, fresh, keep, opened, ordered, work_off
from tests.support.robots import Robot


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


@pytest.fixture
def robot(store: Store) -> Iterator[Robot]:
    """One that took a job and does not know it any more."""
    found = Robot(store.folder.root / "robot", "forgets")
    add(store, "robot", f"primera:{found.folder}")
    yield found
    found.stop()


@pytest.fixture
def doubted(store: Store, robot: Robot) -> int:
    disc_id = ordered(store, burner="robot")
    view = work_off(store, disc_id)
    assert view["held"] and view["reasons"][0] == "in-doubt"
    return disc_id


def states(view: dict) -> list[str]:
    return [piece["state"] for piece in view["volumes"][0]["pieces"]]


def events(store: Store, kind: str) -> list[dict]:
    with store.database.read() as connection:
        return [row.detail for row in audit_rows.in_order(connection) if row.event == kind]


def test_a_person_who_looked_says_that_it_came_out(store: Store, robot: Robot, doubted: int) -> None:
    assert states(show_disc(store, doubted)) == ["in-doubt", "waiting"]
    before = sorted(robot.folder.iterdir())
    doubt.confirm(store, doubted, CLERK)
    view = work_off(store, doubted)
    assert (view["execution_status"], view["reasons"]) == ("DONE", ["not-verified"])
    assert states(view) == ["unverified", "canceled"]
    assert "clerk looked at it" in view["volumes"][0]["pieces"][0]["message"]
    assert sorted(robot.folder.iterdir()) == before, "nothing more was burned"
    assert not view["volumes"][0]["verified"], "looked at is not read back"
    assert events(store, "disc-confirm") == [{"pieces": ["000001-1"]}]
    with pytest.raises(ConflictError):
        doubt.confirm(store, doubted, CLERK)


def test_what_lies_in_the_robots_folder_goes_when_the_doubt_is_settled(
    store: Store, robot: Robot, doubted: int
) -> None:
    laid = {path.suffix for path in robot.folder.iterdir()}
    assert {".iso", ".jpg"} <= laid, laid
    (robot.folder / "000001-1-999999.iso").write_bytes(b"another appliance's, with the same number")
    assert forget_robot_jobs(store) == 0, "nobody has looked yet"
    doubt.confirm(store, doubted, CLERK)
    assert forget_robot_jobs(store) == 1
    assert [path.name for path in robot.folder.glob("*.[ij]*")] == ["000001-1-999999.iso"]


def test_one_that_is_spoilt_is_made_again(store: Store, robot: Robot, doubted: int) -> None:
    robot.fault = ""
    doubt.spoil(store, doubted, CLERK)
    view = work_off(store, doubted)
    assert view["execution_status"] == "DONE", view["message"]
    assert states(view) == ["failed", "verified"]
    assert "it is spoilt" in view["volumes"][0]["pieces"][0]["message"]
    assert events(store, "disc-spoil") == [{"pieces": ["000001-1"]}]


def test_a_disc_held_for_another_reason_is_not_in_doubt(store: Store) -> None:
    keep(store, [made.image(9, PatientName="SMITH^JOHN")])
    disc_id = ordered(store)
    assert work_off(store, disc_id)["held"]
    with pytest.raises(ConflictError, match="in doubt"):
        doubt.confirm(store, disc_id, CLERK)


def test_a_disc_in_doubt_can_be_looked_at_on_the_machine_it_is_restored_on(
    store: Store, doubted: int, tmp_path: Path
) -> None:
    make_backup(store, tmp_path / "backup.tar", CLERK)
    restore(tmp_path / "backup.tar", tmp_path / "there", CLERK)
    there = opened(tmp_path / "there")
    view = show_disc(there, doubted)
    assert view["held"] and "in-doubt" in view["reasons"] and "restored" in view["reasons"]
    assert view["message"].startswith(show_disc(store, doubted)["message"]), "what to do is said no more"
    doubt.confirm(there, doubted, CLERK)
    assert states(show_disc(there, doubted)) == ["unverified", "canceled"]
    there.close()
