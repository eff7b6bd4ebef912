"""What PostgreSQL does otherwise than SQLite, and what must come out the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text

from appliance.config import Settings
from appliance.errors import ConflictError, NotFoundError, ResourceError, SettingError, UncertainError
from appliance.events import process_actor
from appliance.printing.printer_verbs import add_printer
from appliance.printing.printers import Printer, PrinterSettings
from appliance.security.audit import first_broken, record
from appliance.store import postgresql, print_jobs, secrets, server_session
from appliance.store.database import next_number
from appliance.store.store import Store, open_store
from appliance.store.tables import printing as tables
from appliance.store.tables.base import is_for
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


def test_the_number_a_crash_lost_and_another_writer_was_given_promises_nothing(
    store: Store, server: postgres.Server
) -> None:
    """The server writes numbers down with what was committed: one it has lost it gives to the next who asks."""
    name = store.settings.database.url.rpartition("/")[2]
    server.execute("postgres", "ALTER SYSTEM SET wal_writer_delay = '10s'")  # it dies before its next round
    server.stop()
    server.start()
    try:
        with pytest.raises(UncertainError), store.database.write() as connection:
            begun = postgresql.transaction_of(connection)
            next_number(connection, "print-job")
            server.stop("immediate")
            server.start()
            server.execute(name, "CREATE TABLE another (writer integer)")
    finally:
        server.execute("postgres", "ALTER SYSTEM RESET wal_writer_delay")
    assert begun is not None
    assert server.execute(name, f"SELECT pg_xact_status('{begun.number}')") == [("committed",)], "it was given again"
    assert numbers(store) == 0, "nothing was written"


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


def test_a_server_that_stands_still_is_not_waited_for_for_ever(
    store: Store, server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_session, "SILENT_SECONDS", 0.5)
    assert numbers(store) == 0
    with server.standing_still():
        with pytest.raises(ResourceError, match="can't be read"):
            store.database.changes()
        with pytest.raises(ResourceError, match="can't be asked"):
            store.locks.living("films")
    assert numbers(store) == 1


def test_a_stand_by_is_no_server_of_ours_until_it_is_promoted(store: Store, server: postgres.Server) -> None:
    """Its locks are free though a machine that has reached the first one holds them: films would come out twice."""
    assert numbers(store) == 0
    with server.standing_by():
        with pytest.raises(ResourceError):
            store.database.changes()
        with pytest.raises(ResourceError):
            store.locks.hold("films")
    assert numbers(store) == 1
    store.locks.hold("films").release()


def test_a_long_statement_of_a_server_that_lives_is_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_session, "SILENT_SECONDS", 0.2)
    with store.database.read() as connection:
        assert connection.execute(text("SELECT 7 FROM pg_sleep(1)")).scalar() == 7


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


@pytest.mark.parametrize("spoilt", ["A\0B", "A\ud800B", "\udcff", "\\u0000"])
def test_a_setting_with_characters_that_are_none_stops_nobody_who_asks_what_is_bound_where(
    store: Store, spoilt: str
) -> None:
    settings = PrinterSettings(border_density=spoilt, destinations={spoilt: spoilt})
    printer = Printer(name="spoilt", device_uri="socket://10.0.0.1:9100", ae_titles=(), settings=settings)
    add_printer(store, printer, process_actor("test"))
    with store.database.read() as connection:
        bound = connection.scalars(select(tables.printer.c.name).where(~is_for(tables.printer.c.settings, "east")))
        assert not bound.all()
        assert first_broken(connection) is None


def test_a_number_of_more_than_64_bits_is_nobodys(store: Store) -> None:
    with pytest.raises(NotFoundError), store.database.read() as connection:
        print_jobs.get(connection, 10**22)
    with pytest.raises(NotFoundError), store.database.write() as connection:
        print_jobs.claim_compose(connection, 10**22, "worker")


def test_a_table_an_administrator_has_to_himself_keeps_no_reader_for_ever(
    store: Store, server: postgres.Server
) -> None:
    url = server.url(store.settings.database.url.rpartition("/")[2])
    with psycopg.connect(url) as admin:
        admin.execute("LOCK TABLE print_job IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ResourceError, match="stays locked"), store.database.read() as connection:
            print_jobs.get(connection, 1)


def test_who_waits_too_long_for_a_connection_is_told_to_come_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.database.engine.pool, "_timeout", 0.1)
    with ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(store.database.engine.connect())
        with pytest.raises(ResourceError), store.database.read():
            pass
        with pytest.raises(ResourceError), store.database.write():
            pass


def test_a_folder_of_another_appliance_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="share is mounted"):
        open_store(tmp_path / "empty", settings=store.settings)
    open_store(store.folder.root, settings=store.settings).close()


def test_nothing_is_written_while_the_share_is_away_and_another_folder_lies_beneath(store: Store) -> None:
    """As when it is unmounted under a running part: what came then was acknowledged, and lay in the folder beneath."""
    root = store.folder.root
    mounted = root.rename(root.with_name("share"))
    root.mkdir()
    with pytest.raises(ResourceError, match="share is mounted"):
        numbers(store)
    with pytest.raises(ConflictError, match="share is mounted"):
        open_store(root, settings=store.settings)
    assert list(root.iterdir()) == [], "a part that still runs finds no folders to write into"
    root.rmdir()
    with pytest.raises(ResourceError, match="share is mounted"):
        numbers(store)
    mounted.rename(root)
    assert numbers(store) == 0


def test_a_machine_whose_share_is_read_only_does_no_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stopped printers the others could have printed to, and failed their discs."""
    plain = os.statvfs(store.folder.root)
    values = (*plain[:8], plain.f_flag | os.ST_RDONLY, plain.f_namemax)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(values))
    with pytest.raises(ResourceError, match="Read-only"):
        store.database.before_working()
    with pytest.raises(ConflictError, match="Read-only"):
        open_store(store.folder.root, settings=store.settings)


def test_each_machine_has_a_spool_of_its_own(store: Store) -> None:
    settings = store.settings.model_copy(update={"node": store.settings.node.model_copy(update={"name": "west"})})
    other = open_store(store.folder.root, settings=settings)
    assert other.folder.spool == store.folder.root / "spool" / "west" != store.folder.spool
    other.close()


@pytest.mark.parametrize("url", ["mysql://somewhere/x", "no address", "postgresql"])
def test_an_address_that_names_no_server_of_ours_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match=r"database\.url"):
        postgresql.server_url(url)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_can_not_hold_every_name_is_refused(
    server: postgres.Server, tmp_path: Path, encoding: str
) -> None:
    name = f"narrow_{encoding.lower()}"
    server.execute("postgres", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    settings = Settings.model_validate({"database": {"url": server.url(name)}})
    with pytest.raises(SettingError, match=f"{encoding}.*--encoding UTF8"):
        open_store(tmp_path / "data", settings=settings)
