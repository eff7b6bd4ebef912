"""The health page of several machines on one database."""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import clock
from appliance.config import NodeSettings, SyslogSettings
from appliance.errors import ConflictError, ResourceError, UsageError
from appliance.events import Actor
from appliance.media import recovery as disc_recovery
from appliance.media.burners import add_first_burner
from appliance.media.selection import Selection
from appliance.printing import jobs
from appliance.printing import recovery as print_recovery
from appliance.printing.printer_verbs import get_printer
from appliance.security.audit import record
from appliance.store import discs as disc_rows
from appliance.store import files, job_events, postgresql, print_jobs, server_locks
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.studies import retention
from appliance.upkeep import kept, node_checks, notices, purging, service_checks
from appliance.upkeep.backup import make_backup
from appliance.upkeep.finding import Finding
from appliance.upkeep.keeper import Keeper
from appliance.upkeep.restore import hold_after_server
from tests.faults.instances import instance
from tests.faults.plant import wait_until
from tests.media.disc_helpers import keep, ordered
from tests.printing.films import add_folder_printer, submit_films
from tests.support import postgres


@pytest.fixture
def database_kind() -> str:
    return "postgresql"


@pytest.fixture
def east(store: Store) -> Iterator[Store]:
    made = open_store(store.folder.root, settings=store.settings.model_copy(update={"node": NodeSettings(name="east")}))
    yield made
    made.close()


def said(found: list[Finding], level: str) -> str:
    return " ".join(finding.text for finding in found if finding.level == level)


def ahead_by(span: dt.timedelta, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is ahead of the database's."""
    machine, seconds = clock.machine, time.time
    monkeypatch.setattr(clock, "_difference", dt.timedelta())
    monkeypatch.setattr(clock, "machine", lambda: machine() + span)
    monkeypatch.setattr(time, "time", lambda: seconds() + span.total_seconds())


def test_a_machine_is_shown_with_its_parts_and_its_clock(east: Store) -> None:
    films, discs = east.locks.hold("films"), east.locks.hold("discs")
    node_checks.be_seen(east, {})
    text = said(node_checks.machines(east), "fine")
    assert "Machine east works (1 discs, 1 films)" in text and " s from the database's" in text
    films.release()
    discs.release()
    assert "Machine east is not there" in said(node_checks.machines(east), "warning")


def test_a_clock_that_differs_is_found(east: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = east.locks.hold("films")
    ahead_by(dt.timedelta(seconds=5), monkeypatch)
    node_checks.be_seen(east, {})
    assert re.search(r"[+](4[.]9|5[.]\d) s", said(node_checks.machines(east), "warning"))
    lock.release()


@pytest.mark.parametrize("days", [365, -365])
def test_a_machine_whose_clock_is_a_year_off_removes_nothing_and_dates_nothing_by_it(
    east: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    printer = add_folder_printer(east)
    jobs.cancel(east, submit_films(east, printer), clerk)
    ahead_by(dt.timedelta(days=days), monkeypatch)
    west = open_store(east.folder.root, settings=east.settings.model_copy(update={"node": NodeSettings(name="west")}))
    jobs.cancel(west, submit_films(west, printer), clerk)
    assert set(purging.purge(west).values()) == {0}
    monkeypatch.undo()
    assert set(purging.purge(east).values()) == {0}
    west.close()


def test_a_clock_that_is_set_right_counts_at_the_next_beat(east: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_locks, "BEAT_SECONDS", 0.1)
    ahead_by(dt.timedelta(hours=1), monkeypatch)
    lock = east.locks.hold("films")
    assert wait_until(lambda: abs(clock.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=2), 20)
    monkeypatch.undo()
    lock.release()


def test_files_are_old_by_the_clock_that_dates_them(east: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine an hour ahead removed what others were just putting into the index."""
    ahead_by(dt.timedelta(hours=1), monkeypatch)
    young = files.write_file(files.make_folder(east.folder.instances / "00") / "young", b"")
    assert retention.sweep_shard(east, 0) == 0
    assert young.exists()
    assert list(east.folder.spool.iterdir()) == []


def test_a_machine_that_has_the_share_elsewhere_is_an_error(east: Store, tmp_path: Path) -> None:
    """A film for a folder printer was held for a person, in turn, whenever that machine came first."""
    (tmp_path / "mounted").symlink_to(east.folder.root)
    settings = east.settings.model_copy(update={"node": NodeSettings(name="west")})
    west = open_store(tmp_path / "mounted", settings=settings)
    for each in (east, west):
        node_checks.be_seen(each, {})
    assert f"Machine west has the data folder at {tmp_path / 'mounted'}" in said(node_checks.machines(east), "error")
    west.close()


def test_settings_of_all_that_a_machine_has_otherwise_are_an_error(east: Store) -> None:
    """Which of them held the lock decided how long films were kept, and whether anybody was told."""
    storage = east.settings.storage.model_copy(update={"films_days": 90, "reserve_mib": 7})
    told = east.settings.notices.model_copy(update={"webhook": "https://chat.example/hook/secret"})
    update = {"node": NodeSettings(name="west"), "storage": storage, "notices": told}
    west = open_store(east.folder.root, settings=east.settings.model_copy(update=update))
    locks = [each.locks.hold("films") for each in (east, west)]
    for each in (east, west):
        node_checks.be_seen(each, {})
    text = said(node_checks.machines(east), "error")
    assert "Machine west has storage.films_days = 90, this one 7." in text
    assert "Machine west has notices.webhook = " in text
    assert "secret" not in text and "reserve_mib" not in text and "Machine east" not in text
    for lock in locks:
        lock.release()
    assert "films_days" not in said(node_checks.machines(east), "error"), "it does nothing"
    west.close()


def test_what_is_bound_to_a_machine_that_is_not_there_is_an_error(east: Store, clerk: Actor) -> None:
    printer = add_folder_printer(east, node="west")
    lock = east.locks.hold("films")
    assert f"{printer.name} is bound to machine west" in said(node_checks.machines(east), "error")
    lock.release()


def test_a_machine_not_seen_for_long_is_forgotten(east: Store) -> None:
    node_checks.be_seen(east, {})
    old = {"at": (now() - dt.timedelta(days=31)).isoformat(), "ahead": 0.0, "version": "0"}
    kept.keep(east, node_checks.KNOWN + "west", old)
    assert "west" not in str(node_checks.machines(east))


def test_of_a_machine_that_is_gone_for_good_no_patient_s_image_stays(east: Store, store: Store) -> None:
    """Only the machine itself emptied its spool, when it started: renamed or taken away it never did."""
    spools = {name: files.make_folder(east.folder.root / "spool" / name) for name in ("east", "west", "north")}
    for spool in spools.values():
        files.write_file(spool / "image-1", b"a patient's")
    for name, days in (("east", 31), ("west", 31), ("north", 29)):
        seen = {"at": (now() - dt.timedelta(days=days)).isoformat(), "ahead": 0.0, "version": "0"}
        kept.keep(east, node_checks.KNOWN + name, seen)
    alive = store.locks.only_one("node-west")
    assert alive.take()
    node_checks.forget_machines(east)
    assert spools["west"].exists(), "only its page does not run"
    alive.close()
    node_checks.forget_machines(east)
    assert {name for name, spool in spools.items() if spool.exists()} == {"east", "north"}
    assert kept.recall(east, node_checks.KNOWN + "west") is None


def test_a_machine_without_a_collector_keeps_what_another_one_has_still_to_send(east: Store, clerk: Actor) -> None:
    """Whichever kept house purged by its own settings: entries past their days went, which no collector had got."""
    update = {"node": NodeSettings(name="west"), "syslog": SyslogSettings(host="collector.example")}
    west = open_store(east.folder.root, settings=east.settings.model_copy(update=update))
    node_checks.be_seen(west, {})
    west.close()
    for _ in range(3):
        with east.database.write() as connection:
            record(connection, "login", clerk, object_kind="user", object_id="clerk")
    later = now() + dt.timedelta(days=5000)
    assert purging.purge_audit(east, clerk, later) == 0
    kept.keep(east, kept.FORWARDED, 2)
    assert purging.purge_audit(east, clerk, later) == 2
    seen = kept.recall(east, node_checks.KNOWN + "west")
    kept.keep(east, node_checks.KNOWN + "west", seen | {"at": (now() - dt.timedelta(days=31)).isoformat()})
    assert purging.purge_audit(east, clerk, later) > 0, "it was taken away, and sends nothing any more"


@pytest.mark.parametrize("alive", [True, False])
def test_who_lost_the_database_for_a_while_has_not_died_of_its_work(
    east: Store, store: Store, monkeypatch: pytest.MonkeyPatch, alive: bool
) -> None:
    """Three outages of the database held a disc, or a film, as one that kills whoever makes it."""
    monkeypatch.setattr(server_locks, "LEASE_SECONDS", 0.3)
    monkeypatch.setattr(server_locks, "GRACE_SECONDS", 0.3)
    job, disc = submit_films(east, add_folder_printer(east)), an_order(east)
    films, discs = east.locks.hold("films"), east.locks.hold("discs")
    with east.database.write() as connection:
        assert print_jobs.claim_compose(connection, job, films.name)
        assert disc_rows.claim_build(connection, disc, discs.name)
    for lock in (films, discs):
        lock.release()
        if alive:  # as a worker does when its lock is lost
            east.locks.hold(lock.name.partition("-")[0])
    assert wait_until(
        lambda: print_recovery.take_over_claims(store, "films", set()) == [] and free(store, job, disc), 20
    )
    with store.database.read() as connection:
        events = [*job_events.of(connection, "print", job), *job_events.of(connection, "disc", disc)]
    died = {reason for event in events for reason in event.reasons if reason.endswith("-died")}
    assert died == (set() if alive else {"composer-died", "builder-died"})


def an_order(store: Store) -> int:
    keep(store, [instance(1)])
    add_first_burner(store)
    return ordered(store, selection=Selection(studies=(str(instance(1).StudyInstanceUID),)), burner="folder")


def free(store: Store, job_id: int, disc_id: int) -> bool:
    """Whether nobody claims them any more, once another worker has looked."""
    disc_recovery.take_over_claims(store, "discs", set())
    with store.database.read() as connection:
        job, disc = print_jobs.get(connection, job_id), disc_rows.find(connection, disc_id)
    return job.composing_by is None and disc.building_by is None


def test_the_server_says_its_version_and_must_write_through(east: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not write through" in said(service_checks.database(east), "error"), "the tests' own has fsync off"
    with east.database.read() as connection:
        facts = postgresql.facts(connection)
    monkeypatch.setattr(postgresql, "facts", lambda connection: replace(facts, is_safe=True))
    assert "PostgreSQL 1" in said(service_checks.database(east), "fine")


def test_a_writer_whom_all_others_wait_for_is_named(east: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 0.01)
    with east.database.write():
        time.sleep(0.1)
        assert "of east has been writing" in said(service_checks.database(east), "error")
    assert "has been writing" not in said(service_checks.database(east), "error")


def test_a_stand_by_that_holds_up_all_writing_is_told(
    east: Store, server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> bool:
        return "waits for PostgreSQL's stand-by" in said(service_checks.database(east), "error")

    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 0.01)
    server.set("synchronous_standby_names", "'nobody'")
    writing = threading.Thread(target=lambda: kept.keep(east, "tried", 1))
    writing.start()
    try:
        assert wait_until(told, 20)
    finally:
        server.set("synchronous_standby_names", "''")
        writing.join(20)
    assert not told()


def test_a_machine_without_its_share_says_so_and_leaves_upkeep_to_another(east: Store, store: Store) -> None:
    root = east.folder.root
    keeper, other = Keeper(east), store.locks.only_one("upkeep")
    keeper.round()
    assert not other.take()
    mounted = root.rename(root.with_name("share"))
    root.mkdir()
    try:
        with pytest.raises(ResourceError, match="share is mounted"):
            keeper.round()
        assert other.take()
        assert "share is mounted" in said(service_checks.database(east), "error")
    finally:
        root.rmdir()
        mounted.rename(root)


def test_a_backup_says_that_the_server_makes_it(east: Store, clerk: Actor) -> None:
    with pytest.raises(UsageError, match="pg_dump"):
        make_backup(east, east.folder.root / "backup", clerk)
    assert "backed up on its server" in said(service_checks.backups(east), "fine")


def test_what_waited_when_the_server_made_its_dump_is_held(east: Store, clerk: Actor) -> None:
    job = submit_films(east, add_folder_printer(east))
    for kind in ("films", "retrieve"):  # the second is the associations' process
        lock = east.locks.hold(kind)
        with pytest.raises(ConflictError, match="stop every machine"):
            hold_after_server(east, now(), clerk)
        lock.release()
    assert hold_after_server(east, now(), clerk) == (1, 0)
    with east.database.read() as connection:
        held = print_jobs.get(connection, job)
        assert (held.job_state, held.job_state_reasons) == ("pending-held", ["in-doubt", "restored"])
    assert submit_films(east, get_printer(east, held.printer)) > 100_000


def test_a_machine_that_is_gone_and_another_s_certificate_are_told(east: Store) -> None:
    lock = east.locks.hold("films")
    node_checks.be_seen(east, {})
    ending = {"page-certificate": "The page's certificate is good until 2026-12-01 only."}
    seen = {"at": (now() - dt.timedelta(minutes=5)).isoformat(), "ahead": 0.0, "version": "0", "problems": ending}
    kept.keep(east, node_checks.KNOWN + "west", seen)
    told = {"page-certificate:west": "Machine west: The page's certificate is good until 2026-12-01 only."}
    assert notices.problems(east) == told, "it may be starting anew"
    seen["at"] = (now() - dt.timedelta(minutes=11)).isoformat()
    kept.keep(east, node_checks.KNOWN + "west", seen)
    assert notices.problems(east)["machine:west"].startswith("Machine west is not there; it was last seen ")
    lock.release()


def test_a_machine_says_what_ails_it(east: Store, tmp_path: Path) -> None:
    spoilt = tmp_path / "page.pem"
    spoilt.write_text("nothing")
    web = east.settings.web.model_copy(update={"certificate": spoilt})
    Keeper(replace(east, settings=east.settings.model_copy(update={"web": web}))).own.do()
    assert "page.pem can't be read" in notices.problems(east)["certificate-unreadable:east"]
