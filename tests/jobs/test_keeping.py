"""Chores of one process among several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.errors import ResourceError
from appliance.jobs.keeping import Chore, Keeper
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
