"""DCMTK's dcmqrscp as an archive: real C-FIND, C-MOVE and C-GET."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.ports import free_port

ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "it ended before it listened"
        time.sleep(0.025)
    raise AssertionError(f"nothing listens on port {port}")


@contextmanager
def archive(folder: Path, move_to: int, *options: str) -> Iterator[int]:
    """A dcmqrscp called PACS that knows APPLIANCE at port `move_to`; its port."""
    with archive_process(folder, move_to, *options) as (port, _):
        yield port


@contextmanager
def archive_process(folder: Path, move_to: int, *options: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The same with its process, which leads a group (one process an association) that a test may stop or kill."""
    port = free_port()
    (folder / "kept").mkdir(parents=True)
    (folder / "dcmqrscp.cfg").write_text(
        f"""NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
appliance = (APPLIANCE, 127.0.0.1, {move_to})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
PACS {folder / "kept"} RW (200, 1024mb) ANY
AETable END
"""
    )
    command = ["dcmqrscp", "-c", str(folder / "dcmqrscp.cfg"), *options, str(port)]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for_port(port, process)
        yield port, process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def send(port: int, called: str, *paths: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """storescu: files or folders to an application."""
    command = ["storescu", "-v", "-aec", called, *options, "127.0.0.1", str(port), "+sd", "+r", *map(str, paths)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
