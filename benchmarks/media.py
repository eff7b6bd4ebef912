"""Discs: the directory and the whole image, against dcmmkdir, genisoimage and sha256sum on the same instances."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread

from appliance.media import build, plan, profiles
from appliance.media.dicomdir import DicomDir
from appliance.media.source import SourceInstance
from appliance.network.file_head import head_of_file
from appliance.studies import part10
from appliance.studies.elements import element
from appliance.studies.keys import InstanceKeys, instance_keys
from appliance.studies.records import DirectoryRecords, describe
from benchmarks.support import medians, timed, workplace

COUNT = int(os.environ.get("BENCH_INSTANCES", "2000"))
SMALL = int(os.environ.get("BENCH_SMALL_INSTANCES", "16000"))
MANY = int(os.environ.get("BENCH_RECORDS", "50000"))
ROOT = "1.2.826.0.1.3680043.10.999"
CT = "1.2.840.10008.5.1.4.1.1.2"

Row = tuple[str, bytes, str, int, int, str]
"""What an index keeps of one instance: keys as JSON, packed records, path, offset, size, SHA-256."""


def run() -> list[dict[str, Any]]:
    with workplace() as folder:
        rows = list(_laid_out(folder / "ct", COUNT, 512))
        found = [_directory(folder, rows), _image(folder, rows)]
        small = list(_laid_out(folder / "small", SMALL, 16))
        found += [_directory(folder, small, runs=1), _image(folder, small, runs=1), _linear()]
        return found


def _laid_out(root: Path, count: int, side: int) -> Iterator[Row]:
    """A made-up CT study in four series, as files named for dcmmkdir; what the index would keep of each."""
    noise = np.random.default_rng(1).integers(0, 4096, side * side + count, dtype=np.uint16)
    for number in range(count):
        path = root / "DICOM" / f"D{number // 1000:07d}" / f"I{number % 1000:07d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        yield _written(path, number, count, side, noise[number : number + side * side].tobytes())


def _written(path: Path, number: int, count: int, side: int, pixels: bytes) -> Row:
    head, header = _instance(number, count, side)
    data = header + element(0x7FE00010, "OW", pixels)
    path.write_bytes(head + data)
    return _kept(path, head, data)


def _kept(path: Path, head: bytes, data: bytes) -> Row:
    dataset = dcmread(BytesIO(head + data), stop_before_pixels=True)
    keys = instance_keys(dataset, part10.EXPLICIT_VR_LITTLE_ENDIAN)
    return (
        json.dumps(keys.to_json()),
        describe(dataset).pack(),
        str(path),
        len(head),
        len(data),
        hashlib.sha256(data).hexdigest(),
    )


def _instance(number: int, count: int, side: int) -> tuple[bytes, bytes]:
    """Head and elements before the pixels."""
    series = 1 + number * 4 // count
    uid = f"{ROOT}.1.{series}.{number + 1}"
    texts = [
        (0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x00080016, "UI", CT),
        (0x00080018, "UI", uid),
        (0x00080020, "DA", "20260102"),
        (0x00080030, "TM", "030405"),
        (0x00080050, "SH", "A1"),
        (0x00080060, "CS", "CT"),
        (0x00080070, "LO", "Nobody"),
        (0x00080080, "LO", "Made-up Hospital"),
        (0x00081030, "LO", "Chest"),
        (0x00100010, "PN", "DOE^JANE"),
        (0x00100020, "LO", "P-1"),
        (0x00100030, "DA", "19800229"),
        (0x00100040, "CS", "F"),
        (0x00180060, "DS", "120"),
        (0x0020000D, "UI", f"{ROOT}.1"),
        (0x0020000E, "UI", f"{ROOT}.1.{series}"),
        (0x00200010, "SH", "S1"),
        (0x00200011, "IS", str(series)),
        (0x00200013, "IS", str(number + 1)),
        (0x00200032, "DS", f"0\\0\\{number}"),
        (0x00200037, "DS", "1\\0\\0\\0\\1\\0"),
        (0x00200052, "UI", f"{ROOT}.9"),
        (0x00280004, "CS", "MONOCHROME2"),
        (0x00280030, "DS", "0.5\\0.5"),
    ]
    words = {
        0x00280002: 1,
        0x00280010: side,
        0x00280011: side,
        0x00280100: 16,
        0x00280101: 12,
        0x00280102: 11,
        0x00280103: 0,
    }
    written = {tag: element(tag, vr, text.encode()) for tag, vr, text in texts}
    written |= {tag: element(tag, "US", value.to_bytes(2, "little")) for tag, value in words.items()}
    body = b"".join(written[tag] for tag in sorted(written))
    return head_of_file(CT, uid, part10.EXPLICIT_VR_LITTLE_ENDIAN), body


def _sources(rows: Iterable[Row]) -> Iterator[SourceInstance]:
    for keys, records, path, offset, size, sha256 in rows:
        yield SourceInstance(
            keys=InstanceKeys.from_json(json.loads(keys)),
            records=DirectoryRecords.unpack(records),
            path=path,
            data_set_offset=offset,
            data_set_size=size,
            sha256=sha256,
        )


def _planned(rows: Iterable[Row], medium: str = "cd:30000000000") -> plan.Plan:
    options = plan.PlanOptions(file_set_id="BENCH", joliet=False)
    return plan.plan(_sources(rows), profiles.profile("STD-GEN-CD"), profiles.medium(medium), options)


def _directory(folder: Path, rows: list[Row], runs: int = 3) -> dict[str, Any]:
    root = Path(rows[0][2]).parents[2]

    def ours() -> None:
        (volume,) = _planned(rows).volumes
        with (folder / "DICOMDIR").open("wb") as file:
            for chunk in DicomDir("BENCH", build.new_file_set_uid(), volume.entries).chunks():
                file.write(chunk)

    seconds, peer = _medians(lambda: timed(ours), lambda: _dcmmkdir(root), runs)
    return _row(f"DICOMDIR of {len(rows):,} instances from the index", seconds, peer, "0.3", "dcmmkdir")


def _image(folder: Path, rows: list[Row], runs: int = 3) -> dict[str, Any]:
    root = Path(rows[0][2]).parents[2]
    image = folder / "peer.iso"

    def peers() -> float:
        def make() -> None:
            command = ["genisoimage", "-quiet", "-iso-level", "1", "-sysid", "", "-V", "BENCH", "-o", image, root]
            subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)

        bare = _dcmmkdir(root) + timed(make)
        sums = sum(
            timed(lambda: subprocess.run(["sha256sum", image], check=True, capture_output=True)) for _ in range(2)
        )
        times.append(bare)
        return bare + sums

    def ours() -> float:
        out = folder / "out"
        seconds = timed(lambda: build.build(_planned(rows), out))
        (out / "volume-1.iso").unlink()
        return seconds

    times: list[float] = []
    seconds, peer = _medians(ours, peers, runs)
    size = sum(row[4] for row in rows)
    row = _row(
        f"image of {len(rows):,} instances, {size / 1e6:.0f} MB",
        seconds,
        peer,
        "1.0",
        "dcmmkdir, genisoimage, 2 sha256sum",
    )
    return {**row, "to_bare": seconds / sorted(times)[len(times) // 2]}


def _medians(ours: Callable[[], float], peers: Callable[[], float], runs: int) -> tuple[float, float]:
    """Medians after a warm-up; a single run where the peer takes minutes."""
    if runs == 1:
        return ours(), peers()
    seconds, peer = medians(ours, peers, runs=runs)
    return seconds, peer


def _dcmmkdir(root: Path) -> float:
    (root / "DICOMDIR").unlink(missing_ok=True)
    command = ["dcmmkdir", "-q", "-Pgp", "+r", "+id", root, "+D", root / "DICOMDIR", "DICOM"]
    return timed(lambda: subprocess.run([str(part) for part in command], check=True, capture_output=True))


def _linear() -> dict[str, Any]:
    """Twice the records must take at most 2.2 times the time; memory of the larger one."""
    half, _ = _in_child(MANY // 2)
    whole, memory = _in_child(MANY)
    row = _row(f"DICOMDIR of {MANY:,} against {MANY // 2:,}", whole, half, "2.2", "half as many")
    return {**row, "memory_mb": memory, "memory_goal_mb": 200}


def _in_child(count: int) -> tuple[float, float]:
    """In a process of its own, reading the rows from a file as from a database."""
    context = multiprocessing.get_context("spawn")
    with workplace() as folder, context.Pool(1) as writer:
        writer.apply(_write_rows, (folder / "rows", count))
        with context.Pool(1) as pool:
            return pool.apply(_many, (folder / "rows", count))


def _write_rows(path: Path, count: int) -> None:
    with path.open("wb") as file:
        for number in range(count):
            head, body = _instance(number, count, 16)
            pickle.dump(_kept(Path("/nowhere"), head, body), file)


def _read_rows(path: Path, count: int) -> Iterator[Row]:
    with path.open("rb") as file:
        for _ in range(count):
            yield pickle.load(file)


def _many(path: Path, count: int) -> tuple[float, float]:
    """Seconds of the processor to plan and write the directory of so many, and peak megabytes of the process."""
    start = time.process_time()
    (volume,) = _planned(_read_rows(path, count)).volumes
    size = sum(len(chunk) for chunk in DicomDir("BENCH", build.new_file_set_uid(), volume.entries).chunks())
    seconds = time.process_time() - start
    assert size > 300 * count
    status = Path("/proc/self/status").read_text()
    return seconds, int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _row(name: str, ours: float, peer: float, goal: str, words: str) -> dict[str, Any]:
    return {"name": name, "ours_s": ours, "peer_s": peer, "ratio": ours / peer, "goal": goal, "peer": words}
