"""Spoilt associations against the real DICOM process: it neither falls, nor hangs, nor leaks, nor babbles."""

from __future__ import annotations

import os
import time

import pytest

from appliance.calm import AGAINST_ONE
from tests.faults.instances import strays
from tests.faults.plant import Plant
from tests.fuzz.driver import Health, echo, run_cases, settled
from tests.fuzz.recording import record_all

CASES = int(os.environ.get("FUZZ_CASES", "800"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
WARM_UP = 400
GROWTH = 32 << 20
THREADS = 4
FILES = 18
"""Connections of the database, three files each, that the warm-up may not have called for."""


@pytest.mark.timeout(24 * 3600)
def test_the_dicom_process_survives_spoilt_associations(works: Plant) -> None:
    door = works.start("dicom")
    recorded = record_all(works.port, works.root)
    began = time.monotonic()
    run_cases(works.port, recorded, SEED, range(WARM_UP))
    echo(works.port)
    base = settled(door.pid, Health.of(door.pid), 2)
    findings = run_cases(works.port, recorded, SEED, range(WARM_UP, CASES))
    seconds = time.monotonic() - began
    assert not door.ended(), f"it ended with {door.code}: {works.logged()[-3:]}"
    took = echo(works.port)
    now = settled(door.pid, base)
    lines = len(works.logged())
    faults = sum(line.get("level") in ("warning", "error") for line in works.logged())
    print(
        f"{CASES} cases in {seconds:.0f} s, {findings.answered} accepted, {lines} lines ({faults}), echo {took:.3f} s",
        base,
        now,
    )
    assert findings.hangs == []
    assert works.tracebacks() == []
    assert now.threads <= base.threads + THREADS
    assert now.files <= base.files + FILES
    assert now.resident - base.resident < GROWTH
    assert findings.answered > findings.cases // 4, "hardly a case came past the request: the fuzzer is blunt"
    assert lines < 250 + 2 * seconds, "one peer floods the log"
    assert faults <= seconds + AGAINST_ONE[0] + 5, "a line a second is enough of what a bad peer does"
    assert works.send_film("lpd") == "acknowledged", "another printer: what was printed here may have filled its queue"
    works.stop()
    assert list((works.data / "spool").iterdir()) == []
    assert strays(works) == []
