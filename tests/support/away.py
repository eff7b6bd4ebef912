"""A database that is away in one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from appliance.errors import ResourceError, UncertainError
from appliance.store.database import Database


def away_once(monkeypatch: pytest.MonkeyPatch, *topics: str) -> None:
    """The next transaction that would write just these topics is refused."""
    write, refused = Database.write, []

    @contextmanager
    def refusing(database: Database, *given: str) -> Iterator[Any]:
        if given == topics and not refused:
            refused.append(given)
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
