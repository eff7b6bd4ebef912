"""Fixtures every room uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from appliance.config import Settings
from appliance.events import Actor
from appliance.store.store import Store, open_store
from tests.faults.plant import Zygote
from tests.support import postgres

DATABASES = ("sqlite", "postgresql")
CHROMIUM_ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked both_databases runs on each; TEST_DATABASE=postgresql runs all else there, too."""
    if "database_kind" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize("database_kind", DATABASES, indirect=True)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """sqlite or postgresql."""
    return str(getattr(request, "param", os.environ.get("TEST_DATABASE", "sqlite")))


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL server, started when the first test wants it."""
    with postgres.server() as made:
        yield made


@pytest.fixture(scope="session")
def migrated(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with our tables, to make others from."""
    name = server.database()
    settings = Settings.model_validate({"database": {"url": server.url(name)}})
    open_store(tmp_path_factory.mktemp("template") / "data", settings=settings).close()
    server.execute(name, "DELETE FROM secret")  # it belongs to no folder
    return name


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The setting database.url of a test: empty for SQLite."""
    if database_kind == "sqlite":
        yield ""
        return
    made: postgres.Server = request.getfixturevalue("server")
    yield made.url(made.database(request.getfixturevalue("migrated")))


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of a test's appliance: free ports, no reserve on the disk."""
    return Settings.model_validate(
        {
            "dicom": {"ports": [0]},
            "web": {"port": 0},
            "storage": {"reserve_percent": 0, "reserve_mib": 1},
            "database": {"url": database_url},
        }
    )


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty data folder with its tables made, to be copied."""
    folder = tmp_path_factory.mktemp("blank") / "data"
    open_store(folder, settings=Settings()).close()
    return folder


@pytest.fixture
def store(tmp_path: Path, settings: Settings, request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty data folder, opened."""
    if not settings.database.url:
        shutil.copytree(request.getfixturevalue("blank"), tmp_path / "data")
    store = open_store(tmp_path / "data", settings=settings)
    yield store
    store.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium: one for all rooms, for Playwright refuses a second one in the same thread."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """What parts of the appliance are forked from."""
    process = Zygote()
    yield process
    process.stop()


@pytest.fixture
def clerk() -> Actor:
    return Actor(name="clerk", kind="user", address="127.0.0.1")
