"""A crowd of modalities that all store at once: 200 associations, 600 instances of 2 MB (reliability 3.5, G5)."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from appliance.network.file_head import head_of_file
from benchmarks.network import cpu_of
from benchmarks.scanner import CT, EXPLICIT_LE, ROOT, ct_file
from tests.network.raw import RawPeer, command, p_data, presentation_context

PEERS, EACH, SIDE = 200, 3, 1024
_FRAGMENT = 128 * 1024 - 6
_PIXELS = random.Random(1).randbytes(SIDE * SIDE * 2)
_SUCCESS = b"\0\0\0\x09\2\0\0\0\0\0"
"""Status (0000,0900) in a response."""


def messages(peer: int) -> Iterator[bytes]:
    """The C-STOREs of one modality: a study of its own."""
    for number in range(1, EACH + 1):
        uid = f"{ROOT}.{700_000 + peer}.1.{number}"
        data = ct_file(700_000 + peer, number, _PIXELS, SIDE, SIDE)[len(head_of_file(CT, uid, EXPLICIT_LE)) :]
        yield c_store(CT, uid, number, data)


def c_store(sop_class_uid: str, uid: str, message_id: int, data: bytes) -> bytes:
    """The PDUs of one C-STORE in presentation context 1."""
    request = {"AffectedSOPClassUID": sop_class_uid, "CommandField": 1, "MessageID": message_id, "Priority": 0}
    pieces = [data[start : start + _FRAGMENT] for start in range(0, len(data), _FRAGMENT)]
    return b"".join(
        (
            command({**request, "CommandDataSetType": 1, "AffectedSOPInstanceUID": uid}),
            *(p_data((1, 0, piece)) for piece in pieces[:-1]),
            p_data((1, 2, pieces[-1])),
        )
    )


def stores(port: int, peer: int) -> int:
    """How many of one modality's instances were acknowledged."""
    kept = 0
    with RawPeer(port, timeout=120) as modality:
        modality.associate(presentation_context(1, CT.encode(), EXPLICIT_LE.encode()))
        for message in messages(peer):
            modality.send(message)
            kept += _SUCCESS in modality.pdu()
    return kept


def all_at_once(port: int, pid: int, data: Path) -> dict[str, Any]:
    """Every modality stores at the same moment, durably; counted by answers and by files."""
    before, used, began = _files(data), cpu_of(pid), time.perf_counter()
    with ThreadPoolExecutor(PEERS) as pool:
        kept = sum(pool.map(lambda peer: stores(port, peer), range(PEERS)))
    took = time.perf_counter() - began
    assert _files(data) - before == kept, "an acknowledged instance has no file"
    name = f"{kept} of {PEERS * EACH} stores of 2 MB by {PEERS} associations at once"
    return {"name": name, "ours_s": took, "goal": 10.0, "cpu_s": cpu_of(pid) - used}


def _files(data: Path) -> int:
    return sum(1 for path in (data / "instances").rglob("*") if path.is_file())
