"""Scanned paper and reports: a PDF becomes an Encapsulated PDF, a JPEG a Secondary Capture, in a confirmed study."""

from __future__ import annotations

import hashlib
import io
import threading
import uuid
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from appliance.errors import ConflictError, UsageError
from appliance.events import Actor
from appliance.network.file_head import head_of_file
from appliance.security.audit import record
from appliance.store import files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.studies import part10, search, selection
from appliance.studies.attached import new_uid, series_of_paper
from appliance.studies.completeness import one_more
from appliance.studies.intake import Arrival, Intake, Taken
from appliance.studies.keys import InstanceKeys
from appliance.studies.looking import ENCAPSULATED_PDF
from appliance.words import say

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
LARGEST = 256 << 20
MOST_PIXELS = 100_000_000
_at_once = threading.BoundedSemaphore(1)
"""A JPEG of 2 MB may come to 1.2 GB: several at once would end the page's process."""
SPOOL_PREFIX = "paper-"
SERIES_NUMBER = "9001"

_OF_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_OF_STUDY = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
    "ReferringPhysicianName",
)


def attach(
    store: Store, path: Path, study_instance_uid: str, actor: Actor, *, patient_id: str, title: str = ""
) -> Taken:
    """Add a PDF or JPEG to a study. `patient_id` is the patient a person confirmed it belongs to.

    Raises NotFoundError, ConflictError when the study is another patient's or of several, UsageError when the file is
    neither PDF nor JPEG, RefusedError when the disk is short.
    """
    study = search.get_study(store, study_instance_uid)
    if study.identities > 1:
        raise ConflictError(
            say(
                "Study %(study_instance_uid)s speaks of %(identities)s patients: settle that first.",
                study_instance_uid=study_instance_uid,
                identities=study.identities,
            )
        )
    if study.patient_id.strip() != patient_id.strip():
        raise ConflictError(
            say(
                "Study %(study_instance_uid)s is not of the patient %(patient_id)s: look again.",
                study_instance_uid=study_instance_uid,
                patient_id=repr(patient_id),
            )
        )
    keys = selection.selected(store, studies=[study_instance_uid])[0].keys
    if path.stat().st_size > LARGEST:
        raise UsageError(
            say("%(path)s is larger than %(largest)s MiB.", path=path.name, largest=LARGEST >> 20), field="file"
        )
    with _at_once:
        sha256, taken = _take(store, path, _common(keys, title or path.stem), actor)
    with store.database.write("study") as connection:
        one_more(connection, study_instance_uid)
        detail = {"instance": taken.sop_instance_uid, "sha256": sha256}
        record(connection, "document-attached", actor, object_kind="study", object_id=study_instance_uid, detail=detail)
    return taken


def _take(store: Store, path: Path, dataset: Dataset, actor: Actor) -> tuple[str, Taken]:
    """The file's SHA-256, and what became of it."""
    content = path.read_bytes()
    if content[:1024].lstrip().startswith(b"%PDF-"):
        _encapsulate(dataset, content)
    else:
        _capture(dataset, content, path.name)
    return hashlib.sha256(content).hexdigest(), _keep(store, dataset, actor)


def _common(keys: InstanceKeys, title: str) -> Dataset:
    """What both kinds of documents have: patient and study as the study has them, the rest ours."""
    dataset = Dataset()
    moment = now().astimezone()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for name in (*_OF_PATIENT, *_OF_STUDY):
        value = getattr(keys, name)
        if value or name != "IssuerOfPatientID":
            setattr(dataset, name, value)
    dataset.SOPInstanceUID = new_uid()
    dataset.SeriesInstanceUID = series_of_paper(dataset.SOPInstanceUID)
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBER, "1"
    dataset.SeriesDescription = title[:64].replace("\\", "/")  # a backslash would make two values of it
    dataset.InstanceCreationDate = dataset.ContentDate = dataset.SeriesDate = moment.strftime("%Y%m%d")
    dataset.InstanceCreationTime = dataset.ContentTime = dataset.SeriesTime = moment.strftime("%H%M%S")
    dataset.Manufacturer, dataset.ManufacturerModelName = "Appliance", "Print and disc appliance"
    dataset.ConversionType = "SD"  # scanned document
    dataset.BurnedInAnnotation = "YES"  # a paper usually names the patient
    return dataset


def _encapsulate(dataset: Dataset, content: bytes) -> None:
    """Encapsulated PDF IOD (PS3.3 A.45.1)."""
    dataset.SOPClassUID, dataset.Modality = ENCAPSULATED_PDF, "DOC"
    dataset.AcquisitionDateTime, dataset.ConceptNameCodeSequence = "", []
    dataset.DocumentTitle, dataset.MIMETypeOfEncapsulatedDocument = dataset.SeriesDescription, "application/pdf"
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    dataset.EncapsulatedDocumentLength = len(content)


def _capture(dataset: Dataset, content: bytes, name: str) -> None:
    """Secondary Capture Image IOD (PS3.3 A.8.1)."""
    image = _picture(content, name)
    gray = image.mode == "L"
    dataset.SOPClassUID, dataset.Modality = SECONDARY_CAPTURE, "OT"
    dataset.ImageType, dataset.PatientOrientation = ["DERIVED", "SECONDARY"], ""
    dataset.Laterality = ""
    dataset.SamplesPerPixel = 1 if gray else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if gray else "RGB"
    if not gray:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = image.height, image.width
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    pixels = image.tobytes()
    dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", "ISO_10918_1"
    dataset.LossyImageCompressionRatio = f"{len(pixels) / len(content):.2f}"
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OB"


def _picture(content: bytes, name: str) -> Image.Image:
    """The picture, upright, in greys or RGB."""
    too_large = UsageError(say("%(name)s has more pixels than an image may have.", name=name), field="file")
    try:
        image = Image.open(io.BytesIO(content), formats=["JPEG"])
        if image.width * image.height > MOST_PIXELS or max(image.size) > 0xFFFF:
            raise too_large
        upright = ImageOps.exif_transpose(image)
        return upright.convert("L" if upright.mode in ("1", "L") else "RGB")
    except Image.DecompressionBombError:  # Pillow's own limit, before we can look
        raise too_large from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise UsageError(
            say("%(name)s is neither a PDF nor a JPEG that can be read.", name=name), field="file"
        ) from None


def _keep(store: Store, dataset: Dataset, actor: Actor) -> Taken:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, dataset)
    data = buffer.getvalue()
    head = head_of_file(dataset.SOPClassUID, dataset.SOPInstanceUID, part10.EXPLICIT_VR_LITTLE_ENDIAN)
    folder = files.make_folder(store.folder.spool / (SPOOL_PREFIX + uuid.uuid4().hex))
    try:
        with files.PartFile(folder / uuid.uuid4().hex) as part:
            part.write(head)
            part.write(data)
            part.keep()
        arrival = Arrival(
            path=part.part,
            offset=len(head),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            transfer_syntax=part10.EXPLICIT_VR_LITTLE_ENDIAN,
            source=actor.name,
        )
        return Intake(store).take(arrival, actor)
    finally:
        files.remove_tree(folder)
