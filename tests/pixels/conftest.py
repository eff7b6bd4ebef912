"""Instances made up for the tests of pixels and discs, and pydicom's shipped ones."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from appliance.pixels import Decoder

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def grey(values: np.ndarray, **elements: Any) -> Dataset:
    """A grey instance with these stored values (rows, columns) or (frames, rows, columns)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CT_IMAGE
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = values.shape[-2:]
    if values.ndim == 3:
        dataset.NumberOfFrames = len(values)
    bits = values.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = 1 if values.dtype.kind == "i" else 0
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = values.tobytes() + bytes(values.nbytes % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    return dataset


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Dataset], Path]:
    """Write a data set as a file of its own."""

    def save(dataset: Dataset) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return save


def deflate(data: bytes) -> bytes:
    """As frames of Deflated Image Frame Compression are."""
    squeezed = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezed.compress(data) + squeezed.flush()


def in_items(dataset: Dataset, syntax: UID, frames: list[bytes]) -> Dataset:
    """A data set with these frames, one in each item."""
    dataset.PixelData = encapsulate([frame + bytes(len(frame) % 2) for frame in frames])
    dataset["PixelData"].VR = "OB"
    if hasattr(dataset, "file_meta"):
        dataset.file_meta.TransferSyntaxUID = syntax
    return dataset
