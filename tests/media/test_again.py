"""More copies of a disc that is done: the same image, the same file-set, each piece with a record of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.media.again import burn_again
from appliance.media.burner.folder import FolderBurner
from appliance.media.discs import cancel
from appliance.media.views import show_disc
from appliance.media.worker import DiscWorker
from appliance.store import discs
from appliance.store.store import Store
from tests.media.disc_helpers import CLERK, add, burned, fresh, ordered, work_off
from tests.support.robots import Robot


def until_it_waits(store: Store, disc_id: int) -> dict[str, Any]:
    """The disc once its burner needs a person."""
    DiscWorker(store).work_off(until=lambda: bool(show_disc(store, disc_id)["reasons"]))
    return show_disc(store, disc_id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def test_more_copies_are_burned_from_the_image_that_is_kept(store: Store) -> None:
    robot = Robot(store.folder.root / "robot")
    try:
        add(store, "robot", f"primera:{robot.folder}")
        first = work_off(store, ordered(store, burner="robot"))
        before = Path(first["volumes"][0]["image"]).stat().st_mtime_ns
        burn_again(store, first["disc_id"], CLERK)
        view = work_off(store, first["disc_id"])
    finally:
        robot.stop()
    assert (view["execution_status"], view["copies"]) == ("DONE", 2), view["message"]
    volume = view["volumes"][0]
    assert volume["file_set_uid"] == first["volumes"][0]["file_set_uid"]
    assert Path(volume["image"]).stat().st_mtime_ns == before, "nothing was built"
    assert [piece["serial"] for piece in volume["pieces"]] == ["000001-1", "000001-1-c2"]
    assert volume["verified"]


def test_the_folder_gets_a_ticket_of_its_own_for_the_copies_ordered_again(store: Store) -> None:
    disc_id = ordered(store)
    work_off(store, disc_id)
    first = json.loads((store.folder.burned / "1-1.json").read_text())
    burn_again(store, disc_id, CLERK, copies=2)
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["copies"], len(view["volumes"][0]["pieces"])) == ("DONE", 3, 3)
    second = json.loads((store.folder.burned / "1-1-c2.json").read_text())
    assert (second["copies"], second["serials"]) == (2, ["000001-1-c2", "000001-1-c3"])
    assert json.loads((store.folder.burned / "1-1.json").read_text()) == first, "what lies there stays as it is"
    assert len(burned(store)) == 6, "image, label, ticket, twice"


def test_a_copy_that_is_out_is_not_made_again_when_the_image_was_damaged_since(store: Store) -> None:
    view = work_off(store, ordered(store))
    image = Path(view["volumes"][0]["image"])
    image.write_bytes(image.read_bytes()[:-1])
    burn_again(store, view["disc_id"], CLERK)
    view = work_off(store, view["disc_id"])
    assert view["execution_status"] == "DONE", view["message"]
    pieces = [(piece["serial"], piece["state"]) for piece in view["volumes"][0]["pieces"]]
    assert pieces == [("000001-1", "verified"), ("000001-1-c2", "canceled"), ("000001-1-c2-r2", "verified")]
    assert len(burned(store)) == 6, "image, label, ticket, twice"


def test_a_cancel_that_came_too_late_is_none_of_the_copies_ordered_afterwards(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    disc_id = ordered(store)
    monkeypatch.setattr(FolderBurner, "close", lambda burner, request: cancel(store, disc_id, CLERK))
    assert work_off(store, disc_id)["execution_status"] == "DONE"
    monkeypatch.undo()
    burn_again(store, disc_id, CLERK)
    view = work_off(store, disc_id)
    assert (view["execution_status"], len(burned(store))) == ("DONE", 6), view["message"]


def test_another_disc_that_lies_in_the_folder_is_never_overwritten(store: Store) -> None:
    image, ticket = store.folder.burned / "1-1.iso", store.folder.burned / "1-1.json"
    store.folder.burned.mkdir(exist_ok=True)
    image.write_bytes(b"another patient's")
    disc_id = ordered(store)
    view = until_it_waits(store, disc_id)
    assert "move it away" in view["message"], view
    cancel(store, disc_id, CLERK)
    assert work_off(store, disc_id)["execution_status"] == "FAILURE"
    assert image.read_bytes() == b"another patient's" and not ticket.exists()


def test_a_drive_waits_for_a_blank_disc_before_it_burns_again(store: Store) -> None:
    disc_in_drive = store.folder.burned / "drive"
    disc_in_drive.parent.mkdir(exist_ok=True)
    add(store, "desk", f"drive:stdio:{disc_in_drive}")
    disc_in_drive.touch()
    disc_id = ordered(store, burner="desk")
    assert work_off(store, disc_id)["execution_status"] == "DONE"
    written = disc_in_drive.read_bytes()
    burn_again(store, disc_id, CLERK)
    view = until_it_waits(store, disc_id)
    assert "not blank" in view["message"] and disc_in_drive.read_bytes() == written
    disc_in_drive.write_bytes(b"")
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["copies"]) == ("DONE", 2), view["message"]
    assert [piece["state"] for piece in view["volumes"][0]["pieces"]] == ["verified", "verified"]
    assert disc_in_drive.read_bytes()[: len(written)] == written


def test_another_burner_may_make_them(store: Store) -> None:
    robot = Robot(store.folder.root / "robot")
    try:
        add(store, "robot", f"primera:{robot.folder}")
        disc_id = ordered(store)
        work_off(store, disc_id)
        burn_again(store, disc_id, CLERK, burner="robot")
        view = work_off(store, disc_id)
    finally:
        robot.stop()
    assert [piece["burner"] for piece in view["volumes"][0]["pieces"]] == ["folder", "robot"]
    assert view["execution_status"] == "DONE", view["message"]


def test_only_a_disc_that_is_done_and_kept_is_burned_again(store: Store) -> None:
    disc_id = ordered(store)
    with pytest.raises(ConflictError):
        burn_again(store, disc_id, CLERK)
    work_off(store, disc_id)
    with pytest.raises(UsageError):
        burn_again(store, disc_id, CLERK, copies=99)
    with pytest.raises(UsageError):
        burn_again(store, disc_id, CLERK, copies=0)
    with store.database.write("disc") as connection:
        discs.change(connection, disc_id, purged=True)
    with pytest.raises(NotFoundError, match="purged"):
        burn_again(store, disc_id, CLERK)
    assert show_disc(store, disc_id)["execution_status"] == "DONE"
