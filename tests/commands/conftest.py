"""What the command line works on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.media.disc_helpers import fresh


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a study, found by the environment."""
    fresh(tmp_path / "data").close()
    monkeypatch.setenv("APPLIANCE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_MIB", "1")
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_PERCENT", "0")
    return tmp_path / "data"
