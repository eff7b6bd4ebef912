"""PostgreSQL against SQLite in the same run: what several machines on one database cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from appliance.config import Settings
from appliance.store.store import open_store
from benchmarks import scanner
from benchmarks.film_queue import FILMS, filled, printed_in
from benchmarks.support import timed, workplace
from tests.support import postgres
from tests.support.ports import free_port
from tests.support.service import running

PAIRS = 3
WRITERS, WRITES = 2, 200

WRITE = """
import sys
from pathlib import Path
from appliance.config import Settings
from appliance.events import process_actor
from appliance.security.audit import record
from appliance.store.database import next_number
from appliance.store.store import open_store
store = open_store(Path(sys.argv[1]), settings=Settings.model_validate({"database": {"url": sys.argv[2]}}))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    with store.database.write("print") as connection:
        next_number(connection, "bench")
        record(connection, "benchmark", process_actor("benchmark"))
"""


def run() -> list[dict[str, Any]]:
    with workplace() as folder, postgres.server(fsync=True) as server:
        return [_writes(folder, server), _stores(folder, server), _films(folder, server)]


def _writes(folder: Path, server: postgres.Server) -> dict[str, Any]:
    """Audited transactions of four processes at once."""
    pairs = []
    for pair in range(PAIRS):
        ours = _write(folder / f"writes-{pair}-pg", server.url(server.database()))
        pairs.append((ours, _write(folder / f"writes-{pair}", "")))
    return _row(f"audited transactions of {WRITERS} processes", pairs)


def _write(data: Path, url: str) -> float:
    open_store(data, settings=_settings(url)).close()
    line = [sys.executable, "-c", WRITE, str(data), url, str(WRITES)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    writers = [subprocess.Popen(line, text=True, **pipes) for _ in range(WRITERS)]  # type: ignore[call-overload]
    for writer in writers:
        writer.stdout.readline()
    start = time.perf_counter()
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [writer.wait(300) for writer in writers] == [0] * WRITERS
    return WRITERS * WRITES / (time.perf_counter() - start)


def _stores(folder: Path, server: postgres.Server) -> dict[str, Any]:
    """C-STORE of images of 512 KB on one association."""
    (folder / "sent").mkdir()
    sent = [scanner.write_study(folder / "sent", number) for number in range(2)]
    pairs = []
    for pair in range(PAIRS):
        ours = _store(folder / f"stores-{pair}-pg", server.url(server.database()), sent)
        pairs.append((ours, _store(folder / f"stores-{pair}", "", sent)))
    return _row(f"C-STORE of {scanner.INSTANCES} x 512 KB, one association", pairs)


def _store(data: Path, url: str, sent: list[Path]) -> float:
    port = free_port()
    with running(data, port, ["dicom"], **_environment(url)):
        scanner.send(port, sent[0])
        return scanner.INSTANCES / timed(lambda: scanner.send(port, sent[1]))


def _films(folder: Path, server: postgres.Server) -> dict[str, Any]:
    """A queue of films for two printers, by two workers."""
    pairs = []
    for pair in range(PAIRS):
        ours = _work_off(folder / f"films-{pair}-pg", server.url(server.database()))
        pairs.append((ours, _work_off(folder / f"films-{pair}", "")))
    return _row(f"{FILMS} films of 14x17 in, two workers", pairs)


def _work_off(data: Path, url: str) -> float:
    store = filled(data, _settings(url))
    with running(data, free_port(), ["films", "films"], **_environment(url)):
        seconds = printed_in(store)
    store.close()
    return (FILMS - 1) / seconds


def _settings(url: str) -> Settings:
    return Settings.model_validate({"database": {"url": url}, "node": {"name": "bench"}})


def _environment(url: str) -> dict[str, str]:
    return {"APPLIANCE_DATABASE_URL": url, "APPLIANCE_NODE_NAME": "bench"} if url else {}


def _row(name: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "name": name,
        "postgresql a second": round(ours, 1),
        "sqlite a second": round(bare, 1),
        "ratio": statistics.median(first / second for first, second in pairs),
        "load": round(os.getloadavg()[0], 1),
    }
