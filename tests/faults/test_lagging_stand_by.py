"""A stand-by that lagged is promoted: what was printed and then forgotten is held, by the order of docs/scaling.md."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.nodes import NODES, Nodes
from tests.faults.plant import DEVICES, Zygote
from tests.support import postgres
from tests.support.postgres import Server


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with postgres.server_and_stand_by() as made:
        yield made


@pytest.fixture
def pair(tmp_path: Path, zygote: Zygote, servers: tuple[Server, Server]) -> Iterator[Nodes]:
    first, second = servers
    url = f"postgresql://appliance@127.0.0.1:{first.port},127.0.0.1:{second.port}/{first.database()}"
    made = Nodes(tmp_path, zygote, first, url)
    try:
        yield made
    finally:
        made.close()


def test_nothing_comes_out_twice_after_a_fail_over_to_a_server_that_lagged(
    pair: Nodes, servers: tuple[Server, Server]
) -> None:
    """Films printed since the stand-by fell behind are taken for waiting by it; others it never heard of."""
    first, second = servers
    east, west = NODES
    pair.start_on(east, "dicom")
    sent = [pair.send_to(east, device) for device in DEVICES]
    postgres.wait_until_follows(second, first)
    second.set("primary_conninfo", "''")
    pair.start_on(west, "films")
    sent += [pair.send_to(east, device) for device in DEVICES]
    pair.settled(60)
    assert set(sent) == {"acknowledged"}
    assert len(pair.printed()) == len(sent)
    for part in pair.parts:
        part.stop(signal.SIGKILL)
    first.stop("immediate")
    second.promote()
    first.start()  # and is written to by nobody
    pair.server = second
    hold_as_of(pair, dt.datetime.now(dt.UTC))
    pair.start_on(west, "dicom")
    pair.start_on(east, "films")
    assert {pair.send_to(west, device) for device in DEVICES} == {"acknowledged"}
    pair.settled(60)
    assert pair.verdict().balanced, pair.evidence()
    states = list(pair.jobs().values())
    assert [states.count(state) for state in ("held", "completed")] == [len(DEVICES)] * 2
    assert pair.tracebacks() == []


def hold_as_of(pair: Nodes, moment: dt.datetime) -> None:
    """The command, as an administrator gives it on one of the machines."""
    line = [sys.executable, "-m", "appliance", "restore", "--data", str(pair.data), "--as-of", f"{moment:%F %T}"]
    environment = {**os.environ, "APPLIANCE_DATABASE_URL": pair.url, "APPLIANCE_NODE_NAME": NODES[0]}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
