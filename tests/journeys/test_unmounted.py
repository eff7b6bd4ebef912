"""A share that is not mounted looks like an empty folder: nothing is written into it; all goes on when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.journeys.test_films import eventually, states
from tests.media import made
from tests.media.disc_helpers import keep, opened
from tests.support.ports import free_port
from tests.support.service import column, command, running
from tests.support.small_disk import small_disk


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APPLIANCE_STORAGE_FOLDER_ROOTS", str(tmp_path / "share"))
    return tmp_path / "share"


def mounted(share: Path) -> AbstractContextManager[Path]:
    return small_disk(share, "size=64m")


@pytest.fixture
def data(share: Path, tmp_path: Path) -> Iterator[Path]:
    """An appliance with a study, whose printer is the share itself and whose burner is a folder in it."""
    store = opened(tmp_path / "data")
    keep(store, [made.image()])
    store.close()
    with mounted(share):
        command(tmp_path / "data", "printer", "add", "far", "--uri", f"folder:{share}")
        command(tmp_path / "data", "burner", "add", "far", "--uri", f"folder:{share}/discs")
    with running(tmp_path / "data", free_port(), ["films", "discs"]):
        yield tmp_path / "data"


def test_films_and_discs_wait_for_a_share_that_is_not_mounted(data: Path, share: Path) -> None:
    command(data, "printer", "test-page", "far")
    command(data, "disc", "create", "--study", f"{made.ROOT}.1", "--burner", "far")
    eventually(lambda: "nothing is mounted" in command(data, "job", "show", "1")["job_state_message"])
    eventually(lambda: "nothing is mounted" in command(data, "disc", "show", "1")["message"])
    assert list(share.iterdir()) == []
    with mounted(share):
        eventually(lambda: states(data) == ["completed"])
        eventually(lambda: column(data, "SELECT execution_status FROM disc") == ["DONE"])
        assert (share / "1-01.pdf").is_file() and (share / "discs" / "1-1.iso").is_file()


def test_an_address_set_anew_belongs_to_the_file_system_that_is_there_then(data: Path, share: Path) -> None:
    options = command(data, "printer", "show", "far")["settings"]["device_options"]
    assert options == {"mount_point": str(share)}
    changed = command(data, "printer", "set", "far", "--uri", f"folder:{share}/local")
    assert changed["settings"]["device_options"] == {}
    kept = command(data, "burner", "set", "far", "--set", "label=none")["settings"]["options"]
    assert kept == {"label": "none", "mount_point": str(share)}
