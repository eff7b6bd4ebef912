"""What PostgreSQL does otherwise than SQLite, and what must come out the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from appliance.config import Settings
from appliance.errors import ConflictError, ResourceError, SettingError, UncertainError
from appliance.events import process_actor
from appliance.security.audit import first_broken, record
from appliance.store import postgresql, secrets
from appliance.store.database import next_number
from appliance.store.store import Store, open_store
from tests.support import postgres


@pytest.fixture
def database_kind() -> str:
    return "postgresql"


@pytest.fixture
def link(server: postgres.Server) -> Iterator[postgres.Link]:
    made = postgres.Link(server)
    yield made
    made.close()


@pytest.fixture
def far(store: Store, link: postgres.Link) -> Iterator[Store]:
    """The same store over a line that may break."""
    url = link.url(store.settings.database.url.rpartition("/")[2])
    settings = Settings.model_validate({"database": {"url": url}})
    made = open_store(store.folder.root, settings=settings)
    yield made
    made.close()


def numbers(store: Store) -> int:
    with store.database.write() as connection:
        return next_number(connection, "print-job") - 1


def test_a_commit_whose_answer_was_lost_is_found_out_to_be_done(store: Store, far: Store, link: postgres.Link) -> None:
    with far.database.write("print") as connection:
        next_number(connection, "print-job")
        link.breaks = "after"
    assert numbers(store) == 1 and store.database.changes("print") == 1


def test_a_commit_that_never_came_through_is_said_not_to_be_done(store: Store, far: Store, link: postgres.Link) -> None:
    with pytest.raises(ResourceError) as caught, far.database.write("print") as connection:
        next_number(connection, "print-job")
        link.breaks = "before"
    assert not isinstance(caught.value, UncertainError)
    assert numbers(store) == 0 and store.database.changes("print") == 0


def test_a_commit_nobody_can_be_asked_about_is_uncertain(
    far: Store, server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "ASK_SECONDS", 1.0)
    try:
        with pytest.raises(UncertainError), far.database.write() as connection:
            next_number(connection, "print-job")
            monkeypatch.setattr(connection, "_commit_impl", lambda: _commit_and_lose(connection, server))
    finally:
        server.start()


def _commit_and_lose(connection: object, server: postgres.Server) -> None:
    server.stop("immediate")
    type(connection)._commit_impl(connection)  # type: ignore[attr-defined]


def test_a_server_started_again_is_found_again(store: Store, server: postgres.Server) -> None:
    assert numbers(store) == 0
    server.stop("immediate")
    with pytest.raises(ResourceError, match="can't be read"):
        store.database.changes()
    server.start()
    assert numbers(store) == 1


def test_a_writer_that_stands_still_does_not_keep_the_others_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "IDLE_IN_WRITE_SECONDS", 0.5)
    inside, go_on = threading.Event(), threading.Event()
    said: list[str] = []

    def stand_still() -> None:
        try:
            with store.database.write() as connection:
                next_number(connection, "print-job")
                inside.set()
                go_on.wait(20)
        except ResourceError as error:
            said.append(str(error))

    thread = threading.Thread(target=stand_still)
    thread.start()
    inside.wait(10)
    assert numbers(store) == 0, "what it had begun is undone"
    go_on.set()
    thread.join()
    assert len(said) == 1


def test_the_audit_trail_of_many_writers_is_one_chain(store: Store) -> None:
    def write() -> None:
        for number in range(15):
            with store.database.write() as connection:
                record(connection, "tried", process_actor("tests"), object_id=str(number))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.database.read() as connection:
        assert first_broken(connection) is None
        assert connection.execute(text("SELECT count(*) FROM audit WHERE event = 'tried'")).scalar() == 60


def test_texts_with_nul_and_longer_than_announced_are_taken(store: Store) -> None:
    with store.database.write() as connection:
        secrets.put(connection, "n" * 500, "one\0two")
        record(connection, "tried", process_actor("x\0" + "y" * 300), object_id="a\0b", detail={"c\0": "\0"})
    with store.database.read() as connection:
        assert secrets.get(connection, "n" * 500) == "one\ufffdtwo"
        assert first_broken(connection) is None


def test_a_folder_of_another_appliance_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="share is mounted"):
        open_store(tmp_path / "empty", settings=store.settings)
    open_store(store.folder.root, settings=store.settings).close()


def test_each_machine_has_a_spool_of_its_own(store: Store) -> None:
    settings = store.settings.model_copy(update={"node": store.settings.node.model_copy(update={"name": "west"})})
    other = open_store(store.folder.root, settings=settings)
    assert other.folder.spool == store.folder.root / "spool" / "west" != store.folder.spool
    other.close()


@pytest.mark.parametrize("url", ["mysql://somewhere/x", "no address", "postgresql"])
def test_an_address_that_names_no_server_of_ours_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match=r"database\.url"):
        postgresql.server_url(url)
