"""Taking films by association: against dcmprscp, under load, and what it costs in memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from appliance.config import Settings
from appliance.events import process_actor
from appliance.printing.printer_verbs import add_printer
from appliance.printing.printers import Printer, PrinterSettings
from appliance.store.store import open_store
from benchmarks.support import medians, resident, timed, workplace
from tests.support.dcmtk_print import DcmtkPrint, secondary_capture
from tests.support.ports import free_port
from tests.support.service import running

SIDE = 5440
BENCH = process_actor("benchmark")


def run() -> list[dict[str, Any]]:
    with workplace() as folder:
        port = free_port()
        data = folder / "data"
        _prepare(data)
        dcmtk = DcmtkPrint(folder, port)
        image = np.random.default_rng(1).integers(0, 4096, (SIDE, SIDE), dtype=np.uint16)
        film = dcmtk.stored_print(secondary_capture(folder / "film.dcm", image, 12))
        with running(data, port, ["dicom"]) as (service,), dcmtk.scp():
            return [_against_dcmprscp(dcmtk, film, folder), _memory(dcmtk, film, service.pid)]


def _prepare(data: Path) -> None:
    store = open_store(data, settings=Settings())
    settings = PrinterSettings(maximum_jobs=100000, duplicates="print")
    add_printer(
        store,
        Printer(name="film", device_uri=f"folder:{data}/printed", ae_titles=("APPLIANCE",), settings=settings),
        BENCH,
    )
    store.close()


def _against_dcmprscp(dcmtk: DcmtkPrint, film: Path, folder: Path) -> dict[str, Any]:
    """59 MB, durable, against dcmprscp which does not fsync, plus one fsync of the same bytes."""
    size = SIDE * SIDE * 2
    ours, theirs, sync = medians(
        lambda: dcmtk.send("OURS", film), lambda: dcmtk.send("THEIRS", film), lambda: _fsync(folder / "bytes", size)
    )
    return {
        "name": "a 59 MB film by association, to the answer to N-ACTION",
        "ours_s": ours,
        "dcmprscp_s": theirs,
        "fsync_s": sync,
        "ratio": ours / (1.25 * theirs + sync),
        "goal": "1 (= 1.25 x dcmprscp + one fsync)",
        "peer": "dcmprscu sends to both; dcmprscp keeps nothing durable",
    }


def _fsync(path: Path, size: int) -> float:
    data = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(data)
        file.flush()
        seconds = timed(lambda: os.fsync(file.fileno()))
    path.unlink()
    return seconds


def _memory(dcmtk: DcmtkPrint, film: Path, pid: int) -> dict[str, Any]:
    """Peak memory of the service while it takes one film, above idle, against the data set; then eight at once."""
    idle = resident(pid)
    one = _peak_while(pid, lambda: dcmtk.send("OURS", film)) - idle
    threads = lambda: [threading.Thread(target=dcmtk.send, args=("OURS", film)) for _ in range(8)]  # noqa: E731
    eight = _peak_while(pid, lambda: _all(threads())) - idle
    size = SIDE * SIDE * 2
    return {
        "name": "peak memory of the service above idle, taking one 59 MB film",
        "ours_mb": one / 1e6,
        "eight_at_once_mb": eight / 1e6,
        "ratio": one / size,
        "goal": "1.2 data sets",
        "peer": "stock decoding takes 2.9",
    }


def _all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _peak_while(pid: int, deed: Any) -> int:
    """The highest resident memory seen, sampled every 2 ms."""
    peaks, over = [0], threading.Event()

    def watch() -> None:
        while not over.is_set():
            peaks[0] = max(peaks[0], resident(pid))
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    deed()
    over.set()
    watcher.join()
    return peaks[0]
