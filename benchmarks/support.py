"""What benchmarks share: paired medians, memory, a folder to work in."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def medians(*sides: Callable[[], float], runs: int = 5) -> list[float]:
    """Seconds of each side, run in turn `runs` times after one warm-up; medians."""
    for side in sides:
        side()
    times = [[side() for side in sides] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def timed(deed: Callable[[], object]) -> float:
    start = time.perf_counter()
    deed()
    return time.perf_counter() - start


def resident(pid: int, field: str = "VmRSS") -> int:
    """Bytes of memory a process holds (VmRSS) or held at most (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder on a real disk for the time of a benchmark."""
    with tempfile.TemporaryDirectory(prefix="appliance-bench-") as folder:
        yield Path(folder)
