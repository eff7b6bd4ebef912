from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.security import first_admin, roles, sessions, tokens, users
from appliance.store import audit
from appliance.store.store import Store
from tests.web.conftest import PASSWORD, TESTER


@pytest.fixture
def admin(store: Store) -> Store:
    users.add_user(store, "Anna", "admin", PASSWORD, TESTER)
    return store


def events(store: Store) -> list[tuple[str, str, str]]:
    with store.database.read() as connection:
        return [(row.event, row.outcome, row.object_id) for row in audit.in_order(connection)]


def test_a_name_is_one_whatever_its_case_and_composition(admin: Store) -> None:
    with pytest.raises(ConflictError):
        users.add_user(admin, " ANNA ", "viewer", PASSWORD, TESTER)
    assert users.get_user(admin, "aNNa").name == "anna"


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 65, "a\nb", "<b>"])
def test_a_name_that_is_none_is_refused_at_its_field(admin: Store, name: str) -> None:
    with pytest.raises(UsageError) as refused:
        users.add_user(admin, name, "viewer", PASSWORD, TESTER)
    assert refused.value.field == "name"


def test_the_last_admin_cannot_be_lost(admin: Store) -> None:
    users.add_user(admin, "boris", "clerk", PASSWORD, TESTER)
    for lose in (
        lambda: users.set_role(admin, "anna", "viewer", TESTER),
        lambda: users.set_disabled(admin, "anna", True, TESTER),
        lambda: users.remove_user(admin, "anna", TESTER),
    ):
        with pytest.raises(ConflictError, match="last admin"):
            lose()
    assert users.get_user(admin, "anna").role == "admin"
    users.set_role(admin, "boris", "admin", TESTER)
    users.remove_user(admin, "anna", TESTER)
    with pytest.raises(NotFoundError):
        users.get_user(admin, "anna")


def test_two_admins_cannot_remove_each_other_at_once(admin: Store) -> None:
    users.add_user(admin, "boris", "admin", PASSWORD, TESTER)
    refused = []

    def remove(name: str) -> None:
        try:
            users.remove_user(admin, name, TESTER)
        except ConflictError:
            refused.append(name)

    threads = [threading.Thread(target=remove, args=(name,)) for name in ("anna", "boris")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1 and len(users.all_users(admin)) == 1


def test_every_change_is_in_the_audit_trail(admin: Store) -> None:
    users.add_user(admin, "boris", "viewer", PASSWORD, TESTER)
    users.set_role(admin, "boris", "clerk", TESTER)
    users.set_password(admin, "boris", "another odd one", TESTER)
    users.remove_user(admin, "boris", TESTER)
    said = [event for event, _, name in events(admin) if name == "boris"]
    assert said == ["user-added", "user-changed", "password-changed", "user-removed"]


def test_a_failed_log_in_does_not_write_down_what_may_be_a_password(admin: Store) -> None:
    for name in ("my secret words", "anna"):
        with pytest.raises(sessions.LoginError):
            sessions.log_in(admin, name, "wrong", address="192.0.2.1")
    assert [entry for entry in events(admin) if entry[0] == "login"] == [
        ("login", "failure", ""),
        ("login", "failure", "anna"),
    ]


def test_a_disabled_user_is_told_no_more_than_anybody(admin: Store) -> None:
    users.add_user(admin, "boris", "clerk", PASSWORD, TESTER)
    users.set_disabled(admin, "boris", True, TESTER)
    with pytest.raises(sessions.LoginError, match="^Name or password is wrong"):
        sessions.log_in(admin, "boris", PASSWORD, address="192.0.2.1")


def test_session_ids_and_tokens_are_kept_as_hashes_only(admin: Store) -> None:
    session_id = sessions.log_in(admin, "anna", PASSWORD, address="192.0.2.1")
    secret = tokens.create_token(admin, "PACS", "viewer", TESTER)
    admin.database.close()
    kept = b"".join(path.read_bytes() for path in admin.folder.root.glob("appliance.db*"))
    for text in (session_id, secret, PASSWORD):
        assert text.encode() not in kept
    assert sessions.hash_id(session_id).encode() in kept


def test_a_token_ends_when_revoked_or_expired(admin: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime as dt

    good, short = (
        tokens.create_token(admin, name, "clerk", TESTER, days=days) for name, days in (("a", None), ("b", 1))
    )
    assert [t.role for t in (tokens.find_token(admin, good), tokens.find_token(admin, short)) if t] == [
        "clerk",
        "clerk",
    ]
    tomorrow = tokens.now() + dt.timedelta(days=1, seconds=1)
    with monkeypatch.context() as later:
        later.setattr(tokens, "now", lambda: tomorrow)
        assert tokens.find_token(admin, short) is None
        assert tokens.find_token(admin, good) is not None
    tokens.revoke_token(admin, 1, TESTER)
    assert tokens.find_token(admin, good) is None
    with pytest.raises(NotFoundError):
        tokens.revoke_token(admin, 1, TESTER)


@pytest.mark.parametrize(
    "end",
    [
        lambda store: users.remove_user(store, "anna", TESTER),
        lambda store: users.set_disabled(store, "anna", True, TESTER),
        lambda store: users.set_role(store, "anna", "clerk", TESTER),
    ],
)
def test_tokens_end_with_the_right_to_make_them(admin: Store, end: Callable[[Store], None]) -> None:
    """And so do those made with one of them; what somebody else made stays."""
    users.add_user(admin, "boris", "admin", PASSWORD, TESTER)
    anna, program = (Actor(name=name, kind="user", address="192.0.2.1") for name in ("anna", "token:" + "x" * 64))
    hers = tokens.create_token(admin, "x" * 64, "admin", anna)
    its = tokens.create_token(admin, "of its own", "admin", program)
    other = tokens.create_token(admin, "PACS", "viewer", TESTER)
    end(admin)
    assert [tokens.find_token(admin, secret) is not None for secret in (hers, its, other)] == [False, False, True]
    assert [event[2] for event in events(admin) if event[0] == "token-revoked"] == ["1", "2"]


def test_a_clerk_called_like_roots_account_takes_no_tokens_along(admin: Store) -> None:
    users.add_user(admin, "root", "clerk", PASSWORD, TESTER)
    secret = tokens.create_token(admin, "PACS", "viewer", Actor(name="root", kind="process", address=""))
    users.remove_user(admin, "root", TESTER)
    assert tokens.find_token(admin, secret)


def test_what_a_stolen_token_made_ends_with_it(admin: Store) -> None:
    tokens.create_token(admin, "t", "admin", TESTER)
    made = tokens.create_token(admin, "t", "admin", Actor(name="token:t", kind="user", address="192.0.2.1"))
    tokens.revoke_token(admin, 1, TESTER)
    assert tokens.find_token(admin, made) is None


def test_nobody_is_an_agent_but_a_program(admin: Store) -> None:
    with pytest.raises(UsageError, match="no role agent"):
        users.add_user(admin, "desk", "agent", PASSWORD, TESTER)


def test_every_permission_has_an_admin_and_viewers_change_nothing() -> None:
    for permission, allowed in roles.PERMISSIONS.items():
        assert "admin" in allowed, permission
        if not permission.endswith(".see") and permission != "own-account":
            assert "viewer" not in allowed, permission


def test_the_first_admins_link_works_once(store: Store) -> None:
    old = first_admin.new_key(store)
    key = first_admin.new_key(store)
    assert old and key and not first_admin.is_key(store, old)
    with pytest.raises(UsageError):
        first_admin.make_first_admin(store, key, "anna", "password", address="192.0.2.1")
    session_id = first_admin.make_first_admin(store, key, "anna", PASSWORD, address="192.0.2.1")
    found = sessions.find_session(store, session_id)
    assert found and found.role == "admin"
    assert not first_admin.is_key(store, key) and first_admin.new_key(store) is None
    with pytest.raises(NotFoundError):
        first_admin.make_first_admin(store, key, "eve", PASSWORD, address="192.0.2.1")


def test_the_link_dies_when_the_console_made_an_admin(store: Store) -> None:
    key = first_admin.new_key(store)
    users.add_user(store, "anna", "admin", PASSWORD, TESTER)
    assert key and not first_admin.is_key(store, key)


def test_two_people_with_the_link_make_one_admin(store: Store) -> None:
    key = first_admin.new_key(store) or ""
    made, refused = [], []

    def use(name: str) -> None:
        try:
            made.append(first_admin.make_first_admin(store, key, name, PASSWORD, address="192.0.2.1"))
        except NotFoundError:
            refused.append(name)

    threads = [threading.Thread(target=use, args=(f"admin{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused), len(users.all_users(store))) == (1, 3, 1)
