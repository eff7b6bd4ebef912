"""Instances as they lie in the spool, ready for the intake."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

from pydicom.dataset import Dataset

from appliance.events import Actor
from appliance.store.store import Store
from appliance.studies import part10
from appliance.studies.intake import Arrival
from tests.media import made

SCANNER = Actor(name="SCANNER", kind="peer", address="127.0.0.1")
INTAKE = ("store.part", "store.renamed", "store.synced", "store.committed")


def arrival(store: Store, dataset: Dataset, syntax: str = made.ExplicitVRLittleEndian, **values: object) -> Arrival:
    """A data set whole in the spool."""
    return arrival_of(store, made.as_file(dataset, syntax), **values)


def arrival_of(store: Store, content: bytes, **values: object) -> Arrival:
    path = store.folder.spool / f"{uuid.uuid4().hex}.part"
    path.write_bytes(content)
    meta = part10.read_file_meta(path)
    data = content[meta.data_set_offset :]
    given = {
        "path": path,
        "offset": meta.data_set_offset,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "transfer_syntax": meta.TransferSyntaxUID,
        "source": "SCANNER",
    }
    return Arrival(**{**given, **values})  # type: ignore[arg-type]


def files_of(store: Store) -> list[Path]:
    """Every file below instances/."""
    return sorted(path for path in store.folder.instances.rglob("*") if path.is_file())
