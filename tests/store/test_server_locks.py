"""Locks of several machines: a holder that is cut off knows it before another one begins."""

from __future__ import annotations

import threading
import time

import pytest

from appliance import run
from appliance.errors import ResourceError
from appliance.store import server_locks
from appliance.store.server_locks import ServerLocks
from appliance.store.store import Store
from tests.store.test_locks import other, quick, soon
from tests.support import postgres

__all__ = ["quick"]


@pytest.fixture
def database_kind() -> str:
    return "postgresql"


@pytest.fixture
def locks(store: Store) -> ServerLocks:
    assert isinstance(store.locks, ServerLocks)
    return store.locks


def test_a_holder_that_was_cut_off_knows_it_before_another_one_begins(
    store: Store, locks: ServerLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, others = locks.hold("films"), other(store)
    time.sleep(1.0)  # the other's session is old enough to inherit
    others.dead(["nobody"])
    time.sleep(1.0)
    moments = {}
    monkeypatch.setattr(locks, "_asking", _away)  # nothing gets through any more
    _end_session(store, locks)
    end = time.monotonic() + 10
    while len(moments) < 2 and time.monotonic() < end:
        if not lock.is_held():
            moments.setdefault("noticed", time.monotonic())
        if others.dead([lock.name]):
            moments.setdefault("inherited", time.monotonic())
        time.sleep(0.02)
    assert moments["noticed"] < moments["inherited"]
    others.close()


def test_a_server_started_again_costs_nobody_a_lock(
    store: Store, locks: ServerLocks, server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_locks, "LEASE_SECONDS", 8.0)
    lock, others = locks.hold("films"), other(store)
    others.dead([lock.name])
    server.stop("immediate")
    server.start()
    assert soon(lambda: bool(locks.living("films")))
    assert lock.is_held() and others.dead([lock.name]) == []
    others.close()


def test_a_name_the_server_has_forgotten_is_taken_again(store: Store, locks: ServerLocks) -> None:
    mine, stop = run.hold_name(store), threading.Event()
    thread = threading.Thread(target=run.keep_name, args=(store, mine, stop))
    thread.start()
    try:
        with locks._guard:
            locks._answered = 0.0  # longer ago than any lease
            locks._drop()
        assert soon(lambda: mine.held)
        others = other(store)
        assert not others.only_one(f"node-{store.node}").take()
        others.close()
    finally:
        stop.set()
        thread.join()


def test_a_session_that_says_nothing_is_dropped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_locks, "SILENT_SECONDS", 1)
    monkeypatch.setattr(server_locks, "BEAT_SECONDS", 60.0)  # as one that stands still
    still, others = other(store), store.locks
    lock = still.hold("films")
    assert others.living("films")
    assert soon(lambda: not others.living("films"))
    assert soon(lambda: others.dead([lock.name]) == [lock.name]) and not lock.is_held()
    still.close()


def test_workers_of_one_process_that_ask_about_different_claims_do_not_disturb_each_other(
    store: Store, locks: ServerLocks
) -> None:
    others = other(store)
    gone = others.hold("films").name
    others.close()
    locks.dead(["nobody"])
    time.sleep(1.0)  # old enough to inherit
    assert soon(lambda: locks.dead([]) == [] and locks.dead(["import-gone"]) is not None and gone in locks.dead([gone]))


def test_a_dead_ones_lock_is_given_up_once_nobody_asks(
    store: Store, locks: ServerLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks.dead(["nobody"])
    time.sleep(1.0)
    locks.dead(["films-gone"])
    assert "films-gone" in locks._inherited
    monkeypatch.setattr(server_locks, "FORGET_SECONDS", 0.2)
    time.sleep(0.5)
    locks.dead([])
    assert "films-gone" not in locks._inherited
    assert other(store).only_one("films-gone").take()


def test_who_has_just_begun_inherits_nothing(store: Store, locks: ServerLocks) -> None:
    locks.only_one("keeping").take()
    assert locks.dead(["films-gone-1-x"]) == []
    assert "films-gone-1-x" not in locks._inherited


def _away() -> None:
    raise ResourceError("cut off")


def _end_session(store: Store, locks: ServerLocks) -> None:
    """As the server does with one whose machine is gone."""
    assert locks._session is not None
    with store.database.write() as connection:
        ended = connection.exec_driver_sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'appliance locks %% films'"
        )
        assert ended.scalar_one() == 1
