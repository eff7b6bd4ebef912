"""Fixtures every room uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.events import Actor
from appliance.store.store import Store, open_store


@pytest.fixture
def settings() -> Settings:
    """Settings of a test's appliance: free ports, no reserve on the disk."""
    return Settings.model_validate(
        {
            "dicom": {"ports": [0]},
            "web": {"port": 0},
            "storage": {"reserve_percent": 0, "reserve_mib": 1},
        }
    )


@pytest.fixture
def store(tmp_path: Path, settings: Settings) -> Iterator[Store]:
    """An empty data folder, opened."""
    store = open_store(tmp_path / "data", settings=settings)
    yield store
    store.close()


@pytest.fixture
def clerk() -> Actor:
    return Actor(name="clerk", kind="user", address="127.0.0.1")
