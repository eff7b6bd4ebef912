"""kill -9 at every step of a disc's life: it goes on or starts over, and none is called done that was not verified."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.media import discs, recovery
from appliance.media.burners import pause_burner, resume_burner
from appliance.media.check import examine
from appliance.media.views import list_discs, show_disc
from appliance.media.worker import DiscWorker
from appliance.store.store import Store
from tests.media.disc_helpers import (
    CLERK,
    ROOT,
    STUDY,
    add,
    burned,
    fresh,
    killed_after_noting,
    killed_at,
    ordered,
    work_off,
)
from tests.support.robots import Robot

PLAN = ["plan.start", "plan.done"]
BUILD = ["build.start", "build.content", "iso.data", "iso.sync", "build.check", "build.done", "build.committed"]
BURN = ["burn.start", "burn.begun", "burn.half", "burn.done", "burn.recorded", "verify.start", "verify.done"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


@pytest.mark.parametrize("failpoint", PLAN + BUILD + BURN)
def test_a_disc_killed_on_its_way_to_a_folder_is_made_once_and_whole(store: Store, failpoint: str) -> None:
    disc_id = ordered(store)
    killed_at(store, failpoint)
    assert show_disc(store, disc_id)["execution_status"] in ("PENDING", "CREATING")
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True), view["message"]
    assert burned(store) == ["1-1.iso", "1-1.json", "1-1.pdf"]
    image = store.folder.burned / "1-1.iso"
    assert hashlib.sha256(image.read_bytes()).hexdigest() == view["volumes"][0]["sha256"]
    assert (examine(image).findings, examine(image).instances) == ([], 3)
    kept = sorted(path.name for path in store.folder.disc(disc_id).iterdir())
    assert kept == ["label-000001-1.pdf", "volume-1.iso", "volume-1.json"]


@pytest.mark.parametrize(("fault", "state", "shown"), [("forgets", "in-doubt", "in-doubt"), ("fails", "failed", "")])
def test_a_piece_noted_as_lost_by_a_worker_that_dies_then_is_asked_about_or_made_anew(
    store: Store, fault: str, state: str, shown: str
) -> None:
    """Its end, what takes its place and what becomes of the disc are there together, or not at all."""
    robot = Robot(store.folder.root / "robot", fault)
    try:
        add(store, "robot", f"primera:{robot.folder}")
        disc_id = ordered(store, burner="robot", choices={"attempts": 3})
        killed_after_noting(store, state)
        robot.fault = ""
        view = work_off(store, disc_id)
        assert (view["reasons"] or [""])[0] == shown, "a person is asked about a disc that may have come out"
        if shown:
            assert view["held"]
            discs.release(store, disc_id, CLERK)
            view = work_off(store, disc_id)
    finally:
        robot.stop()
    assert view["execution_status"] == "DONE", view["message"]
    assert [piece["state"] for piece in view["volumes"][0]["pieces"]][-1] == "verified"


def test_an_image_found_damaged_by_a_worker_that_dies_then_is_made_again(store: Store) -> None:
    pause_burner(store, "folder", CLERK)
    disc_id = ordered(store)
    DiscWorker(store).work_off()
    image = Path(show_disc(store, disc_id)["volumes"][0]["image"])
    image.write_bytes(image.read_bytes()[:-1])
    resume_burner(store, "folder", CLERK)
    killed_after_noting(store, "canceled")
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True), view["message"]
    assert len(burned(store)) == 3, "image, label, ticket"


def test_a_disc_that_kills_its_worker_again_and_again_waits_for_a_person_and_holds_up_no_other(store: Store) -> None:
    """As one that takes more memory than there is: the kernel kills whoever makes it."""
    disc_id = ordered(store)
    for _ in range(recovery.MOST_DEATHS):
        killed_at(store, "iso.data")
    view = work_off(store, ordered(store))
    assert view["execution_status"] == "DONE", view["message"]
    held = show_disc(store, disc_id)
    assert (held["execution_status"], held["held"], held["reasons"]) == ("PENDING", True, ["builder-died"])
    assert held["message"].startswith("The worker died 3 times")
    discs.release(store, disc_id, CLERK)
    assert work_off(store, disc_id)["execution_status"] == "DONE"


@pytest.mark.parametrize("failpoint", BURN)
def test_a_disc_killed_on_its_way_to_a_drive_is_done_only_when_the_drive_holds_it(store: Store, failpoint: str) -> None:
    drive = store.folder.root / "drive.img"
    drive.write_bytes(b"")
    add(store, "drive", f"drive:stdio:{drive}")
    disc_id = ordered(store, burner="drive", choices={"attempts": 1})
    killed_at(store, failpoint)
    view = work_off(store, disc_id)
    assert view["execution_status"] == "DONE" or view["reasons"][0] in ("piece-failed", "in-doubt"), view["message"]
    if view["execution_status"] == "DONE":
        volume = view["volumes"][0]
        data = drive.read_bytes()[: volume["bytes"]]
        assert (hashlib.sha256(data).hexdigest(), volume["verified"]) == (volume["sha256"], True)
        assert len(volume["pieces"]) == 1


@pytest.mark.parametrize("failpoint", BURN)
def test_a_disc_killed_on_its_way_to_a_robot_is_made_once(store: Store, failpoint: str) -> None:
    robot = Robot(store.folder.root / "jobs-of-robot")
    try:
        add(store, "robot", f"primera:{robot.folder}")
        disc_id = ordered(store, burner="robot")
        killed_at(store, failpoint)
        view = work_off(store, disc_id)
    finally:
        robot.stop()
    assert (view["execution_status"], robot.discs) == ("DONE", [view["volumes"][0]["sha256"]]), view["message"]


@pytest.mark.parametrize("failpoint", ["disc.start", "disc.committed"])
def test_an_order_is_there_whole_or_not_at_all(store: Store, failpoint: str) -> None:
    environment = {**os.environ, "APPLIANCE_FAULT": f"{failpoint}:kill", "APPLIANCE_STORAGE_RESERVE_MIB": "1"}
    command = [sys.executable, "-m", "appliance", "disc", "create", "--data", str(store.folder.root), "--study", STUDY]
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == -9
    there = list_discs(store)
    assert len(there) == (1 if failpoint == "disc.committed" else 0)
    assert all(work_off(store, disc["disc_id"])["execution_status"] == "DONE" for disc in there)
