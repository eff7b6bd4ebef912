"""kill -9 in a process forked from the test's own: it need not load everything again."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

from appliance.store import files


def killed_at(failpoint: str, deed: Callable[[], object]) -> None:
    """Let `deed` die at `failpoint` ("name", or "name:SKIP" to pass it so often before). It opens a store of its own.

    Raises AssertionError when the point was not met.
    """
    name, _, skip = failpoint.partition(":")

    def breaking() -> None:
        files.set_fault(f"{name}:kill:{skip or 0}")
        deed()

    killed(breaking, failpoint)


def killed(deed: Callable[[], object], where: str) -> None:
    """Run a deed that ends in kill -9. Raises AssertionError when it comes to its end."""
    child = os.fork()
    if not child:
        try:
            deed()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -9, f"{where} was not met"
