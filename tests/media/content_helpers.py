"""Volumes made up for the tests of a disc's content."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from appliance.media.description import Item, Site, VolumeDescription
from appliance.studies.keys import instance_keys

SITE = Site(
    institution="Made Up Hospital", phone="+1 555 0100", address="1 Example Street\nTown", email="it@example.org"
)


def item(path: Path, number: int = 0) -> Item:
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    keys = instance_keys(dataset, str(dataset.file_meta.TransferSyntaxUID))
    return Item(keys=keys, path=path, file_id=("DICOM", "D0000000", f"I{number:07d}"))


def volume(paths: Iterable[Path], **changes: object) -> VolumeDescription:
    items = tuple(item(path, number) for number, path in enumerate(paths))
    return VolumeDescription(**{"items": items, "site": SITE, "created": date(2026, 11, 21), **changes})  # type: ignore[arg-type]


def document(folder: Path, name: str, sop_class: str, modality: str, **elements: object) -> Path:
    """An instance without pixels."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID, dataset.Modality = "Example^Ann", "1", modality
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3." + str(len(name))
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    path = folder / name
    dataset.save_as(path, enforce_file_format=True)
    return path


def with_overlay(dataset: Dataset, kind: str = "G") -> None:
    """A whole line of graphics on top."""
    rows, columns = dataset.Rows, dataset.Columns
    for element, vr, value in ((0x10, "US", rows), (0x11, "US", columns), (0x40, "CS", kind), (0x50, "SS", [1, 1]),
                               (0x100, "US", 1), (0x102, "US", 0)):  # fmt: skip
        dataset.add_new((0x6000, element), vr, value)
    bits = np.zeros((rows, columns), np.uint8)
    bits[0] = 1
    dataset.add_new((0x6000, 0x3000), "OW", np.packbits(bits, bitorder="little").tobytes())
