"""A made-up CT scanner: its images, sent by storescu, and the services that take them. Needs dcmtk."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.network.file_head import head_of_file

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
ROOT = "1.2.826.0.1.3680043.10.998"
INSTANCES, SIDE = 500, 512
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in (b"OW", b"SQ"):
        return head + struct.pack("<HL", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def ct_file(study: int, number: int, pixels: bytes, rows: int = SIDE, columns: int = SIDE, frames: int = 1) -> bytes:
    """A CT image with the attributes a real one has, up to its pixels."""
    uid = f"{ROOT}.{study}.1.{number}"
    texts = [
        (0x00080008, b"CS", "ORIGINAL\\PRIMARY\\AXIAL"),
        (0x00080016, b"UI", CT),
        (0x00080018, b"UI", uid),
        (0x00080020, b"DA", "20260102"),
        (0x00080023, b"DA", "20260102"),
        (0x00080030, b"TM", "030405"),
        (0x00080033, b"TM", "030406"),
        (0x00080050, b"SH", f"A{study}"),
        (0x00080060, b"CS", "CT"),
        (0x00080070, b"LO", "Nobody"),
        (0x00080080, b"LO", "Made-up Hospital"),
        (0x00080090, b"PN", ""),
        (0x00081030, b"LO", "Chest"),
        (0x00100010, b"PN", "DOE^JANE"),
        (0x00100020, b"LO", "P-1"),
        (0x00100030, b"DA", "19800229"),
        (0x00100040, b"CS", "F"),
        (0x00180050, b"DS", "1"),
        (0x00180060, b"DS", "120"),
        (0x0020000D, b"UI", f"{ROOT}.{study}"),
        (0x0020000E, b"UI", f"{ROOT}.{study}.1"),
        (0x00200010, b"SH", "S1"),
        (0x00200011, b"IS", "1"),
        (0x00200013, b"IS", str(number)),
        (0x00200032, b"DS", f"0\\0\\{number}"),
        (0x00200037, b"DS", "1\\0\\0\\0\\1\\0"),
        (0x00200052, b"UI", f"{ROOT}.9"),
        (0x00280004, b"CS", "MONOCHROME2"),
        (0x00280008, b"IS", str(frames)),
        (0x00280030, b"DS", "0.5\\0.5"),
        (0x00281052, b"DS", "-1024"),
        (0x00281053, b"DS", "1"),
    ]
    numbers = {0x00280002: 1, 0x00280010: rows, 0x00280011: columns, 0x00280100: 16, 0x00280101: 12, 0x00280102: 11}
    elements = {tag: element(tag, vr, _even(text, vr)) for tag, vr, text in texts}
    elements |= {
        tag: element(tag, b"US", struct.pack("<H", value)) for tag, value in {**numbers, 0x00280103: 0}.items()
    }
    body = b"".join(elements[tag] for tag in sorted(elements))
    length = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, frames * rows * columns * 2)
    return head_of_file(CT, uid, EXPLICIT_LE) + body + length + pixels


def _even(text: str, vr: bytes) -> bytes:
    data = text.encode("ascii")
    return data + (b"\0" if vr == b"UI" else b" ") * (len(data) % 2)


def write_study(folder: Path, study: int) -> Path:
    """A study of 500 images of 512 KB."""
    target = folder / f"study-{study}"
    target.mkdir()
    source = random.Random(study)
    for number in range(1, INSTANCES + 1):
        (target / f"{number:04}.dcm").write_bytes(ct_file(study, number, source.randbytes(SIDE * SIDE * 2)))
    return target


@contextmanager
def listening(command: list[str], port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait()


def appliance_command(data: Path, port: int) -> tuple[list[str], dict[str, str]]:
    environment = {**ENVIRONMENT, "APPLIANCE_DICOM_PORT": str(port), "APPLIANCE_LOG_LEVEL": "WARNING"}
    return [sys.executable, "-m", "appliance", "serve", "--only", "dicom", "--data", str(data)], environment


def send(port: int, path: Path) -> None:
    command = ["storescu", "-aec", "APPLIANCE", "127.0.0.1", str(port), "+sd", str(path)]
    subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True)
