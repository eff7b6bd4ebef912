from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.store import files
from tests.printing.device.harness import Harness, MakeHarness
from tests.support.fault_imager import Judge, dcmprscp
from tests.support.ippeve import IppevePrinter, ippeve_printer, missing


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[MakeHarness]:
    """Makes a device and its printer by scheme and fault."""
    made: list[Harness] = []

    def make(scheme: str, fault: str = "", **options: Any) -> Harness:
        made.append(Harness(scheme, tmp_path, fault, options))
        return made[-1]

    yield make
    for one in made:
        one.stop()
    files.set_fault("")


@pytest.fixture(scope="session")
def ippeve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IppevePrinter]:
    """A real IPP printer with film in it."""
    if reason := missing():
        pytest.skip(reason)
    with ippeve_printer(tmp_path_factory.mktemp("ippeve")) as printer:
        yield printer


@pytest.fixture(scope="session")
def office_printer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IppevePrinter]:
    """A real IPP printer as it is in an office: Letter and A4, and it scales."""
    if reason := missing():
        pytest.skip(reason)
    with ippeve_printer(tmp_path_factory.mktemp("office"), films=False) as printer:
        yield printer


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """DCMTK's print SCP."""
    with dcmprscp(tmp_path_factory.mktemp("dcmprscp")) as running:
        yield running
