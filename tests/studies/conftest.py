"""A running storage front door and what it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from appliance.dicom.server import DicomServer
from appliance.dicom.storage_scp import StorageScp
from appliance.printing.first_run import add_first_printer
from appliance.store.store import Store
from appliance.studies.fetching import Retriever
from tests.media import made


@pytest.fixture
def door(store: Store) -> Iterator[DicomServer]:
    """The front door on a test's store, retrieving too."""
    add_first_printer(store)
    server = DicomServer(store, [StorageScp(store)])
    server.start()
    stop = threading.Event()
    thread = threading.Thread(target=Retriever(store, moves=True).run, args=(stop,))
    thread.start()
    yield server
    stop.set()
    thread.join()
    server.stop(0)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Writes data sets as DICOM files into a folder of the test."""

    def save(*datasets: Dataset, folder: str = "instances", syntax: str = made.ExplicitVRLittleEndian) -> Path:
        target = tmp_path / folder
        target.mkdir(exist_ok=True)
        for number, dataset in enumerate(datasets, start=len(list(target.iterdir())) + 1):
            (target / f"{number:04}.dcm").write_bytes(made.as_file(dataset, syntax))
        return target

    return save
