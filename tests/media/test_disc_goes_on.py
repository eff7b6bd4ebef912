"""What a disc on order comes to when its files, its layout or the disk are gone, or a cancel comes late."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ConflictError
from appliance.media import creation, doubt, making, recovery
from appliance.media import discs as verbs
from appliance.media.burners import get_burner, pause_burner, resume_burner, set_burner
from appliance.media.views import show_disc
from appliance.media.worker import DiscWorker
from appliance.resources import shipped
from appliance.store import discs, files, instances
from appliance.store.backup import hold_restored
from appliance.store.store import Store
from appliance.store.tables.base import now
from tests.media.disc_helpers import CLERK, STUDY, add, eventually, fresh, killed_at, ordered, work_off
from tests.support.robots import Robot


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


@pytest.fixture
def robot(store: Store) -> Iterator[Robot]:
    found = Robot(store.folder.root / "robot", "slow")
    add(store, "robot", f"primera:{found.folder}")
    yield found
    found.stop()


def built(store: Store, **values: Any) -> int:
    """A disc whose images are made, and whose burner is paused."""
    pause_burner(store, "folder", CLERK)
    disc_id = ordered(store, **values)
    DiscWorker(store).work_off()
    return disc_id


def states(view: dict[str, Any]) -> list[str]:
    return [piece["state"] for piece in view["volumes"][0]["pieces"]]


def test_a_disc_whose_files_are_gone_is_made_again_before_it_is_burned(store: Store) -> None:
    disc_id = built(store)
    shutil.rmtree(store.folder.disc(disc_id))
    resume_burner(store, "folder", CLERK)
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True), view["message"]


def test_a_disc_whose_files_are_gone_while_a_robot_burns_it_is_in_doubt(store: Store, robot: Robot) -> None:
    disc_id = ordered(store, burner="robot")
    killed_at(store, "burn.done")
    shutil.rmtree(store.folder.disc(disc_id))
    view = work_off(store, disc_id)
    assert (view["held"], view["reasons"]) == (True, ["in-doubt"]) and "look at its burner" in view["message"]
    doubt.spoil(store, disc_id, CLERK)
    assert work_off(store, disc_id)["execution_status"] == "DONE"


def test_an_image_damaged_while_a_robot_burns_from_it_is_no_reason_to_forget_the_disc(
    store: Store, robot: Robot
) -> None:
    disc_id = ordered(store, burner="robot")
    killed_at(store, "burn.done")
    (store.folder.disc(disc_id) / "volume-1.iso").unlink()  # the robot has it under another name
    view = work_off(store, disc_id)
    assert (view["execution_status"], states(view)) == ("DONE", ["verified"]), view["message"]
    assert len(robot.discs) == 1


def test_a_full_disk_puts_a_burn_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = files.write_scratch

    def full(path: Path, data: Any) -> Path:
        if path.name.startswith("label-"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    disc_id = ordered(store)
    monkeypatch.setattr(files, "write_scratch", full)
    DiscWorker(store).work_off()
    view = show_disc(store, disc_id)
    assert (view["execution_status"], view["held"], view["reasons"]) == ("PENDING", False, ["resources"])
    assert view["message"] == "The disk says: No space left on device."
    monkeypatch.undo()
    with store.database.write() as connection:
        discs.change(connection, disc_id, not_before=None)
    assert work_off(store, disc_id)["execution_status"] == "DONE"


def test_a_label_layout_that_is_gone_is_named_and_the_disc_goes_on_when_it_is_back(store: Store) -> None:
    ours = (
        (shipped("layouts") / "labels.toml")
        .read_text("utf-8")
        .replace("[sleeve", "[ours")
        .replace("[[sleeve", "[[ours")
    )
    own = files.make_folder(store.folder.layouts) / "labels.toml"
    own.write_text(ours, "utf-8")
    disc_id = built(store, choices={"label_layout": "ours"})
    own.unlink()
    resume_burner(store, "folder", CLERK)
    view = work_off(store, disc_id)
    assert (view["held"], view["reasons"]) == (True, ["burner-refused"])
    assert "There is no label layout ours" in view["message"]
    own.write_text(ours, "utf-8")
    verbs.release(store, disc_id, CLERK)
    assert work_off(store, disc_id)["execution_status"] == "DONE"


def test_a_label_layout_nobody_has_fails_in_words(store: Store) -> None:
    view = work_off(store, ordered(store, choices={"label_layout": "none such"}))
    assert view["execution_status"] == "FAILURE" and "There is no label layout none such" in view["message"]


def test_a_cancel_that_comes_when_the_last_image_is_made_is_heard_though_the_burner_is_paused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_burner(store, "folder", CLERK)
    disc_id = ordered(store)
    real = making.settle_built

    def canceled(*arguments: Any) -> None:
        verbs.cancel(store, disc_id, CLERK)
        real(*arguments)

    monkeypatch.setattr(making, "settle_built", canceled)
    DiscWorker(store).work_off()
    view = show_disc(store, disc_id)
    assert (view["execution_status"], view["reasons"]) == ("FAILURE", ["canceled"])


def test_an_archive_is_not_burned_as_an_image_by_a_robot_that_its_burner_became(store: Store) -> None:
    disc_id = built(store, medium="zip")
    jobs = files.make_folder(store.folder.root / "robot")
    set_burner(store, replace(get_burner(store, "folder"), burner_uri=f"primera:{jobs}"), CLERK)
    resume_burner(store, "folder", CLERK)
    view = work_off(store, disc_id)
    assert (view["held"], view["reasons"]) == (True, ["burner-refused"]) and "take another burner" in view["message"]
    assert list(jobs.iterdir()) == []


def test_a_disc_that_was_begun_at_another_address_is_in_doubt_and_not_made_twice(store: Store, robot: Robot) -> None:
    disc_id = ordered(store, burner="robot")
    killed_at(store, "burn.done")
    elsewhere = f"folder:{store.folder.burned / 'elsewhere'}"
    set_burner(store, replace(get_burner(store, "robot"), burner_uri=elsewhere), CLERK)
    view = work_off(store, disc_id)
    assert (view["held"], view["reasons"]) == (True, ["in-doubt"]) and str(robot.folder) in view["message"]
    eventually(lambda: len(robot.discs) == 1)
    doubt.confirm(store, disc_id, CLERK)
    view = work_off(store, disc_id)
    assert (view["execution_status"], states(view)) == ("DONE", ["unverified", "canceled"])


def test_nothing_is_decided_about_a_disc_whose_images_are_made(store: Store, robot: Robot) -> None:
    """It would be burned as it is; and a piece in doubt would be passed over."""
    robot.fault = "forgets"
    disc_id = ordered(store, burner="robot")
    assert work_off(store, disc_id)["reasons"][0] == "in-doubt"
    with pytest.raises(ConflictError, match="are made"):
        verbs.decide(store, disc_id, CLERK, leave_out=[("1.2.3", "shows a face")])
    view = show_disc(store, disc_id)
    assert (view["held"], states(view)) == (True, ["in-doubt", "waiting"])


def test_nobody_begins_a_disc_while_what_a_dead_worker_left_of_it_is_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its folder would go under whoever builds it by then."""
    disc_id = ordered(store)
    killed_at(store, "build.content")
    first, second = store.locks.hold("discs"), store.locks.hold("discs")
    begun: list[bool] = []
    real = files.remove_tree

    def slow(path: Path) -> None:
        if path == store.folder.disc(disc_id) and not begun:
            begun.append(False)
            recovery.take_over_claims(store, second.name, set())
            with store.database.write("disc") as connection:
                begun[0] = discs.claim_build(connection, disc_id, second.name)
        real(path)

    monkeypatch.setattr(files, "remove_tree", slow)
    recovery.take_over_claims(store, first.name, set())
    assert begun == [False]
    monkeypatch.undo()
    first.release()
    second.release()
    assert work_off(store, disc_id)["execution_status"] == "DONE"


@pytest.mark.parametrize("released_first", [True, False])
def test_a_request_held_by_a_restore_says_why_and_is_released_before_or_after_it_is_begun(
    store: Store, released_first: bool
) -> None:
    disc_id = requested(store, "1.2.3.4")
    with store.database.write("disc") as connection:
        hold_restored(connection, now(), str(CLERK))
    if released_first:
        verbs.release(store, disc_id, CLERK)
        assert show_disc(store, disc_id)["execution_status"] == "IDLE", "who made it begins it"
    assert creation.initiate(store, "1.2.3.4", CLERK)
    if not released_first:
        view = show_disc(store, disc_id)
        assert (view["held"], view["reasons"]) == (True, ["restored"]) and "Release or cancel it" in view["message"]
        verbs.release(store, disc_id, CLERK)
    assert work_off(store, disc_id)["execution_status"] == "DONE"


def requested(store: Store, uid: str) -> int:
    """A media creation request of the study, not begun."""
    with store.database.read() as connection:
        classes = discs.classes_of(connection, sorted(instances.uids_of_study(connection, STUDY)))
    named = (
        creation.Reference(sop_class_uid=sop_class, sop_instance_uid=each, profile="")
        for each, sop_class in classes.items()
    )
    return creation.create_request(store, uid, creation.Wish(references=tuple(named), request={}), CLERK)


def test_a_worker_out_of_descriptors_puts_a_disc_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its instances are whole: nobody must fetch them again."""
    real = Path.open

    def refuse(path: Path, *arguments: Any, **named: Any) -> Any:
        if store.folder.instances in path.parents and "buffering" in named:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *arguments, **named)

    disc_id = ordered(store)
    monkeypatch.setattr(Path, "open", refuse)
    DiscWorker(store).work_off()
    view = show_disc(store, disc_id)
    assert (view["execution_status"], view["reasons"]) == ("PENDING", ["resources"]), view["message"]
    assert view["message"] == "The disk says: Too many open files."
    monkeypatch.undo()
    with store.database.write() as connection:
        discs.change(connection, disc_id, not_before=None)
    assert work_off(store, disc_id)["execution_status"] == "DONE"
