"""Made-up instances of every kind, as files and as the index would hand them to a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from appliance.media import build, plan, profiles
from appliance.media.source import SourceInstance
from appliance.studies import keys, part10, record_tables, records

ROOT = "1.2.826.0.1.3680043.10.999"
CT = record_tables.STORAGE + "2"


def common(number: int, sop_class: str = CT, *, study: int = 1, series: int = 1, **values: Any) -> Dataset:
    """Patient, study, series and SOP common attributes; `values` by keyword, None deletes."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"{ROOT}.{study}.{series}.{number}"
    dataset.PatientName, dataset.PatientID = "DOE^JANE", "P-1"
    dataset.PatientBirthDate, dataset.PatientSex = "19800229", "F"
    dataset.StudyInstanceUID, dataset.StudyID = f"{ROOT}.{study}", f"S{study}"
    dataset.StudyDate, dataset.StudyTime = "20260102", "030405"
    dataset.AccessionNumber, dataset.StudyDescription = "A1", "Chest"
    dataset.ReferringPhysicianName = ""
    dataset.SeriesInstanceUID, dataset.SeriesNumber = f"{ROOT}.{study}.{series}", series
    dataset.Modality, dataset.InstanceNumber = "CT", number
    dataset.InstitutionName, dataset.Manufacturer = "Made-up Hospital", "Nobody"
    dataset.ContentDate, dataset.ContentTime = "20260102", "030406"
    return changed(dataset, **values)


def changed(dataset: Dataset, **values: Any) -> Dataset:
    """Set attributes by keyword; None deletes."""
    for keyword, value in values.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def image(number: int = 1, rows: int = 16, columns: int = 16, **values: Any) -> Dataset:
    """A CT image of 16 bits."""
    dataset = common(number, **{key: values.pop(key) for key in ("study", "series") if key in values})
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = ROOT + ".9", ""
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness, dataset.KVP = [0.5, 0.5], "1", "120"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.AcquisitionNumber = "-1024", "1", 1
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    pixels = np.random.default_rng(number).integers(0, 4096, (rows, columns), dtype=np.uint16)
    dataset.PixelData = pixels.tobytes()
    return changed(dataset, **values)


def code(value: str = "121144", scheme: str = "DCM", meaning: str = "Document Title") -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def content_item(relation: str, text: str) -> Dataset:
    """A text item of a document."""
    item = Dataset()
    item.RelationshipType, item.ValueType, item.TextValue = relation, "TEXT", text
    item.ConceptNameCodeSequence = [code()]
    return item


def report(number: int = 1, **values: Any) -> Dataset:
    """A verified report with one concept modifier and one line of text."""
    dataset = common(number, record_tables.STORAGE + "88.22", Modality="SR", series=7)
    dataset.CompletionFlag, dataset.VerificationFlag, dataset.ValueType = "COMPLETE", "VERIFIED", "CONTAINER"
    observers = [Dataset(), Dataset()]
    for observer, when in zip(observers, ("20260103120000", "20260105120000"), strict=True):
        observer.VerifyingObserverName, observer.VerificationDateTime = "READER^A", when
    dataset.VerifyingObserverSequence = observers
    dataset.ConceptNameCodeSequence = [code("18782-3", "LN", "Radiology Report")]
    secret = content_item("CONTAINS", "the patient is quite well")
    dataset.ContentSequence = [content_item("HAS CONCEPT MOD", "English"), secret]
    return changed(dataset, **values)


_IDENTIFIED = {"ContentLabel": "LABEL", "ContentDescription": "", "ContentCreatorName": "MAKER^A"}
_PRESENTED = {**_IDENTIFIED, "PresentationCreationDate": "20260102", "PresentationCreationTime": "030405"}


def _referenced_series() -> list[Dataset]:
    item, reference = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, ROOT + ".1.1.1"
    item.SeriesInstanceUID, item.ReferencedImageSequence = ROOT + ".1.1", [reference]
    return [item]


def _evidence() -> list[Dataset]:
    return list(_referenced_series()[0].ReferencedImageSequence)


def _hanging() -> list[Dataset]:
    item = Dataset()
    item.Modality, item.ProcedureCodeSequence, item.ReasonForRequestedProcedureCodeSequence = "CT", [code()], [code()]
    return [item]


# One instance for each record type: SOP class and the attributes its record needs.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "RT DOSE": ("481.2", {"DoseSummationType": "PLAN"}),
    "RT STRUCTURE SET": ("481.3", {"StructureSetLabel": "SET", "StructureSetDate": "", "StructureSetTime": ""}),
    "RT PLAN": ("481.5", {"RTPlanLabel": "PLAN", "RTPlanDate": "20260102", "RTPlanTime": ""}),
    "RT TREAT RECORD": ("481.4", {"TreatmentDate": "20260102", "TreatmentTime": ""}),
    "PRESENTATION": ("11.1", {**_PRESENTED, "ReferencedSeriesSequence": _referenced_series()}),
    "WAVEFORM": ("9.1.1", {}),
    "KEY OBJECT DOC": ("88.59", {"ConceptNameCodeSequence": [code("113000", "DCM", "Of Interest")]}),
    "SPECTROSCOPY": (
        "4.2",
        {
            "ImageType": ["ORIGINAL", "PRIMARY", "SPECTROSCOPY", "NONE"],
            "NumberOfFrames": 1,
            "Rows": 1,
            "Columns": 1,
            "DataPointRows": 1,
            "DataPointColumns": 512,
            "ReferencedImageEvidenceSequence": _evidence(),
        },
    ),
    "RAW DATA": ("66", {}),
    "REGISTRATION": ("66.1", _IDENTIFIED),
    "FIDUCIAL": ("66.2", _IDENTIFIED),
    "ENCAP DOC": (
        "104.1",
        {"DocumentTitle": "Report", "ConceptNameCodeSequence": [], "MIMETypeOfEncapsulatedDocument": "application/pdf"},
    ),
    "VALUE MAP": ("67", _IDENTIFIED),
    "STEREOMETRIC": ("77.1.5.3", _IDENTIFIED),
    "MEASUREMENT": ("78.1", _IDENTIFIED),
    "SURFACE": ("66.5", _IDENTIFIED),
    "SURFACE SCAN": ("68.1", {}),
    "TRACT": ("66.6", _IDENTIFIED),
    "ASSESSMENT": ("90.1", {"InstanceCreationDate": "20260102", "InstanceCreationTime": ""}),
    "RADIOTHERAPY": ("481.10", {"UserContentLabel": "INTENT", "ContentDescription": "", "ContentCreatorName": ""}),
    "PLAN": ("481.25", {}),
    "ANNOTATION": ("91.1", _IDENTIFIED),
    "WF PRESENTATION": ("9.100.1", _PRESENTED),
    "HANGING PROTOCOL": (
        "1.2.840.10008.5.1.4.38.1",
        {
            "HangingProtocolName": "NAME",
            "HangingProtocolDescription": "WORDS",
            "HangingProtocolLevel": "SITE",
            "HangingProtocolCreator": "MAKER",
            "HangingProtocolCreationDateTime": "20260102030405",
            "HangingProtocolDefinitionSequence": _hanging(),
            "NumberOfPriorsReferenced": 0,
            "HangingProtocolUserIdentificationCodeSequence": [],
        },
    ),
    "PALETTE": ("1.2.840.10008.5.1.4.39.1", {"ContentLabel": "HOT", "ContentDescription": ""}),
    "INVENTORY": (
        "201.1",
        {
            "ScopeOfInventorySequence": [],
            "InventoryPurpose": "",
            "InventoryLevel": "STUDY",
            "InventoryCompletionStatus": "COMPLETE",
            "TotalNumberOfStudyRecords": 2,
        },
    ),
    "IMPLANT": (
        "1.2.840.10008.5.1.4.43.1",
        {"ImplantName": "HIP", "ImplantPartNumber": "1", "ImplantSize": "4"},
    ),
    "IMPLANT ASSY": (
        "1.2.840.10008.5.1.4.44.1",
        {"ImplantAssemblyTemplateName": "HIP", "ProcedureTypeCodeSequence": [code()]},
    ),
    "IMPLANT GROUP": (
        "1.2.840.10008.5.1.4.45.1",
        {"ImplantTemplateGroupName": "HIPS", "ImplantTemplateGroupIssuer": "NOBODY"},
    ),
}


def of_kind(kind: str, number: int = 1) -> Dataset:
    """An instance whose record is of this type."""
    if kind == "IMAGE":
        return image(number)
    if kind == "SR DOCUMENT":
        return report(number)
    suffix, values = KINDS[kind]
    sop_class = suffix if suffix.startswith("1.2.840") else record_tables.STORAGE + suffix
    return common(number, sop_class, series=100 + list(KINDS).index(kind), Modality="OT", **values)


def as_read(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """The same data set as it comes from the network: raw elements."""
    return dcmread(BytesIO(as_file(dataset, syntax)), stop_before_pixels=True)


def as_file(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The bytes of a DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def kept(folder: Path, dataset: Dataset, syntax: str = ExplicitVRLittleEndian, charset: str = "") -> SourceInstance:
    """Write an instance as the index would keep it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{len(list(folder.iterdir()))}.dcm"
    path.write_bytes(as_file(dataset, syntax))
    return source(path, charset)


def source(path: Path, charset: str = "") -> SourceInstance:
    """What the index knows of a DICOM file."""
    meta = part10.read_file_meta(path)
    dataset = dcmread(path, stop_before_pixels=True)
    data = path.read_bytes()[meta.data_set_offset :]
    return SourceInstance(
        keys=keys.instance_keys(dataset, meta.TransferSyntaxUID, charset),
        records=records.describe(dataset, charset),
        path=path,
        data_set_offset=meta.data_set_offset,
        data_set_size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def planned(
    sources: Sequence[SourceInstance], profile: str = "STD-GEN-CD", medium: str = "cd-700", **options: Any
) -> plan.Plan:
    """The plan of these instances."""
    choices = plan.PlanOptions(**{"file_set_id": "TESTDISC", **options})
    return plan.plan(sources, profiles.profile(profile), profiles.medium(medium), choices)


def built(sources: Sequence[SourceInstance], folder: Path, profile: str = "STD-GEN-CD", medium: str = "cd-700") -> Path:
    """One finished volume with these instances."""
    return build.build(planned(sources, profile, medium, several_patients=True), folder)[0].path
