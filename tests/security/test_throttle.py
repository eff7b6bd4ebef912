from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from appliance.errors import UsageError
from appliance.security import sessions, throttle, users
from appliance.security.sessions import LoginError, log_in
from appliance.store.store import Store
from tests.web.conftest import PASSWORD, TESTER

pytestmark = pytest.mark.both_databases


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (4, 0), (5, 5), (6, 10), (7, 20), (12, 640), (13, 900), (100, 900), (10**6, 900)]
)
def test_the_wait_doubles_from_five_failures_on_to_a_quarter_of_an_hour(failures: int, seconds: int) -> None:
    assert throttle.wait_after("user", failures) == seconds


def fail(store: Store, name: str, address: str, times: int) -> None:
    for _ in range(times):
        with store.database.write() as connection:
            throttle.note_failure(connection, name, address)


def wait(store: Store, name: str, address: str) -> int:
    with store.database.read() as connection:
        return throttle.seconds_to_wait(connection, name, address)


def test_strangers_cannot_keep_an_admin_out_of_their_own_place(store: Store) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    log_in(store, "anna", PASSWORD, address="192.0.2.1")
    for host in range(50):
        fail(store, "anna", f"198.51.100.{host}", 3)
    assert wait(store, "anna", "203.0.113.9") == 900
    assert wait(store, "anna", "192.0.2.1") == 0
    assert log_in(store, "anna", PASSWORD, address="192.0.2.1")


def test_many_names_from_one_address_make_the_address_wait(store: Store) -> None:
    for number in range(10):
        fail(store, f"user{number}", "198.51.100.7", 1)
    assert wait(store, "somebody", "198.51.100.7") == 5
    assert wait(store, "somebody", "198.51.100.8") == 0


def test_names_nobody_has_wait_like_those_somebody_has(store: Store) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    fail(store, "anna", "198.51.100.1", 6)
    fail(store, "nobody", "198.51.100.2", 6)
    assert wait(store, "anna", "203.0.113.1") == wait(store, "nobody", "203.0.113.1") == 10


def test_a_new_password_from_an_admin_ends_the_wait(store: Store) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    fail(store, "anna", "198.51.100.1", 9)
    users.set_password(store, "anna", "another odd one", TESTER)
    assert wait(store, "anna", "203.0.113.1") == 0


def test_failures_are_forgotten_after_an_hour(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(store, "anna", "198.51.100.1", 20)
    later = throttle.now() + dt.timedelta(hours=1, seconds=1)
    monkeypatch.setattr(throttle, "now", lambda: later)
    assert wait(store, "anna", "198.51.100.1") == 0


def test_nobody_is_kept_out_for_as_long_as_a_clock_was_put_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(store, "anna", "198.51.100.1", 20)
    before = throttle.now() - dt.timedelta(days=3650)
    monkeypatch.setattr(throttle, "now", lambda: before)
    assert wait(store, "anna", "198.51.100.1") == 0
    fail(store, "anna", "198.51.100.1", 1)
    assert wait(store, "anna", "198.51.100.1") == 0


def test_the_right_password_does_not_help_while_waiting(store: Store) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    fail(store, "anna", "198.51.100.1", 7)
    with pytest.raises(LoginError, match="Too many failed tries") as refused:
        log_in(store, "anna", PASSWORD, address="198.51.100.1")
    assert 0 < refused.value.seconds <= 20


NEW = "another odd one"


def meanwhile(monkeypatch: pytest.MonkeyPatch, module: Any, deed: Callable[[], object]) -> None:
    """Let something happen while a password is being looked at, which takes its time; once."""
    real, deeds = module.verify, [deed]

    def verify(password_hash: str | None, password: str) -> bool:
        while deeds:
            deeds.pop()()
        return bool(real(password_hash, password))

    monkeypatch.setattr(module, "verify", verify)


def test_a_password_replaced_while_it_is_looked_at_opens_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    meanwhile(monkeypatch, sessions, lambda: users.set_password(store, "anna", NEW, TESTER))
    with pytest.raises(LoginError, match="wrong"):
        log_in(store, "anna", PASSWORD, address="192.0.2.1")
    assert not sessions.sessions_of(store, "anna")
    assert log_in(store, "anna", NEW, address="192.0.2.1")


def test_a_user_removed_while_the_password_is_looked_at_is_told_no_more_than_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    users.add_user(store, "boris", "viewer", PASSWORD, TESTER)
    meanwhile(monkeypatch, sessions, lambda: users.remove_user(store, "boris", TESTER))
    with pytest.raises(LoginError, match="Name or password is wrong"):
        log_in(store, "boris", PASSWORD, address="192.0.2.1")


def test_many_tries_at_once_are_held_against_the_one_that_fits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    meanwhile(monkeypatch, sessions, lambda: fail(store, "anna", "198.51.100.1", 6))
    with pytest.raises(LoginError) as refused:
        log_in(store, "anna", PASSWORD, address="198.51.100.1")
    assert refused.value.seconds == 10
    assert not sessions.sessions_of(store, "anna")


def test_a_password_an_admin_has_just_replaced_can_not_be_changed_by_who_knows_the_old_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    meanwhile(monkeypatch, users, lambda: users.set_password(store, "anna", NEW, TESTER))
    with pytest.raises(UsageError, match="not your password"):
        users.change_own_password(store, "anna", PASSWORD, "a third odd one", TESTER, session="")
    assert log_in(store, "anna", NEW, address="192.0.2.1")
