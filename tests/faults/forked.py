"""Work of a command that dies in a process of its own, at every operation and at every named step."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

from appliance.store import files

STEP = 1 if "FAULT_REPEATS" in os.environ else 6
"""Every operation in the long run; in the short one every sixth, and all named steps."""
MOST = 400


def killed(work: Callable[[], object], fault: str) -> bool:
    """Do `work` in a process that dies at `fault`, a failpoint or an operation's number; whether it came so far."""
    child = os.fork()
    if not child:
        code = 1
        try:
            files.set_fault(f"{fault}:kill")
            work()
            code = 0
        finally:
            os._exit(code)
    found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert found in (0, -9), f"it broke by itself at {fault}"
    return found == -9


def kills(
    work: Callable[[], object], points: tuple[str, ...], before_each: Callable[[], object], step: int = STEP
) -> Iterator[str]:
    """Kill `work` at each of `points`, then at operation 1, 2, 3 … until it comes through; yields after each kill."""
    for point in points:
        before_each()
        assert killed(work, point), f"{point} was not met"
        yield point
    for number in itertools.count(1, step):
        assert number < MOST, f"{MOST} operations and no end"
        before_each()
        if not killed(work, str(number)):
            return
        yield str(number)
