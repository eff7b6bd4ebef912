"""The real appliance as processes, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]


def wait_for_port(port: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def running(data: Path, port: int, parts: Sequence[str], **environment: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Parts of the appliance on a data folder."""
    settings = {
        **os.environ,
        "APPLIANCE_DICOM_PORT": str(port),
        "APPLIANCE_WEB_PORT": str(free_port()),
        "APPLIANCE_LOG_LEVEL": "ERROR",
        "APPLIANCE_STORAGE_RESERVE_PERCENT": "0",
        **environment,
    }
    command = [sys.executable, "-m", "appliance", "serve", "--data", str(data), "--only"]
    processes = [subprocess.Popen([*command, part], env=settings, cwd=ROOT) for part in parts]
    try:
        if "dicom" in parts:
            wait_for_port(port)
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)


def column(data: Path, sql: str) -> list[Any]:
    """The first column of a query of an appliance's database: a thousandth of what a command costs, for polling."""
    with contextlib.closing(sqlite3.connect(data / "appliance.db", timeout=10)) as connection:
        return [row[0] for row in connection.execute(sql)]


def command(data: Path, *arguments: str) -> Any:
    """What ``appliance ARGUMENTS --json`` prints. Raises CalledProcessError."""
    line = [sys.executable, "-m", "appliance", *arguments, "--data", str(data), "--json"]
    result = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)
