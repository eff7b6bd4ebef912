"""``--wait`` with no service running: what waits to be tried again is tried again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from appliance.jobs import retry
from tests.media.disc_helpers import STUDY
from tests.support.cli import run
from tests.support.fault_printers import SocketPrinter
from tests.support.ports import free_port


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are soon tried again."""
    monkeypatch.setattr(retry, "STEPS", (1,))


def test_a_film_for_a_printer_that_is_off_comes_out_once_it_is_on(data: Path) -> None:
    port = free_port()
    run("printer", "add", "raw", "--uri", f"socket://127.0.0.1:{port}", "--resolution", "72")
    on: list[SocketPrinter] = []
    switch = threading.Timer(2.5, lambda: on.append(SocketPrinter(port=port)))
    switch.start()
    try:
        assert "completed" in run("printer", "test-page", "raw", "--wait")
        assert len(on[0].printed) == 1
    finally:
        switch.join()
        on[0].stop()


def test_a_disc_for_a_folder_that_is_away_is_handed_over_once_it_is_back(data: Path) -> None:
    share = data / "share"
    run("burner", "add", "share", "--uri", f"folder:{share}")
    share.touch()  # it is not mounted, so to speak

    def mount() -> None:
        share.unlink()
        share.mkdir()

    switch = threading.Timer(2.5, mount)
    switch.start()
    assert "DONE" in run("disc", "create", "--study", STUDY, "--burner", "share", "--wait")
    switch.join()
    assert [path.suffix for path in share.iterdir() if path.suffix == ".iso"] == [".iso"]
