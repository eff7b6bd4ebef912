"""Group commit: together when all go well, alone when one fails; nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from appliance.errors import ResourceError
from appliance.store.batch import Batch
from appliance.store.store import Store

pytestmark = pytest.mark.both_databases


def put(number: int) -> object:
    def deed(connection: Connection) -> int:
        connection.execute(text("INSERT INTO number (name, last) VALUES (:name, 1)"), {"name": str(number)})
        if number % 5 == 3:
            raise ValueError(number)
        return number

    return deed


def test_a_deed_that_fails_fails_alone(store: Store) -> None:
    batch = Batch(store.database, "study")
    outcomes: dict[int, object] = {}
    ready = threading.Barrier(20)

    def write(number: int) -> None:
        ready.wait()
        try:
            outcomes[number] = batch.write(put(number))  # type: ignore[arg-type]
        except ValueError as error:
            outcomes[number] = error.args[0] + 100

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    with store.database.write():  # all of them queue up behind this one
        for thread in threads:
            thread.start()
        threading.Event().wait(0.2)
    for thread in threads:
        thread.join(30)
    assert outcomes == {number: number + (100 if number % 5 == 3 else 0) for number in range(20)}
    with store.database.read() as connection:
        kept = set(connection.execute(text("SELECT name FROM number WHERE last = 1")).scalars())
    assert kept == {str(number) for number in range(20) if number % 5 != 3}


def test_many_commit_in_fewer_transactions(store: Store) -> None:
    batch = Batch(store.database, "study")
    before = store.database.changes("study")
    threads = [threading.Thread(target=batch.write, args=(lambda connection: None,)) for _ in range(40)]
    with store.database.write():
        for thread in threads:
            thread.start()
        threading.Event().wait(0.2)
    for thread in threads:
        thread.join(30)
    assert 1 <= store.database.changes("study") - before < 10


def test_what_a_deed_raises_reaches_its_caller(store: Store) -> None:
    with pytest.raises(ValueError, match="3"):
        Batch(store.database).write(put(3))  # type: ignore[arg-type]


def test_while_the_database_is_away_nobody_waits_for_the_waits_of_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays locked: each that was tried alone would wait for its five seconds, a hundred in a row."""
    batch, tries, told = Batch(store.database, "study"), 0, []

    @contextmanager
    def locked(*_topics: str) -> Iterator[Connection]:
        nonlocal tries
        tries += 1
        time.sleep(0.5)
        raise ResourceError("it stays locked")
        yield

    def write() -> None:
        try:
            batch.write(lambda _: None)
        except ResourceError:
            told.append(tries)

    monkeypatch.setattr(store.database, "write", locked)
    threads = [threading.Thread(target=write) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(told) == 40
    assert tries < 8
