"""The power goes at any moment: what was acknowledged is on the disk in every legal state, 10,000 and more.

Real films and instances are sent to the real DICOM process, its file operations are recorded, and every state a disk
may be in after each of them is worked out (tests.faults.power).
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.instances import send_until_kept
from tests.faults.plant import Plant, Zygote, plant
from tests.faults.power import Disk, after, is_whole

STATES = 10_000 if "FAULT_REPEATS" in os.environ else 2_000
Trace = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What was found in all states."""

    states: int
    lost: list[str]  # promised, and not whole in a state: the path and the operation after which the power went
    promised: int


def tally(trace: Trace, wanted: int, seed: int = 1) -> Tally:
    """Try the states after each operation, until the trace ends. A promise is made when a row is committed."""
    disk, chance = Disk(), random.Random(seed)
    promised: dict[str, list[str]] = {}
    states, lost, newest = 0, [], ""
    for place, (kind, path, other) in enumerate(trace):
        disk.do(kind, path, other)
        newest = other if kind == "rename" and ("/jobs/" in other or "/instances/" in other) else newest
        if kind == "failpoint" and path in ("submit.committed", "store.committed"):
            promised[newest] = sorted(disk.find(newest).now()) if disk.find(newest).is_folder else [""]
        for state in disk.states(chance):
            states += 1
            for top, names in promised.items():
                paths = [f"{top}/{name}".rstrip("/") for name in names]
                lost += [f"{one} after {place}" for one in paths if not is_whole(after(disk, one, state), state)]
    assert states >= wanted, f"only {states} states"
    return Tally(states=states, lost=lost, promised=len(promised))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, template: Path) -> Trace:
    """Films and instances, one after the other, as the DICOM process wrote them."""
    with plant(tmp_path_factory.mktemp("power"), zygote, template) as works:
        return recorded(works, rounds=5 if STATES >= 10_000 else 1)


def recorded(works: Plant, rounds: int) -> Trace:
    works.start("dicom", recorded=True)
    for number in range(rounds):
        assert works.send_film("folder") == "acknowledged"
        told = send_until_kept(works, [10 * number + 1, 10 * number + 2])
        assert set(told.values()) == {"acknowledged"}
    works.stop()
    return works.trace()


def test_no_legal_state_of_the_disk_lacks_what_was_acknowledged(trace: Trace) -> None:
    found = tally(trace, STATES)
    print(f"{found.states} states, {found.promised} promises, {len(found.lost)} lost")
    assert found.promised >= 3
    assert found.lost == []


@pytest.mark.parametrize("kind", ["sync", "sync-folder"])
def test_the_enumeration_finds_the_loss_when_syncs_are_left_out(trace: Trace, kind: str) -> None:
    assert tally([line for line in trace if line[0] != kind], 0).lost


def test_a_promise_made_before_the_folder_is_synced_is_found_out(trace: Trace) -> None:
    jobs = next(place for place, line in enumerate(trace) if line[0] == "sync-folder" and line[1].endswith("/jobs"))
    committed = next(place for place, line in enumerate(trace) if line[1] == "submit.committed")
    early = [*trace[:jobs], trace[committed], *trace[jobs:committed], *trace[committed + 1 :]]
    assert tally(early, 0).lost
