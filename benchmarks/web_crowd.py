"""The page and the associations among a crowd: open pages that poll, connections that are slow or idle."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import scanner
from tests.support.ports import free_port
from tests.support.service import running, wait_for_port

PAGES = 50
SLOW = IDLE = 100
POLL_SECONDS = 3.0
ROUNDS = 7
INSTANCES = 200

POLLING = """
import http.client, sys, threading, time
port, secret, path, pages, seconds = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
def page(number):
    time.sleep(number * seconds / pages)
    seen = ""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Authorization": "Bearer " + secret, "If-None-Match": seen}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        seen = answer.headers.get("ETag", seen)
        connection.close()
        time.sleep(seconds)
for number in range(pages):
    threading.Thread(target=page, args=(number,), daemon=True).start()
print("polling", flush=True)
sys.stdin.read()
"""


def rows(data: Path, secret: str) -> list[dict[str, Any]]:
    """Associations beside open pages; pages beside slow and idle connections. The service runs on `data`."""
    port, web = free_port(), free_port()
    source = data.parent / "instances"
    source.mkdir()
    pixels = os.urandom(scanner.SIDE * scanner.SIDE * 2)
    for number in range(1, INSTANCES + 1):
        (source / f"{number:04}.dcm").write_bytes(scanner.ct_file(90_000, number, pixels))
    with running(data, port, ["dicom", "web"], APPLIANCE_WEB_PORT=str(web)):
        wait_for_port(web)
        return [
            _associations(port, web, secret, source, "/print-jobs/live", "print jobs"),
            _associations(port, web, secret, source, "/studies/live", "studies, which change all the while"),
            *_pages(web, secret),
        ]


def _associations(port: int, web: int, secret: str, source: Path, path: str, shown: str) -> dict[str, Any]:
    """Seconds of 200 C-STOREs with 50 open pages, against the same without; in turn, medians."""
    alone, beside = [], []
    _stores(port, source)
    for _ in range(ROUNDS):
        alone.append(_stores(port, source))
        with polling(web, secret, path):
            beside.append(_stores(port, source))
    ours, bare = statistics.median(beside), statistics.median(alone)
    name = f"200 C-STOREs of 512 KB beside {PAGES} open pages: {shown}"
    return {"name": name, "ours_s": ours, "bare_s": bare, "ratio": ours / bare, "goal": "at most 1.1"}


def _stores(port: int, source: Path) -> float:
    command = ["storescu", "+sd", "-aec", "APPLIANCE", "127.0.0.1", str(port), str(source)]
    began = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "TCP_NODELAY": "1"}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


@contextlib.contextmanager
def polling(web: int, secret: str, path: str) -> Iterator[None]:
    """As many browsers as there are open pages, in a process of their own."""
    command = [sys.executable, "-c", POLLING, str(web), secret, path, str(PAGES), str(POLL_SECONDS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(POLL_SECONDS)  # every page has asked once
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _pages(web: int, secret: str) -> list[dict[str, Any]]:
    bare = _p95(web, secret)
    with crowd(web, SLOW, "slow"), crowd(web, IDLE, "idle"):
        among = _p95(web, secret)
    name = f"the overview among {SLOW} slow and {IDLE} idle connections, over the line"
    return [{"name": name, "p95_ms": among, "bare_ms": bare, "goal": "under 200"}]


def _p95(web: int, secret: str) -> float:
    return round(float(np.percentile([_ask(web, secret) for _ in range(60)], 95)) * 1000, 1)


def _ask(web: int, secret: str) -> float:
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", web, timeout=30)
    connection.request("GET", "/", headers={"Authorization": f"Bearer {secret}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 200, answer.status
    return time.perf_counter() - began


@contextlib.contextmanager
def crowd(web: int, number: int, kind: str) -> Iterator[None]:
    """Connections that say nothing, or send their request a byte in half a second; opened again when thrown out."""
    over = threading.Event()
    thread = threading.Thread(target=_keep, args=(web, number, kind, over), daemon=True)
    thread.start()
    time.sleep(1.0)
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep(web: int, number: int, kind: str, over: threading.Event) -> None:
    request = b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 400
    sockets: list[tuple[socket.socket, int]] = []
    while not over.wait(0.5):
        while len(sockets) < number:
            sockets.append((socket.create_connection(("127.0.0.1", web)), 0))
        sockets = [(each, at + 1) for each, at in sockets if _is_open(each, request[at : at + 1], kind)]
    for each, _ in sockets:
        each.close()


def _is_open(connection: socket.socket, byte: bytes, kind: str) -> bool:
    """Send a byte when the connection is a slow one; False when it was closed on us."""
    with contextlib.suppress(BlockingIOError):
        try:
            if kind == "slow":
                connection.sendall(byte)
            connection.setblocking(False)
            closed = connection.recv(4096) == b""
            connection.setblocking(True)
            return not closed
        except BlockingIOError:
            connection.setblocking(True)
        except OSError:
            return False
    return True
