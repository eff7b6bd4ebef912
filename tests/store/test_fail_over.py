"""A server of the database and its stand-by: which of the two is written to, and how long is waited for them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from appliance.config import Settings
from appliance.errors import ResourceError, UncertainError
from appliance.store import postgresql, server_session
from appliance.store.database import next_number
from appliance.store.lineage import NOTE, Lineage
from appliance.store.server_session import Servers
from appliance.store.store import Store, open_store
from tests.support import postgres


@pytest.fixture
def pair() -> Iterator[tuple[postgres.Server, postgres.Server]]:
    with postgres.server_and_stand_by() as made:
        yield made


def opened(data: Path, servers: tuple[postgres.Server, ...], name: str) -> Store:
    places = ",".join(f"127.0.0.1:{each.port}" for each in servers)
    url = f"postgresql://appliance@{places}/{name}"
    return open_store(data, settings=Settings.model_validate({"database": {"url": url}}))


def numbered(store: Store) -> int:
    with store.database.write() as connection:
        return next_number(connection, "print-job")


def last_number(server: postgres.Server, name: str) -> int:
    [(last,)] = server.execute(name, "SELECT last FROM number WHERE name = 'print-job'")
    return int(str(last))


def test_a_first_server_that_comes_back_after_a_fail_over_is_written_to_by_nobody(
    tmp_path: Path, pair: tuple[postgres.Server, postgres.Server]
) -> None:
    """Half of the films would be known to the one, half to the other."""
    first, second = pair
    name = first.database()
    store = opened(tmp_path / "data", pair, name)
    assert numbered(store) == 1
    postgres.wait_until_follows(second, first)
    first.stop("immediate")
    second.promote()
    assert numbered(store) == 2
    first.start()
    later = opened(tmp_path / "data", pair, name)  # another machine, a part that was started again, a command
    store.database.engine.dispose()  # all its connections were busy
    assert [numbered(store), numbered(later)] == [3, 4]
    assert later.locks.only_one("housekeeping").take()
    assert not store.locks.only_one("housekeeping").take()
    assert last_number(first, name) == 1
    with pytest.raises(ResourceError, match=f"left behind.*{NOTE}"):
        opened(tmp_path / "data", (first,), name)
    (tmp_path / "data" / NOTE).unlink()
    opened(tmp_path / "data", (first,), name).close()
    store.close()
    later.close()


def test_a_first_server_that_is_back_before_anybody_met_the_promoted_one_is_written_to_by_nobody(
    tmp_path: Path, pair: tuple[postgres.Server, postgres.Server]
) -> None:
    """All machines were stopped for the fail-over, as they should be: none had met the other."""
    first, second = pair
    name = first.database()
    store = opened(tmp_path / "data", pair, name)
    assert numbered(store) == 1
    postgres.wait_until_follows(second, first)
    store.close()
    second.promote()
    store = opened(tmp_path / "data", pair, name)
    assert numbered(store) == 2
    store.close()
    assert [last_number(each, name) for each in pair] == [1, 2]


def test_a_server_that_keeps_its_history_to_itself_is_used(tmp_path: Path, server: postgres.Server) -> None:
    server.execute("postgres", "CREATE ROLE curious LOGIN")
    server.execute("postgres", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
    try:
        with psycopg.connect(server.url("postgres").replace("appliance@", "curious@"), autocommit=True) as connection:
            Lineage(tmp_path).refuse_left_behind(connection)
    finally:
        server.execute("postgres", "GRANT EXECUTE ON FUNCTION pg_control_system() TO public")


def test_the_server_that_answered_last_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is switched off is waited for: each connection would cost its five seconds."""
    asked = []

    def open_one(_self: Servers, _arguments: list[Any], address: dict[str, Any]) -> object:
        asked.append((address["host"], address["port"]))
        if address["host"] == "east":
            raise psycopg.OperationalError("timeout expired")
        return io.BytesIO()  # can be closed

    monkeypatch.setattr(Servers, "_open", open_one)
    servers = Servers(Lineage(tmp_path))
    for _ in range(2):
        servers.connect(None, None, [], {"host": "east,west", "port": "1,2", "user": "appliance"})
    assert asked == [("east", "1"), ("west", "2"), ("west", "2"), ("west", "2")], "each is met once"


def test_a_commit_that_waits_for_a_lost_stand_by_is_uncertain_in_bounded_time(
    tmp_path: Path, server: postgres.Server, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_session, "COMMIT_SECONDS", 0.5)
    monkeypatch.setattr(postgresql, "ASK_SECONDS", 1.0)
    name = server.database(migrated)
    store = opened(tmp_path / "data", (server,), name)
    server.set("synchronous_standby_names", "'nobody'")
    try:
        with pytest.raises(UncertainError, match="the commit gets no answer"):
            numbered(store)
    finally:
        server.set("synchronous_standby_names", "''")
    assert numbered(store) == 2, "it was done in the end"
    store.close()


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://me:a,b@east:1,west:2/films?sslmode=require", "east,west", "1,2"),
        ("postgresql://east,west/films", "east,west", ","),
        ("postgresql://me@/films?host=east:1&host=west:2", "east,west", "1,2"),
    ],
)
def test_several_servers_are_named_as_everywhere_else(url: str, hosts: str, ports: str) -> None:
    made = postgresql.server_url(url)
    dialect = made.get_dialect()()
    _, found = dialect.create_connect_args(made)
    assert (found["host"], found["port"], found["dbname"]) == (hosts, ports, "films")
