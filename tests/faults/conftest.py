"""One process to fork from and one migrated data folder, for all tests of this room."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.faults import tally
from tests.faults.plant import Plant, Zygote, make_template, plant

TALLY = os.environ.get("FAULT_TALLY", "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a long run only what is due (tests.faults.tally). Each of xdist's processes finds the same."""
    if not TALLY:
        return
    ours = {item.nodeid: item for item in items if Path(__file__).parent in item.path.parents}
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    due = tally.chosen(list(ours), tally.read(Path(TALLY)), dict(os.environ), workers)
    left = [item for name, item in ours.items() if name not in set(due)]
    items[:] = [item for item in items if item.nodeid not in ours] + [ours[name] for name in due]
    config.hook.pytest_deselected(items=left)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what became of each case of a long run."""
    report = yield
    if TALLY and (report.when == "call" or report.failed) and not report.skipped:
        more = dict(item.user_properties) | ({"why": report.longreprtext[-3000:]} if report.failed else {})
        tally.note(Path(TALLY), item.nodeid, passed=report.passed, seconds=report.duration, **more)
    return report


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template") / "data")


@pytest.fixture
def works(tmp_path: Path, zygote: Zygote, template: Path) -> Iterator[Plant]:
    with plant(tmp_path, zygote, template) as made:
        yield made
