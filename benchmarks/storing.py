"""C-STORE beside DCMTK's storescp, which does less, and beside pynetdicom, which is made to do the same."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

from benchmarks.scanner import ENVIRONMENT, INSTANCES, appliance_command, ct_file, listening, send, write_study
from benchmarks.support import resident, timed
from tests.support.ports import free_port

ROUNDS = 5
LARGE = 2 << 30


def intake(folder: Path) -> list[dict[str, Any]]:
    """One association and several; then memory during a large instance."""
    ours, theirs, plain = free_port(), free_port(), free_port()
    kept = [folder / name for name in ("storescp", "plain")]
    for each in kept:
        each.mkdir()
    command, environment = appliance_command(folder / "data", ours)
    with ExitStack() as stack:
        process = stack.enter_context(listening(command, ours, environment))
        stack.enter_context(listening(["storescp", "--fork", "-od", str(kept[0]), str(theirs)], theirs, ENVIRONMENT))
        peer = [sys.executable, "-m", "benchmarks.plain_scp", str(kept[1]), str(plain)]
        stack.enter_context(listening(peer, plain, ENVIRONMENT))
        rows = one(folder, kept, {"ours": ours, "storescp": theirs, "plain": plain})
        rows += [several(folder, kept, count, {"ours": ours, "storescp": theirs}) for count in (2, 4)]
        return [*rows, memory(folder, ours, process.pid)]


def one(folder: Path, kept: list[Path], ports: dict[str, int]) -> list[dict[str, Any]]:
    """All by one association, in turn; the first round warms up."""
    seconds = paired(folder, kept, ports, lambda port, study: timed(lambda: send(port, study)))
    what = f"C-STORE of {INSTANCES} x 512 KB, one association, durable, hashed, indexed"
    return [
        row(what, "storescp (no fsync, hash, index)", seconds["ours"], seconds["storescp"], ">= 0.4, aim 0.8"),
        row(what, "pynetdicom doing the same", seconds["ours"], seconds["plain"], ">= 1.5"),
    ]


def several(folder: Path, kept: list[Path], count: int, ports: dict[str, int]) -> dict[str, Any]:
    """The same instances by `count` associations at once."""
    seconds = paired(folder, kept, ports, lambda port, study: timed(lambda: send_by(port, study, count)))
    what = f"the same by {count} associations at once"
    return row(what, "storescp --fork", seconds["ours"], seconds["storescp"], "none")


def paired(folder: Path, kept: list[Path], ports: dict[str, int], time: Callable[[int, Path], float]) -> dict[str, Any]:
    """Seconds of each side, in turn, without the first round; each begins with nothing left to be written by others."""
    seconds: dict[str, list[float]] = {name: [] for name in ports}
    for _ in range(ROUNDS + 1):
        study = write_study(folder, next(_studies))
        for name, port in ports.items():
            os.sync()
            seconds[name].append(time(port, study))
        shutil.rmtree(study)
        for path in (
            path for each in kept for path in each.glob("*") if path.suffix != ".db" and "index" not in path.name
        ):
            path.unlink()
        os.sync()
        sleep(REUSED_AFTER)
    return {name: times[1:] for name, times in seconds.items()}


REUSED_AFTER = 6.0
"""Seconds in which ext4 gives no inode of a removed file to a new one, and looks at each of them in vain."""
_studies = iter(range(1, 1000))


def send_by(port: int, study: Path, count: int) -> None:
    files = sorted(study.iterdir())
    command = ["storescu", "-aec", "APPLIANCE", "127.0.0.1", str(port)]
    senders = [
        subprocess.Popen([*command, *files[start::count]], env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        for start in range(count)
    ]
    assert [sender.wait(300) for sender in senders] == [0] * count


def row(name: str, peer: str, ours: list[float], theirs: list[float], goal: str) -> dict[str, Any]:
    return {
        "name": name,
        "peer": peer,
        "ours_a_second": INSTANCES / statistics.median(ours),
        "peer_a_second": INSTANCES / statistics.median(theirs),
        "speed_ratio": statistics.median(their / our for our, their in zip(ours, theirs, strict=True)),
        "goal": goal,
    }


def memory(folder: Path, port: int, pid: int) -> dict[str, Any]:
    """How much the service grows while an instance of 2 GB comes in."""
    path = folder / "large.dcm"
    frames = LARGE // (2048 * 2048 * 2)
    with path.open("wb") as file:
        file.write(ct_file(9999, 1, b"", 2048, 2048, frames))
        file.truncate(file.tell() + frames * 2048 * 2048 * 2)
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the highest mark begins anew
    before = resident(pid)
    seconds = timed(lambda: send(port, path))
    path.unlink()
    return {
        "name": "memory during an instance of 2 GB",
        "grew_mib": (resident(pid, "VmHWM") - before) / (1 << 20),
        "mib_a_second": LARGE / seconds / (1 << 20),
        "goal": "flat",
    }
