"""The long run in pieces: which cases a run takes, and what became of all that were ever taken.

FAULT_TALLY names a file with a line a case: its name, how it ended, seconds, when, of which version. A run leaves out
what passed already, so that one that was broken off goes on. FAULT_SHARE=k/n takes every n-th of the rest, from the
k-th. FAULT_SECONDS takes as many as should fit, chosen by FAULT_SEED among those tried least often.
``python -m tests.faults.tally [FILE]`` counts.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

DEFAULT = Path("build/faults.jsonl")
GUESS_SECONDS = 10.0
"""Of a case nobody has taken yet."""
_NAME = re.compile(r"(?P<file>[^:]+)::(?P<test>\w+)(\[(?P<case>.*)\])?$")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One case that was taken."""

    case: str  # pytest's name of it
    passed: bool
    seconds: float
    at: str
    version: str
    settled: float | None = None  # seconds until another machine had settled all
    why: str = ""  # the end of what pytest says of a failure


def read(path: Path) -> list[Line]:
    """All lines; one that was cut short is left out."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [Line(**json.loads(line)) for line in lines if line.endswith("}")]


def note(path: Path, case: str, *, passed: bool, seconds: float, **more: object) -> None:
    """Add a line, whole: several processes write to one file."""
    values = {"case": case, "passed": passed, "seconds": round(seconds, 2), "at": f"{datetime.now(UTC):%Y-%m-%d}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(values | {"version": version()} | more) + "\n").encode())
    finally:
        os.close(descriptor)


@cache
def version() -> str:
    """The commit that is tried."""
    line = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def point_of(case: str) -> tuple[str, str]:
    """(test, point) of a case's name: without its device and number."""
    found = _NAME.match(case)
    if found is None:
        return case, ""
    return found["test"], (found["case"] or "").split("-", 1)[0]


def chosen(cases: Sequence[str], lines: Iterable[Line], environment: dict[str, str], workers: int) -> list[str]:
    """Those of `cases` a run takes, in its order. Raises ValueError for a FAULT_SHARE that is none."""
    lines = list(lines)
    passed = {line.case for line in lines if line.passed}
    left = [case for case in cases if case not in passed]
    if share := environment.get("FAULT_SHARE"):
        left = left[_place(share) :: int(share.partition("/")[2])]
    seconds = float(environment.get("FAULT_SECONDS") or 0)
    return _fitting(left, lines, seconds * workers, environment.get("FAULT_SEED", "")) if seconds else left


def _place(share: str) -> int:
    found = re.fullmatch(r"(\d+)/(\d+)", share)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"FAULT_SHARE={share} is no share: 2/3 is the second third")
    return int(found[1]) - 1


def _fitting(cases: Sequence[str], lines: Sequence[Line], seconds: float, seed: str) -> list[str]:
    """By chance as many as `seconds` take, of the points tried least often so far; one at least."""
    tried = Counter(point_of(line.case) for line in lines)
    took: dict[tuple[str, str], float] = {point_of(line.case): line.seconds for line in lines}
    by_test: dict[str, float] = {point_of(line.case)[0]: line.seconds for line in lines}
    waiting = list(cases)
    random.Random(seed).shuffle(waiting)
    order: list[tuple[int, str]] = []
    for case in waiting:
        tried[point_of(case)] += 1
        order.append((tried[point_of(case)], case))
    found: list[str] = []
    for _, case in sorted(order, key=lambda each: each[0]):
        point = point_of(case)
        seconds -= took.get(point, by_test.get(point[0], GUESS_SECONDS))
        if seconds < 0 and found:
            break
        found.append(case)
    return found


def table(lines: Iterable[Line]) -> str:
    """What was tried, by test and point, as Markdown."""
    by_point: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in lines:
        by_point[point_of(line.case)].append(line)
    rows = [
        "| test | point | passed | failed | seconds each | settled after | from | to |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (test, point), of_point in sorted(by_point.items()):
        good = sum(line.passed for line in of_point)
        each = sum(line.seconds for line in of_point) / len(of_point)
        days = sorted(line.at for line in of_point)
        most = max((line.settled for line in of_point if line.settled is not None), default=None)
        settled = "" if most is None else f"{most:.0f} s at most"
        counts = f"{good} | {len(of_point) - good} | {each:.1f} | {settled}"
        rows.append(f"| {test} | {point} | {counts} | {days[0]} | {days[-1]} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table(read(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)))
