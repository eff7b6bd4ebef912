"""Instances sent to the appliance, and whether those it acknowledged are there as they were sent."""

from __future__ import annotations

import hashlib
import socket
import time
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt

from tests.faults.plant import Plant
from tests.support.patience import patient

CT = "1.2.840.10008.5.1.4.1.1.2"
ROOT = "1.2.826.0.1.3680043.10.999"


def instance(number: int) -> Dataset:
    """A made-up CT image of 32 × 32 pixels that bears its number."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CT
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = f"{ROOT}.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.2"
    made.PatientName, made.PatientID, made.StudyID = "Fault^Harness", "FAULTS", "1"
    made.StudyDate, made.StudyTime, made.AccessionNumber = "20240101", "120000", "A1"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "CT", 1, number
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 32, 32, 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = hashlib.sha256(str(number).encode()).digest() * 64
    return made


def send_instances(plant: Plant, numbers: list[int], wait_seconds: float = 0, port: int = 0) -> dict[int, str]:
    """C-STORE each on one association: acknowledged, refused or nothing, by number."""
    told = dict.fromkeys(numbers, "nothing")
    ae = AE("FAULTS")
    ae.add_requested_context(CT, ExplicitVRLittleEndian)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = wait_seconds or patient(15)
    try:
        handlers: Any = [(evt.EVT_CONN_OPEN, _quick)]
        association = ae.associate(plant.host, port or plant.port, ae_title="APPLIANCE", evt_handlers=handlers)
        for number in numbers:
            if not association.is_established:
                break
            status = association.send_c_store(instance(number)).get("Status")
            told[number] = "nothing" if status is None else "refused" if status else "acknowledged"
            if status is None:
                association.abort()
        if association.is_established:
            association.release()
    except Exception as error:
        print(f"{time.strftime('%H:%M:%S')} instances {numbers} were told {told}: {error!r}")
    return told


def send_until_kept(plant: Plant, numbers: list[int], tries: int = 3) -> dict[int, str]:
    """Send again what was not acknowledged, as modalities do: this client loses an answer on a busy machine."""
    told = send_instances(plant, numbers)
    for _ in range(tries - 1):
        left = [number for number, answer in told.items() if answer != "acknowledged"]
        told |= send_instances(plant, left) if left else {}
    return told


def _quick(event: Any) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def missing(plant: Plant, told: dict[int, str]) -> list[str]:
    """What is wrong with the instances kept: acknowledged ones not there or not as sent, rows without a file."""
    rows = dict(plant.query("select sop_instance_uid, path from instance"))
    found = []
    for number, answer in told.items():
        path = rows.get(f"{ROOT}.{number}")
        if path is None:
            found += [f"{number} acknowledged, not indexed"] if answer == "acknowledged" else []
        elif not _is_whole(plant, path, number):
            found.append(f"{number} indexed, its file is not whole")
    return found


def _is_whole(plant: Plant, path: str, number: int) -> bool:
    try:
        return bool(dcmread(plant.data / "instances" / path).PixelData == instance(number).PixelData)
    except (OSError, AttributeError):
        return False


def strays(plant: Plant) -> list[str]:
    """Files of instances no row knows."""
    known = {row[0] for row in plant.query("select path from instance")}
    root = plant.data / "instances"
    return [
        name
        for name in (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        if name not in known
    ]


def wait_for_sweep(plant: Plant, seconds: float = 5) -> None:
    end = time.monotonic() + patient(seconds)
    while strays(plant) and time.monotonic() < end:
        time.sleep(0.1)
