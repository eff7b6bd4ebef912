"""One process to fork from and one migrated data folder, for all tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.plant import Plant, Zygote, make_template, plant


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    process = Zygote()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template") / "data")


@pytest.fixture
def works(tmp_path: Path, zygote: Zygote, template: Path) -> Iterator[Plant]:
    with plant(tmp_path, zygote, template) as made:
        yield made
