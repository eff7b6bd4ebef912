"""A database that is away in one moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from appliance.errors import ResourceError, UncertainError
from appliance.store import files
from appliance.store.database import Database


def away_once(monkeypatch: pytest.MonkeyPatch, *topics: str, skip: int = 0) -> None:
    """The next transaction that would write just these topics, or one after some others, is refused."""
    write, asked = Database.write, []

    @contextmanager
    def refusing(database: Database, *given: str) -> Iterator[Any]:
        if given == topics:
            asked.append(given)
        if given == topics and len(asked) == skip + 1:
            raise ResourceError("The database can't be written: it is away.")
        with write(database, *given) as connection:
            yield connection

    monkeypatch.setattr(Database, "write", refusing)


def lost_once(monkeypatch: pytest.MonkeyPatch, *topics: str) -> None:
    """The next transaction that writes just these topics is done, and its server lost before it could say so."""
    write, lost = Database.write, []

    @contextmanager
    def losing(database: Database, *given: str) -> Iterator[Any]:
        with write(database, *given) as connection:
            yield connection
        if given == topics and not lost:
            lost.append(given)
            raise UncertainError("The database was lost in the moment of the commit.")

    monkeypatch.setattr(Database, "write", losing)


@contextmanager
def away_between(monkeypatch: pytest.MonkeyPatch, first: str, last: str, thread: str) -> Iterator[None]:
    """From one failpoint to another, or to the end, a thread whose name begins so can neither read nor write."""
    is_away = threading.Event()

    def see(kind: str, name: str, other: str) -> None:
        if kind == "failpoint" and name == first:
            is_away.set()
        if kind == "failpoint" and name == last:
            is_away.clear()

    def refusing(real: Any) -> Any:
        @contextmanager
        def way_in(database: Database, *topics: str) -> Iterator[Any]:
            if is_away.is_set() and threading.current_thread().name.startswith(thread):
                raise ResourceError("The database is away.")
            with real(database, *topics) as connection:
                yield connection

        return way_in

    for name in ("read", "write"):
        monkeypatch.setattr(Database, name, refusing(getattr(Database, name)))
    files.record_with(see)
    try:
        yield
    finally:
        files.record_with(None)
        is_away.clear()
