"""Retention, rules of peers, and sweeping: what goes, and what must stay."""

from __future__ import annotations

import datetime as dt
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from appliance.config import Settings
from appliance.errors import ConflictError, RefusedError, UsageError
from appliance.events import Actor
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store import commitments, files, instances, studies
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.studies import removal, retention, retrieving, rules, search
from appliance.studies.intake import Intake
from appliance.upkeep.purging import purge
from tests.media import made
from tests.studies.arrivals import SCANNER, arrival, files_of


def take(store: Store, study: int, number: int = 1, **values: object) -> str:
    return Intake(store).take(arrival(store, made.image(number, study=study), **values), SCANNER).study_instance_uid


def left(store: Store) -> list[int]:
    return sorted(int(row["study_instance_uid"][-1]) for row in search.find_studies(store, search.Query()))


def days(count: int) -> dt.datetime:
    return now() + dt.timedelta(days=count)


def test_studies_go_after_their_days_unless_needed_or_promised(store: Store) -> None:
    uids = [take(store, study) for study in (1, 2, 3, 4)]
    with store.database.write("study") as connection:
        commitments.mark(connection, [f"{uids[1]}.1.1"])
        studies.change(connection, uids[3], used=days(20))
    assert retention.purge(store, lambda: [uids[2]], at=days(29)) == 0
    assert retention.purge(store, lambda: [uids[2]], at=days(31)) == 1
    assert left(store) == [2, 3, 4] and len(files_of(store)) == 3
    assert retention.purge(store, list, at=days(31)) == 1
    assert left(store) == [2, 4]
    with store.database.read() as connection:
        purged = connection.exec_driver_sql("SELECT object_id FROM audit WHERE event = 'study-purged'").scalars()
        assert list(purged) == [uids[0], uids[2]]


def test_what_comes_or_is_fetched_while_others_are_purged_stays(store: Store, clerk: Actor) -> None:
    """Others take their time to go: what was found unused then may be in use when its turn comes."""
    uids = [take(store, study) for study in (1, 2, 3)]
    add_peer(store, Peer(name="PACS", ae_title="PACS", host="127.0.0.1", port=1), clerk)
    with store.database.write("study") as connection:
        for uid in uids:
            studies.change(connection, uid, used=days(-40))

    def needed() -> list[str]:
        take(store, 2, number=2)
        retrieving.request_retrieve(store, "PACS", uids[2], clerk)
        return []

    assert retention.purge(store, needed) == 1
    assert left(store) == [2, 3] and len(files_of(store)) == 3


def test_the_command_that_purges_leaves_what_is_being_fetched(store: Store, clerk: Actor) -> None:
    uid = take(store, 1)
    add_peer(store, Peer(name="PACS", ae_title="PACS", host="127.0.0.1", port=1), clerk)
    with store.database.write("study") as connection:
        studies.change(connection, uid, used=days(-40))
    retrieving.request_retrieve(store, "PACS", uid, clerk)
    assert purge(store)["studies"] == 0


def test_above_the_quota_the_longest_unused_go_first(tmp_path: Path) -> None:
    settings = {"storage": {"reserve_percent": 0, "reserve_mib": 1, "studies_quota_gib": 1}}
    store = open_store(tmp_path / "data", settings=Settings.model_validate(settings))
    uids = [take(store, study) for study in (1, 2, 3)]
    with store.database.write("study") as connection:
        for uid, used in zip(uids, (-1, -3, -2), strict=True):
            studies.change(connection, uid, used=days(used), bytes=600 << 20)
    assert retention.purge(store, list) == 2
    assert left(store) == [1]
    store.close()


def test_what_is_promised_is_only_deleted_by_someone_who_says_so(store: Store, clerk: Actor) -> None:
    uid = take(store, 1)
    with store.database.write("study") as connection:
        commitments.mark(connection, [f"{uid}.1.1"])
    with pytest.raises(ConflictError, match="promised"):
        removal.delete_study(store, uid, clerk)
    assert removal.delete_study(store, uid, clerk, committed_too=True) == 1
    assert files_of(store) == []


def test_files_without_a_row_are_swept_and_young_ones_are_left(store: Store) -> None:
    take(store, 1)
    [kept] = files_of(store)
    stray = kept.with_name("stray")
    stray.write_bytes(b"never acknowledged")
    assert retention.sweep(store) == 0
    assert retention.sweep(store, settled_seconds=0) == 1
    assert files_of(store) == [kept]


def test_a_file_that_goes_while_its_folder_is_swept_ends_no_round(store: Store) -> None:
    take(store, 1)
    [kept] = files_of(store)
    kept.with_name("gone").symlink_to(kept.with_name("never"))  # in the folder's list, and no more
    assert retention.sweep(store, settled_seconds=0) == 0


RULE = {"profile": "STD-GEN-CD", "burner": "folder", "seconds": 60}


def test_an_instance_whose_file_was_swept_while_it_stood_still_is_refused(store: Store) -> None:
    """A machine that sleeps for a quarter of an hour between the file and its row."""

    def sleep(kind: str, name: str, other: str) -> None:
        if name == "store.synced":
            [path] = files_of(store)
            os.utime(path, (0, 0))
            assert retention.sweep(store) == 1

    files.record_with(sleep)
    try:
        with pytest.raises(RefusedError, match="can't be kept"):
            take(store, 1)
    finally:
        files.record_with(None)
    assert left(store) == []


def test_an_instance_that_goes_on_while_it_is_swept_keeps_its_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not in the index when that was asked, and is when its file would go."""
    here, go_on = threading.Event(), threading.Event()

    def stand_still(kind: str, name: str, other: str) -> None:
        if name == "store.synced":
            here.set()
            assert go_on.wait(10)

    def then_goes_on(*arguments: Any) -> set[str]:
        found = known_paths(*arguments)
        monkeypatch.undo()
        go_on.set()
        sender.join()
        return found

    sender = threading.Thread(target=take, args=(store, 1))
    known_paths = instances.known_paths
    files.record_with(stand_still)
    try:
        sender.start()
        assert here.wait(10)
        monkeypatch.setattr(instances, "known_paths", then_goes_on)
        [path] = files_of(store)
        assert retention.sweep_shard(store, int(path.parent.name, 16), settled_seconds=-1) == 0
    finally:
        files.record_with(None)
    assert left(store) == [1] and len(files_of(store)) == 1


def test_a_peers_rule_is_due_once_its_study_is_quiet(store: Store, clerk: Actor) -> None:
    add_peer(store, Peer(name="ct", ae_title="CT", rule=RULE), clerk)
    take(store, 1, peer="ct")  # before the rule: nobody wants a disc of every old study
    uid = take(store, 2, peer="ct", has_rule=True)
    soon, later = now() + dt.timedelta(seconds=30), now() + dt.timedelta(seconds=90)
    assert rules.due_studies(store, soon) == []
    [due] = rules.due_studies(store, later)
    assert (due.study_instance_uid, due.peer, due.rule.burner, due.rule.seconds) == (uid, "ct", "folder", 60)
    assert retention.in_use(store) == {uid}
    with store.database.write() as connection:
        rules.mark_ruled(connection, uid)
    assert retention.in_use(store) == set()
    assert rules.due_studies(store, later) == []
    take(store, 2, number=2, peer="ct", has_rule=True)
    assert rules.due_studies(store, now() + dt.timedelta(days=1)) == []


def test_a_rule_nobody_can_read_holds_up_no_other(store: Store, clerk: Actor) -> None:
    add_peer(store, Peer(name="broken", ae_title="BROKEN", rule={"seconds": "soon"}), clerk)
    add_peer(store, Peer(name="ct", ae_title="CT", rule=RULE), clerk)
    uid = take(store, 2, peer="ct", has_rule=True)
    assert [due.study_instance_uid for due in rules.due_studies(store, now() + dt.timedelta(days=1))] == [uid]


@pytest.mark.parametrize("rule", [{"seconds": "soon"}, {"seconds": 0}, {"copies": 0}, {"burner": "x", "colour": "red"}])
def test_rules_that_make_no_sense_are_said_so(rule: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="rule of peer ct|A rule has"):
        rules.rule_of(Peer(name="ct", ae_title="CT", rule=rule))


def test_a_new_instance_raises_the_change_counter(store: Store) -> None:
    before = store.database.changes("study")
    take(store, 1)
    assert store.database.changes("study") > before
