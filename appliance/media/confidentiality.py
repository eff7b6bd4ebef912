"""Table E.1-1 of PS3.15 (Basic Application Level Confidentiality Profile) as data: what becomes of which attribute.

It is taken from the package dicom-anonymizer (edition 2026c); what it leaves open, and where it would leave an object
without what its IOD asks for, is decided here.
"""

from __future__ import annotations

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.tag import BaseTag, Tag


def _tags(*keywords: str) -> frozenset[BaseTag]:
    return frozenset(Tag(keyword) for keyword in keywords)


def _expanded() -> dict[BaseTag, str]:
    actions = {"X_TAGS": "X", "Z_TAGS": "Z", "D_TAGS": "D", "U_TAGS": "U", "Z_D_TAGS": "D", "X_Z_TAGS": "Z"}
    actions |= {"X_D_TAGS": "D", "X_Z_D_TAGS": "D", "X_Z_U_STAR_TAGS": "U"}
    found = ((entry, action) for name, action in actions.items() for entry in getattr(table, name))
    return {Tag(*entry): action for entry, action in found if len(entry) == 2}


# Which the table does not name though they say who, where or when: the birth date in another calendar, orders (two
# retired pairs), a clerk's comments, what another de-identification encrypted for its key's holder, whose numbers of
# patients and orders they are (a hospital's domain), IDs of documents and breeds
UNNAMED = {
    **dict.fromkeys(
        _tags(
            "PatientBirthDateInAlternativeCalendar",
            "PatientDeathDateInAlternativeCalendar",
            "PatientAlternativeCalendar",
            "PlacerOrderNumberProcedure",
            "FillerOrderNumberProcedure",
            "PlacerOrderNumberImagingServiceRequestRetired",
            "FillerOrderNumberImagingServiceRequestRetired",
            "CommentsOnTheScheduledProcedureStep",
            "EncryptedAttributesSequence",
            "IssuerOfAccessionNumberSequence",
            "IssuerOfPatientIDQualifiersSequence",
            "OrderPlacerIdentifierSequence",
            "OrderFillerIdentifierSequence",
        ),
        "X",
    ),
    **dict.fromkeys(_tags("HL7InstanceIdentifier", "BreedRegistrationNumber"), "D"),
}
# Against the table: Type 1 in presentation states, Type 2C of animals; and dummies would make drawings and annotations
# of nothing, whose sequences may be absent (so may X/Z, and has an item where it is there).
OURS = {
    **dict.fromkeys(_tags("PresentationCreationDate", "PresentationCreationTime"), "D"),
    **dict.fromkeys(_tags("ResponsiblePerson", "ResponsibleOrganization"), "Z"),
    **dict.fromkeys(_tags("GraphicAnnotationSequence", "WaveformAnnotationSequence", "ReferencedStudySequence"), "X"),
}
ACTIONS = _expanded() | UNNAMED | OURS
"""By tag; of alternatives the one that keeps the instance valid whatever the attribute's type."""

ITEM_ACTIONS = (
    ACTIONS
    | dict.fromkeys(
        _tags(
            "ReferencedStudySequence",
            "RequestedProcedureID",
            "ReasonForRequestedProcedureCodeSequence",
            "StudyDescription",
            "SourceManufacturer",
            "PatientSetupPhotoDescription",
            "PatientTreatmentPreparationProcedureParameterDescription",
            "PositionAcquisitionTemplateDescription",
            "PriorTreatmentDoseDescription",
        ),
        "Z",
    )
    | dict.fromkeys(_tags("SeriesDescription", "PositionAcquisitionTemplateName", "RTAccessoryHolderSlotID"), "D")
)
"""The same within sequences, where these are Type 2 or Type 1 though the table removes or empties them."""

MASKED = [entry for entry in table.ALL_TAGS if len(entry) == 4]
"""Its repeating groups (curves, overlay data and comments): group, element and their masks; all are removed."""

# Clean Descriptors Option (table E.1-1, column Clean Desc.): those that a clerk writes or a protocol names
DESCRIPTORS = _tags(
    "StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription",
    "PerformedProcedureStepDescription", "ContrastBolusAgent", "AcquisitionProtocolDescription",
    "AcquisitionDeviceProcessingDescription", "SegmentLabel", "ROIName", "StructureSetLabel", "RTPlanLabel",
)  # fmt: skip
# Retain Device Identity Option (column Rtn. Dev. Id. Opt., K); its dates go the way of all dates
DEVICE = _tags(
    "DeviceSerialNumber", "StationName", "DetectorID", "TreatmentMachineName", "GantryID", "PlateID", "CassetteID",
    "DeviceUID", "DeviceDescription", "DeviceLabel", "GeneratorID", "LensMake", "LensModel", "LensSerialNumber",
    "LensSpecification", "ManufacturerDeviceClassUID", "ManufacturerDeviceIdentifier", "ModifyingDeviceID",
    "ModifyingSystem", "PerformedStationGeographicLocationCodeSequence", "PerformedStationName",
    "PerformedStationNameCodeSequence", "ScheduledProcedureStepLocation",
    "ScheduledStationGeographicLocationCodeSequence", "ScheduledStationName", "ScheduledStationNameCodeSequence",
    "ScheduledStudyLocation", "SourceManufacturer", "SourceSerialNumber", "TransducerIdentificationSequence",
    "UDISequence", "UniqueDeviceIdentifier", "XRayDetectorID", "XRayDetectorLabel", "XRaySourceID",
)  # fmt: skip
# Retain Patient Characteristics Option (column Rtn. Pat. Chars. Opt., K)
CHARACTERISTICS = _tags("PatientSex", "PatientAge", "PatientSize", "PatientWeight", "PatientSexNeutered",
                        "EthnicGroup", "SmokingStatus", "PregnancyStatus")  # fmt: skip
# what a person who looked has let pass: text of reports and annotations, the document itself
CONTENT = _tags("ContentSequence", "TextValue", "EncapsulatedDocument", "DocumentTitle",
                "GraphicAnnotationSequence", "UnformattedTextValue")  # fmt: skip

NO_TIMES = _tags("PatientBirthDate", "PatientBirthTime", "GPSTimeStamp")
"""Dates and times no option keeps."""
TIMES = _tags("TimezoneOffsetFromUTC")
"""What is kept with dates, be they true or shifted; as is each TM of the table."""
STAMPS = _tags("FrameOriginTimestamp")
"""What is kept with true dates alone."""

# Free text the table does not name (Content Label, Content Description, Segment Label and so on) stays but for this
# patient's names and numbers. Codes are left alone: a patient may be called Brown.
FREE_TEXT = ("LO", "SH", "ST", "LT", "UT", "UC")
NOT_FREE = frozenset(Tag(0x0008, number) for number in range(0x0100, 0x0125))

# UIDs and addresses the table does not name are replaced as well, for they lead back to their originals (Retrieve URL,
# SOP Instance UID of Concatenation Source and so on); not these, which say what kind of thing or code something is
OF_KINDS = _tags(
    "SOPClassUID", "RelatedGeneralSOPClassUID", "OriginalSpecializedSOPClassUID", "SOPClassesInStudy",
    "SOPClassesSupported", "ReferencedSOPClassUID", "PertinentSOPClassesInStudy", "PertinentSOPClassesInSeries",
    "CodingSchemeUID", "CodingSchemeURL", "ContextGroupExtensionCreatorUID", "ContextUID", "MappingResourceUID",
    "URNCodeValue", "StoredInstanceTransferSyntaxUID", "AvailableTransferSyntaxUID", "FlowTransferSyntaxUID",
    "MACCalculationTransferSyntaxUID", "EncryptedContentTransferSyntaxUID", "SelectorUIValue",
    "RelativeURIReferenceWithinEncapsulatedDocument",
)  # fmt: skip
BY_VR = {"PN": "Z", "DA": "Z", "DT": "Z", "UI": "U", "UR": "D", "UN": "X"}
"""What becomes of an element the table does not name; of what the dictionary does not know either, nobody can say what
it holds."""

# PS3.15 E.3, CID 7050: what was done, by code
CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
}
TEMPORAL = {"keep": "UNMODIFIED", "shift": "MODIFIED", "remove": "REMOVED"}
"""Longitudinal Temporal Information Modified by what becomes of dates, from the least changed to the most."""

DUMMIES: dict[str, object] = {
    "PN": "Anonymous", "AS": "000Y", "DA": "19000101", "TM": "000000", "DT": "19000101000000", "IS": "0", "DS": "0",
    "UR": "http://anonymized.invalid", "OB": b"\0\0", "OW": b"\0\0", "UN": b"\0\0", "OF": bytes(4), "OD": bytes(8),
    "OL": bytes(4), "OV": bytes(8), **dict.fromkeys(("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"), 0),
}  # fmt: skip


def is_masked(tag: BaseTag) -> bool:
    """Whether the tag is in one of the table's repeating groups; without its data the rest of an overlay goes too."""
    return 0x6000 <= tag.group <= 0x60FF or any(
        tag.group & group_mask == group & group_mask and tag.element & mask == element & mask
        for group, element, group_mask, mask in MASKED
    )
