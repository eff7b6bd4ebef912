"""One burner of each scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.store import files
from tests.media.burner.harness import Harness

MakeHarness = Callable[..., Harness]


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[MakeHarness]:
    """Make a harness: (scheme, fault, options)."""
    made: list[Harness] = []

    def make(scheme: str, fault: str = "", **options: Any) -> Harness:
        made.append(Harness(scheme, tmp_path, fault, options))
        return made[-1]

    yield make
    files.set_fault("")
    for each in made:
        each.stop()
