"""What small data that becomes large costs: memory, the decoder's life, the next job (issue 5, section 6).

Each bomb comes by C-STORE, and a disc of it is ordered, which decodes it; archives are imported. All real processes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from appliance.media.burners import add_first_burner
from appliance.studies.part10 import read_file_meta
from benchmarks.crowd import c_store
from benchmarks.support import resident, timed, workplace
from tests.media import made
from tests.media.disc_helpers import opened
from tests.media.test_bombs import deep, deflated, giant_codestream, many_items, run_lengths
from tests.network.raw import RawPeer, presentation_context
from tests.support.ports import free_port
from tests.support.service import column, command, running

BOMBS = (deflated, run_lengths, giant_codestream, deep, many_items)
MOST = 512.0
LATER = 1.0


def run() -> list[dict[str, Any]]:
    with workplace() as root:
        data, port = root / "data", free_port()
        store = opened(data)
        add_first_burner(store)
        store.close()
        with running(data, port, ["dicom", "discs"]) as (dicom, discs):
            pids = {"DICOM part": dicom.pid, "discs": discs.pid}
            good = made.image(1, StudyInstanceUID=f"{made.ROOT}.100")
            _stored(port, good)
            idle = statistics.median(_disc(data, good) for _ in range(3))
            rows = [row for bomb in BOMBS for row in _bomb(data, port, discs.pid, bomb, good, idle)]
            rows += [
                {"name": f"memory of the {name}, at most", "memory_mib": _mib(pid), "goal": MOST}
                for name, pid in pids.items()
            ]
        return [*rows, *_archives(data, root)]


def _bomb(
    data: Path, port: int, pid: int, bomb: Callable[[], Dataset], good: Dataset, idle: float
) -> Iterator[dict[str, Any]]:
    dataset, name = bomb(), bomb.__name__
    dataset.StudyInstanceUID = f"{made.ROOT}.{200 + BOMBS.index(bomb)}"
    answered = _stored(port, dataset)
    with _children(pid) as peaks:
        took = _disc(data, dataset, good)
        began = time.perf_counter()
        while _children_of(pid):
            time.sleep(0.02)
        dead = time.perf_counter() - began
    yield {"name": f"{name}: a disc with it", "ours_s": took, "store_s": answered, "goal": 60.0}
    yield {"name": f"{name}: its child", "memory_mib": max(peaks.values(), default=0.0), "dead_after_s": dead}
    yield {"name": f"{name}: the next disc, later than idle", "ours_s": _disc(data, good) - idle, "goal": LATER}


def _stored(port: int, dataset: Dataset) -> float:
    """Seconds to the answer."""
    meta = getattr(dataset, "file_meta", None)
    syntax = meta.TransferSyntaxUID if meta else ExplicitVRLittleEndian
    content = made.as_file(dataset, syntax)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        offset = read_file_meta(Path(file.name)).data_set_offset
    with RawPeer(port, timeout=120) as modality:
        modality.associate(presentation_context(1, dataset.SOPClassUID.encode(), syntax.encode()))
        began = time.perf_counter()
        modality.send(c_store(dataset.SOPClassUID, dataset.SOPInstanceUID, 1, content[offset:]))
        modality.pdu()
        return time.perf_counter() - began


def _disc(data: Path, *datasets: Dataset) -> float:
    """Seconds from an order of these studies to its end."""
    studies = [word for each in datasets for word in ("--study", each.StudyInstanceUID)]
    order = command(data, "disc", "create", *studies, "--leave-out-refused", "--copy-type", "anonymous")
    began = time.perf_counter()
    status = f"SELECT execution_status FROM disc WHERE disc_id = {order['disc_id']}"
    while column(data, status) not in (["DONE"], ["FAILURE"]):
        time.sleep(0.02)
    took = time.perf_counter() - began
    assert column(data, status) == ["DONE"], command(data, "disc", "show", str(order["disc_id"]))
    return took


@contextmanager
def _children(pid: int) -> Iterator[dict[int, float]]:
    """MiB each child of a process held at most."""
    peaks: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            peaks.update({child: max(peaks.get(child, 0.0), _mib(child)) for child in _children_of(pid)})

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield peaks
    finally:
        over.set()
        watch.join()


def _children_of(pid: int) -> list[int]:
    """All below it."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text("ascii").split()]
        except OSError:
            continue
    return found + [grandchild for child in found for grandchild in _children_of(child)]


def _mib(pid: int) -> float:
    try:
        return resident(pid, "VmHWM") / (1 << 20)
    except OSError:
        return 0.0


def _archives(data: Path, root: Path) -> Iterator[dict[str, Any]]:
    """A member that grows ten thousand times, and a hundred thousand empty ones."""
    good = made.as_file(made.image(2, StudyInstanceUID=f"{made.ROOT}.101"))
    grown, many = root / "grown.zip", root / "many.zip"
    with zipfile.ZipFile(grown, "w", zipfile.ZIP_BZIP2) as archive:
        with archive.open("bomb", "w") as member:
            member.write(good)
            for _ in range(1 << 10):
                member.write(bytes(1 << 20))
        archive.writestr("good", good)
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(100_000):
            archive.writestr(f"{number}", b"")
    for path in (grown, many):
        line = [sys.executable, "-m", "appliance", "study", "import", str(path), "--data", str(data)]
        with _children(os.getpid()) as peaks:
            took = timed(partial(subprocess.run, line, capture_output=True, check=False))
        yield {"name": f"{path.stem}.zip imported", "ours_s": took, "memory_mib": max(peaks.values()), "goal": MOST}
