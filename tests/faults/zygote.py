"""Parts of the appliance, started quickly: one process with everything imported, and a fork of it for each part.

A fork runs ``run_part`` as ``appliance serve --only PART`` does, with the fault and the settings it was told. Orders
come as JSON lines on standard input, answers go to standard output.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError

IMPORTS = (
    "appliance.dicom.server",
    "appliance.dicom.storage_scp",
    "appliance.printing.worker",
    "appliance.printing.first_run",
    "appliance.printing.recovery",
    "appliance.media.worker",
    "appliance.web.serve",
    "appliance.upkeep.keeper",
    "cv2",
)

CLONE_NEWNET = 0x40000000


def main() -> None:
    for name in IMPORTS:
        __import__(name)
    gc.collect()
    gc.freeze()  # a fork that collects would copy all that was imported
    answer({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        answer({"pid": start(order)} if "part" in order else {"code": code_of(order["poll"])})


def answer(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


def start(order: dict[str, Any]) -> int:
    """Fork a part; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        become(order)
    except ApplianceError as error:  # as the command line does
        print(json.dumps({"from": "the command", "says": f"appliance: {error}"}), file=sys.stderr, flush=True)
        os._exit(error.exit_code)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def become(order: dict[str, Any]) -> None:
    from appliance.run import run_part
    from appliance.store import files, server_locks

    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open("/dev/null", os.O_RDWR)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(order["environment"])
    for name, limit in order.get("limits", {}).items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    if order.get("cut_off"):
        assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0, "a network of its own needs root"
    if order.get("clock"):
        shift_clock(order["clock"])
    for name, seconds in order.get("spans", {}).items():
        setattr(server_locks, name, seconds)
    files.set_fault(order.get("fault", ""))
    if order.get("recorded"):
        files.record_with(recorder(order["log"]))
    run_part(order["part"], Path(order["data"]), None)


def recorder(log: str) -> Callable[[str, str, str], None]:
    """Write down every operation before it is done: the harness sees which one broke, and whether it was reached."""
    descriptor = os.open(Path(log).with_suffix(".operations"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return lambda kind, path, other: void(os.write(descriptor, f"{kind} {path} {other}\n".encode()))


def void(_: object) -> None:
    """For the types."""


def shift_clock(steps: list[list[float]]) -> None:
    """Let the wall clock jump: [seconds after start, shift] each. The monotonic clock goes on as it does."""
    began, real = time.monotonic(), time.time

    def shifted() -> float:
        gone = time.monotonic() - began
        return real() + next((shift for after, shift in reversed(steps) if gone >= after), 0.0)

    time.time = shifted


def code_of(pid: int) -> int | None:
    """Its exit code (a signal: minus its number), None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


if __name__ == "__main__":
    main()
