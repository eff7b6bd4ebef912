"""Directory records of PS3.3 Annex F.5 and the SOP classes they belong to (PS3.3 Table F.4-1, PS3.4 B.5), as data.

A key is written ``tag: (keyword, VR, type, placeholder)``. Type 1 keys are never empty in a record: what an instance
lacks is supplied from the placeholder, which is fixed and obviously not a medical fact; None means that nothing
sensible can
be supplied and the instance is refused. The instance itself is never changed. Type "1C"/"3" keys are written when the
instance has them, type 2 keys always.
"""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """One key of a directory record."""

    tag: int
    keyword: str
    vr: str
    type: str  # "1", "1C", "2", "2C" or "3" (PS3.5 7.4)
    placeholder: str | None = None  # for type 1, and 1C that is required: written where the instance has nothing


NO_DATE = "19000101"
NO_TIME = "000000"
NO_NUMBER = "0"
NO_TEXT = "UNKNOWN"
NO_CODE = "CODE"  # stands for one item: (UNKNOWN, 99APPLIANCE, "Not given")

CONTENT_DATE = Key(0x00080023, "ContentDate", "DA", "1", NO_DATE)
CONTENT_TIME = Key(0x00080033, "ContentTime", "TM", "1", NO_TIME)
INSTANCE_NUMBER = Key(0x00200013, "InstanceNumber", "IS", "1", NO_NUMBER)
CONCEPT_NAME = Key(0x0040A043, "ConceptNameCodeSequence", "SQ", "1", NO_CODE)
CONTENT_LABEL = Key(0x00700080, "ContentLabel", "CS", "1", NO_TEXT)
CONTENT_DESCRIPTION = Key(0x00700081, "ContentDescription", "LO", "2")
CREATOR_NAME = Key(0x00700084, "ContentCreatorName", "PN", "2")
HL7_INSTANCE = Key(0x0040E001, "HL7InstanceIdentifier", "ST", "1C")
MANUFACTURER = Key(0x00080070, "Manufacturer", "LO", "1", NO_TEXT)

IDENTIFICATION = (INSTANCE_NUMBER, CONTENT_LABEL, CONTENT_DESCRIPTION, CREATOR_NAME)  # Table 10-12
CONTENT_AT = (CONTENT_DATE, CONTENT_TIME)

# PS3.11 Table D.3-2 and Table H.3-2. Those marked * may lie in the Shared Functional Groups Sequence.
IMAGE_PROFILE_KEYS = (
    Key(0x00080008, "ImageType", "CS", "1C"),
    Key(0x0008002A, "AcquisitionDateTime", "DT", "1C"),
    Key(0x00081140, "ReferencedImageSequence", "SQ", "1C"),  # *
    Key(0x00181800, "AcquisitionTimeSynchronized", "CS", "1C"),
    Key(0x00200032, "ImagePositionPatient", "DS", "1C"),  # *
    Key(0x00200037, "ImageOrientationPatient", "DS", "1C"),  # *
    Key(0x00200052, "FrameOfReferenceUID", "UI", "1C"),
    Key(0x00200200, "SynchronizationFrameOfReferenceUID", "UI", "1C"),
    Key(0x00280008, "NumberOfFrames", "IS", "1C"),
    Key(0x00280010, "Rows", "US", "1", NO_NUMBER),
    Key(0x00280011, "Columns", "US", "1", NO_NUMBER),
    Key(0x00280030, "PixelSpacing", "DS", "1C"),  # *
    Key(0x00282112, "LossyImageCompressionRatio", "DS", "1C"),
    Key(0x00500004, "CalibrationImage", "CS", "1C"),
)

# PS3.3 Tables F.5-1, F.5-2, F.5-3 with the keys of PS3.11 Table H.3-2.
PATIENT_KEYS = (
    Key(0x00100010, "PatientName", "PN", "2"),
    Key(0x00100020, "PatientID", "LO", "1"),  # supplied by the plan: see appliance.media.patients
    Key(0x00100021, "IssuerOfPatientID", "LO", "3"),
    Key(0x00100030, "PatientBirthDate", "DA", "1C"),
    Key(0x00100040, "PatientSex", "CS", "1C"),
)
STUDY_KEYS = (
    Key(0x00080020, "StudyDate", "DA", "1", NO_DATE),
    Key(0x00080030, "StudyTime", "TM", "1", NO_TIME),
    Key(0x00080050, "AccessionNumber", "SH", "2"),
    Key(0x00081030, "StudyDescription", "LO", "2"),
    Key(0x0020000D, "StudyInstanceUID", "UI", "1"),
    Key(0x00200010, "StudyID", "SH", "1", NO_TEXT),
)
SERIES_KEYS = (
    Key(0x00080060, "Modality", "CS", "1", "OT"),
    Key(0x00080080, "InstitutionName", "LO", "1C"),
    Key(0x00080081, "InstitutionAddress", "ST", "1C"),
    Key(0x0008103E, "SeriesDescription", "LO", "3"),
    Key(0x00081050, "PerformingPhysicianName", "PN", "1C"),
    Key(0x0020000E, "SeriesInstanceUID", "UI", "1"),
    Key(0x00200011, "SeriesNumber", "IS", "1", NO_NUMBER),
)

# PS3.3 Tables F.5-4 and on: keys of each record type below SERIES, or below the root (ROOT_TYPES).
INSTANCE_KEYS: dict[str, tuple[Key, ...]] = {
    "IMAGE": (INSTANCE_NUMBER, *IMAGE_PROFILE_KEYS),
    "RT DOSE": (
        INSTANCE_NUMBER,
        Key(0x3004000A, "DoseSummationType", "CS", "1", NO_TEXT),
        Key(0x30040006, "DoseComment", "LO", "3"),
    ),
    "RT STRUCTURE SET": (
        INSTANCE_NUMBER,
        Key(0x30060002, "StructureSetLabel", "SH", "1", NO_TEXT),
        Key(0x30060008, "StructureSetDate", "DA", "2"),
        Key(0x30060009, "StructureSetTime", "TM", "2"),
    ),
    "RT PLAN": (
        INSTANCE_NUMBER,
        Key(0x300A0002, "RTPlanLabel", "SH", "1", NO_TEXT),
        Key(0x300A0006, "RTPlanDate", "DA", "2"),
        Key(0x300A0007, "RTPlanTime", "TM", "2"),
    ),
    "RT TREAT RECORD": (
        INSTANCE_NUMBER,
        Key(0x30080250, "TreatmentDate", "DA", "2"),
        Key(0x30080251, "TreatmentTime", "TM", "2"),
    ),
    "PRESENTATION": (
        Key(0x00700082, "PresentationCreationDate", "DA", "1", NO_DATE),
        Key(0x00700083, "PresentationCreationTime", "TM", "1", NO_TIME),
        *IDENTIFICATION,
        Key(0x00081115, "ReferencedSeriesSequence", "SQ", "1C"),
        Key(0x00700402, "BlendingSequence", "SQ", "1C"),
    ),
    "WAVEFORM": (INSTANCE_NUMBER, *CONTENT_AT),
    "SR DOCUMENT": (
        INSTANCE_NUMBER,
        Key(0x0040A491, "CompletionFlag", "CS", "1", "PARTIAL"),
        Key(0x0040A493, "VerificationFlag", "CS", "1", "UNVERIFIED"),
        *CONTENT_AT,
        Key(0x0040A030, "VerificationDateTime", "DT", "1C", NO_DATE),
        CONCEPT_NAME,
        Key(0x0040A730, "ContentSequence", "SQ", "1C"),
    ),
    "KEY OBJECT DOC": (INSTANCE_NUMBER, *CONTENT_AT, CONCEPT_NAME, Key(0x0040A730, "ContentSequence", "SQ", "1C")),
    "SPECTROSCOPY": (
        Key(0x00080008, "ImageType", "CS", "1", NO_TEXT),
        *CONTENT_AT,
        INSTANCE_NUMBER,
        Key(0x00089092, "ReferencedImageEvidenceSequence", "SQ", "1C"),
        Key(0x00280008, "NumberOfFrames", "IS", "1", "1"),
        Key(0x00289001, "DataPointRows", "UL", "1", NO_NUMBER),
        Key(0x00289002, "DataPointColumns", "UL", "1", NO_NUMBER),
        *(key for key in IMAGE_PROFILE_KEYS if key.keyword not in ("ImageType", "NumberOfFrames", "CalibrationImage")),
    ),
    "RAW DATA": (*CONTENT_AT, INSTANCE_NUMBER._replace(type="2")),
    "REGISTRATION": (*CONTENT_AT, *IDENTIFICATION),
    "FIDUCIAL": (*CONTENT_AT, *IDENTIFICATION),
    "HANGING PROTOCOL": (
        Key(0x00720002, "HangingProtocolName", "SH", "1", NO_TEXT),
        Key(0x00720004, "HangingProtocolDescription", "LO", "1", NO_TEXT),
        Key(0x00720006, "HangingProtocolLevel", "CS", "1", "SITE"),
        Key(0x00720008, "HangingProtocolCreator", "LO", "1", NO_TEXT),
        Key(0x0072000A, "HangingProtocolCreationDateTime", "DT", "1", NO_DATE),
        Key(0x0072000C, "HangingProtocolDefinitionSequence", "SQ", "1", None),
        Key(0x0072000E, "HangingProtocolUserIdentificationCodeSequence", "SQ", "2"),
        Key(0x00720014, "NumberOfPriorsReferenced", "US", "1", NO_NUMBER),
    ),
    "ENCAP DOC": (
        CONTENT_DATE._replace(type="2"),
        CONTENT_TIME._replace(type="2"),
        INSTANCE_NUMBER,
        Key(0x00420010, "DocumentTitle", "ST", "2"),
        HL7_INSTANCE,
        CONCEPT_NAME._replace(type="2"),
        Key(0x00420012, "MIMETypeOfEncapsulatedDocument", "LO", "1", "application/octet-stream"),
    ),
    "VALUE MAP": (*CONTENT_AT, *IDENTIFICATION),
    "STEREOMETRIC": IDENTIFICATION,
    "PALETTE": (CONTENT_LABEL, CONTENT_DESCRIPTION),
    "IMPLANT": (
        MANUFACTURER,
        Key(0x00221095, "ImplantName", "LO", "1", NO_TEXT),
        Key(0x00221097, "ImplantPartNumber", "LO", "1", NO_TEXT),
        Key(0x00686210, "ImplantSize", "LO", "1C"),
    ),
    "IMPLANT ASSY": (
        MANUFACTURER,
        Key(0x00760001, "ImplantAssemblyTemplateName", "LO", "1", NO_TEXT),
        Key(0x00760020, "ProcedureTypeCodeSequence", "SQ", "1", NO_CODE),
    ),
    "IMPLANT GROUP": (
        Key(0x00780001, "ImplantTemplateGroupName", "LO", "1", NO_TEXT),
        Key(0x00780010, "ImplantTemplateGroupDescription", "ST", "3"),
        Key(0x00780020, "ImplantTemplateGroupIssuer", "LO", "1", NO_TEXT),
    ),
    "PLAN": (),
    "MEASUREMENT": (*CONTENT_AT, *IDENTIFICATION),
    "SURFACE": (*CONTENT_AT, *IDENTIFICATION),
    "SURFACE SCAN": CONTENT_AT,
    "TRACT": (*CONTENT_AT, *IDENTIFICATION),
    "ASSESSMENT": (
        INSTANCE_NUMBER,
        Key(0x00080012, "InstanceCreationDate", "DA", "1", NO_DATE),
        Key(0x00080013, "InstanceCreationTime", "TM", "2"),
    ),
    "RADIOTHERAPY": (
        INSTANCE_NUMBER,
        Key(0x30100033, "UserContentLabel", "SH", "1C"),
        Key(0x30100034, "UserContentLongLabel", "LO", "1C"),
        CONTENT_DESCRIPTION,
        CREATOR_NAME,
    ),
    "ANNOTATION": (*CONTENT_AT, *IDENTIFICATION),
    "INVENTORY": (
        *CONTENT_AT,
        Key(0x00080400, "ScopeOfInventorySequence", "SQ", "2"),
        Key(0x00080401, "InventoryPurpose", "LT", "2"),
        Key(0x00080403, "InventoryLevel", "CS", "1", NO_TEXT),
        Key(0x00080426, "InventoryCompletionStatus", "CS", "1", NO_TEXT),
        Key(0x00080428, "TotalNumberOfStudyRecords", "UV", "1", NO_NUMBER),
    ),
    "WF PRESENTATION": (
        INSTANCE_NUMBER,
        CONTENT_LABEL,
        CONTENT_DESCRIPTION,
        CREATOR_NAME,
        Key(0x00700082, "PresentationCreationDate", "DA", "1", NO_DATE),
        Key(0x00700083, "PresentationCreationTime", "TM", "1", NO_TIME),
        Key(0x00081115, "ReferencedSeriesSequence", "SQ", "1C"),
    ),
}

ROOT_TYPES = frozenset({"HANGING PROTOCOL", "PALETTE", "IMPLANT", "IMPLANT ASSY", "IMPLANT GROUP", "INVENTORY"})
"""Records that lie in the root, beside PATIENT (PS3.3 Table F.4-1)."""

STORAGE = "1.2.840.10008.5.1.4.1.1."

# By SOP class, written after STORAGE; all other standard storage classes are IMAGE.
_BY_SUFFIX: dict[str, str] = {
    "SR DOCUMENT": "88.1 88.2 88.3 88.4 88.11 88.22 88.33 88.34 88.35 88.40 88.50 88.65 88.67 88.68 88.69 88.70 88.71"
    " 88.72 88.73 88.74 88.75 88.76 88.77 78.6 79.1",
    "PRESENTATION": "11.1 11.2 11.3 11.4 11.5 11.6 11.7 11.8 11.9 11.10 11.11 11.12 131",
    "WAVEFORM": "9.1 9.1.1 9.1.2 9.1.3 9.1.4 9.2.1 9.3.1 9.4.1 9.4.2 9.5.1 9.6.1 9.6.2 9.7.1 9.7.2 9.7.3 9.7.4 9.8.1",
    "RT DOSE": "481.2",
    "RT STRUCTURE SET": "481.3",
    "RT PLAN": "481.5 481.8",
    "RT TREAT RECORD": "481.4 481.6 481.7 481.9",
    "KEY OBJECT DOC": "88.59",
    "REGISTRATION": "66.1 66.3",
    "FIDUCIAL": "66.2",
    "RAW DATA": "66",
    "SPECTROSCOPY": "4.2",
    "ENCAP DOC": "104.1 104.2 104.3 104.4 104.5",
    "VALUE MAP": "67",
    "STEREOMETRIC": "77.1.5.3",
    "SURFACE": "66.5",
    "MEASUREMENT": "78.1 78.2 78.3 78.4 78.5 78.7 78.8 80.1",
    "PLAN": "481.25",
    "SURFACE SCAN": "68.1 68.2",
    "TRACT": "66.6",
    "ASSESSMENT": "90.1",
    "RADIOTHERAPY": "481.10 481.11 481.12 481.13 481.14 481.15 481.16 481.17 481.18 481.19 481.20 481.21 481.22",
    "ANNOTATION": "91.1",
    "INVENTORY": "201.1",
    "WF PRESENTATION": "9.100.1 9.100.2",
}

RECORD_TYPE_BY_CLASS: dict[str, str] = {
    "1.2.840.10008.5.1.1.29": "IMAGE",  # Hardcopy Grayscale and Color Image Storage, retired
    "1.2.840.10008.5.1.1.30": "IMAGE",
    "1.2.840.10008.5.1.4.38.1": "HANGING PROTOCOL",
    "1.2.840.10008.5.1.4.39.1": "PALETTE",
    "1.2.840.10008.5.1.4.43.1": "IMPLANT",
    "1.2.840.10008.5.1.4.44.1": "IMPLANT ASSY",
    "1.2.840.10008.5.1.4.45.1": "IMPLANT GROUP",
    "1.2.840.10008.5.1.4.34.1": "PLAN",
    "1.2.840.10008.5.1.4.34.7": "PLAN",
    "1.2.840.10008.5.1.4.34.10": "PLAN",
    **{STORAGE + suffix: name for name, suffixes in _BY_SUFFIX.items() for suffix in suffixes.split()},
}

_WITHOUT_RECORD = ("200.", "501.")  # procedure protocols and their approval, DICOS: Annex F names no record for them
_RETIRED_WITH_RECORD = frozenset({"8", "9", "10", "11", "129"})
"""Standalone Overlay, Curve, Modality LUT, VOI LUT and PET Curve: objects and record types were retired in 2004. IMAGE
records would be untrue, and over records of their old types some present readers give up the whole directory."""


def record_type(SOPClassUID: str) -> str | None:
    """The directory record type of a SOP class; None for private classes and those Annex F has no record for."""
    named = RECORD_TYPE_BY_CLASS.get(SOPClassUID)
    if named is not None or not SOPClassUID.startswith(STORAGE):
        return named
    suffix = SOPClassUID[len(STORAGE) :]
    return None if suffix.startswith(_WITHOUT_RECORD) or suffix in _RETIRED_WITH_RECORD else "IMAGE"
