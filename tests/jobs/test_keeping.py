"""Chores of one process among several."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.errors import ResourceError
from appliance.jobs.keeping import Chore, Keeper, Rounds
from appliance.printing.worker import FilmWorker
from appliance.store.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = open_store(tmp_path / "data", settings=Settings())
    yield found
    found.close()


def test_a_beginning_that_broke_off_is_made_up_for_before_any_chore(store: Store) -> None:
    """It holds the lock then, and is not new any more: a first burner would never come."""
    done: list[str] = []

    def begin() -> None:
        done.append("begin")
        if len(done) == 1:
            raise ResourceError("The database can't be written: it is locked.")

    keeper = Keeper(store, "keeping", [Chore(seconds=0.0, do=lambda: done.append("chore"))], begin)
    with pytest.raises(ResourceError):
        keeper.keep()
    keeper.keep()
    keeper.close()
    assert done == ["begin", "begin", "chore"]


def test_rounds_that_fail_alike_are_told_of_once_and_once_that_they_are_over(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds("asking", logging.getLogger("tried"))
    for failure in [*[ResourceError("away")] * 50, ValueError("x"), None, None, ResourceError("away")]:
        with rounds.one():
            if failure is not None:
                raise failure
    assert [record.getMessage() for record in caplog.records] == [
        "asking failed, and is tried again: away",
        "asking failed, and is tried again: ValueError",
        "asking works again",
        "asking failed, and is tried again: away",
    ]


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ResourceError("away"), "work waits: away"),
        (ValueError("broken"), "a round failed; the next ones come in a moment each"),
    ],
)
def test_a_worker_whose_rounds_fail_alike_says_so_once(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, failure: Exception, said: str
) -> None:
    worker, stop, rounds = FilmWorker(store), threading.Event(), iter(range(9))

    def away() -> bool:
        if next(rounds) == 8:
            stop.set()
        raise failure

    monkeypatch.setattr(worker, "_round", away)
    monkeypatch.setattr(stop, "wait", lambda seconds: None)
    worker.run(stop)
    assert [record.getMessage() for record in caplog.records].count(said) == 1
