"""pynetdicom as it comes, doing what our intake does: hash, keys, durable file, durable row. A benchmark's peer.

``python -m benchmarks.plain_scp FOLDER PORT``
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.dimse_primitives import C_STORE

KEYS = ("PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDate", "Modality")


def durable(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    os.fsync(descriptor)
    os.close(descriptor)


def store(event: evt.Event, folder: Path) -> int:
    """One instance, kept before it is answered."""
    assert isinstance(event.request, C_STORE)
    kept = folder / f"{event.request.AffectedSOPInstanceUID}.dcm"
    os.link(event.dataset_path, kept)
    with kept.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    header = dcmread(kept, stop_before_pixels=True)
    durable(kept, os.O_RDONLY)
    durable(folder, os.O_RDONLY | os.O_DIRECTORY)
    row = [str(header.get(key, "")) for key in KEYS]
    with sqlite3.connect(folder / "index.db") as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("INSERT OR REPLACE INTO instance VALUES (?,?,?,?,?,?,?,?)", [*row, digest])
    connection.close()
    return 0x0000


def no_delay(event: evt.Event) -> None:
    peer: Any = event.assoc.dul.socket
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main(folder: Path, port: int) -> None:
    _config.STORE_RECV_CHUNKED_DATASET = True
    with sqlite3.connect(folder / "index.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"CREATE TABLE instance ({', '.join(KEYS)}, sha256, PRIMARY KEY (SOPInstanceUID))")
    ae = AE("APPLIANCE")
    ae.supported_contexts = AllStoragePresentationContexts
    ae.maximum_pdu_size = 131072
    ae.start_server(
        ("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, store, [folder]), (evt.EVT_CONN_OPEN, no_delay)]
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
