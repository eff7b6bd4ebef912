"""Anonymous copies: nothing identifying is left, what belongs together stays together, pixels stay byte for byte."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit

from appliance.errors import ApplianceError, UsageError
from appliance.media.deidentify import DeidentifyOptions, deidentify, needs_a_look
from appliance.pixels import DamagedPixelsError
from appliance.studies.keys import InstanceKeys
from tests.media import made as made_up
from tests.media.content_helpers import document
from tests.pixels.conftest import SHIPPED, grey

OPTIONS = DeidentifyOptions(key=b"0123456789abcdef")
SECRET = "SECRETIVE"
# picked by hand from PS3.15 table E.1-1, to be independent of the table the code uses
IDENTIFYING = {
    "PatientName": f"{SECRET}^Ann", "PatientID": SECRET, "OtherPatientIDs": SECRET, "OtherPatientNames": SECRET,
    "PatientBirthName": SECRET, "PatientMotherBirthName": SECRET, "PatientAddress": SECRET,
    "PatientTelephoneNumbers": SECRET, "PatientComments": SECRET, "EthnicGroup": SECRET, "Occupation": SECRET,
    "AdditionalPatientHistory": SECRET, "MilitaryRank": SECRET, "AccessionNumber": SECRET, "StudyID": SECRET,
    "InstitutionName": SECRET, "InstitutionAddress": SECRET, "InstitutionalDepartmentName": SECRET,
    "StationName": SECRET, "ReferringPhysicianName": SECRET, "ReferringPhysicianAddress": SECRET,
    "PerformingPhysicianName": SECRET, "OperatorsName": SECRET, "PhysiciansOfRecord": SECRET,
    "NameOfPhysiciansReadingStudy": SECRET, "RequestingPhysician": SECRET, "StudyDescription": SECRET,
    "SeriesDescription": SECRET, "ProtocolName": SECRET, "ImageComments": SECRET, "StudyComments": SECRET,
    "RequestedProcedureDescription": SECRET, "RequestedProcedureID": SECRET, "AdmissionID": SECRET,
    "PerformedProcedureStepID": SECRET, "ScheduledProcedureStepDescription": SECRET, "DeviceSerialNumber": SECRET,
    "DerivationDescription": SECRET, "ClinicalTrialSubjectID": SECRET, "IssuerOfPatientID": SECRET,
    "PatientInsurancePlanCodeSequence": None, "RequestAttributesSequence": None,
}  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., pydicom.FileDataset]:
    """Save a data set, make it anonymous, read it again."""

    def make(source: Dataset | Path, options: DeidentifyOptions = OPTIONS) -> pydicom.FileDataset:
        path = source if isinstance(source, Path) else tmp_path / "in.dcm"
        if isinstance(source, Dataset):
            source.save_as(path, enforce_file_format=True)
        deidentify(path, tmp_path / "out.dcm", options)
        return pydicom.dcmread(tmp_path / "out.dcm")

    return make


def identifying() -> Dataset:
    dataset = grey(np.arange(64, dtype=np.uint16).reshape(8, 8), Modality="CT")
    item = Dataset()
    item.RequestedProcedureDescription = item.CodeMeaning = item.PatientName = SECRET
    for keyword, value in IDENTIFYING.items():
        setattr(dataset, keyword, Sequence([item]) if value is None else value)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
    dataset.StudyDate, dataset.PatientBirthDate, dataset.StudyTime = "20261120", "19610203", "101112"
    dataset.AcquisitionDateTime, dataset.PatientSex, dataset.PatientWeight = "20261120101112.5", "F", "70"
    dataset.private_block(0x0009, "MAKER", create=True).add_new(1, "LO", SECRET)
    dataset.add_new(0x60000010, "US", 8)
    dataset.add_new(0x60000022, "LO", SECRET)
    dataset.add_new(0x60003000, "OW", SECRET.encode() + b"X")
    return dataset


def test_nothing_identifying_is_left_anywhere_in_the_file(made: Callable, tmp_path: Path) -> None:
    result = made(identifying())
    data = (tmp_path / "out.dcm").read_bytes()
    assert SECRET.encode() not in data
    assert not any(old in data for old in (b"1.2.3\0", b"1.2.3.4", b"20261120", b"19610203", b"MAKER"))
    assert data[:128] == bytes(128)
    assert str(result.PatientName).startswith("Anonymous^ANON") and result.PatientID.startswith("ANON")
    assert (result.PatientIdentityRemoved, result.LongitudinalTemporalInformationModified) == ("YES", "REMOVED")
    assert [item.CodeValue for item in result.DeidentificationMethodCodeSequence] == ["113100"]
    assert result.PatientSex == "" and "PatientWeight" not in result


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "693_J2KI.dcm", "ExplVR_BigEnd.dcm", "MR_small_implicit.dcm", "examples_ybr_color.dcm",
     "MR_small_RLE.dcm", "image_dfl.dcm", "rtdose.dcm", "SC_rgb_small_odd_big_endian.dcm"],
)  # fmt: skip
def test_pixel_data_stays_byte_for_byte(made: Callable, tmp_path: Path, name: str) -> None:
    before, after = pydicom.dcmread(SHIPPED / name), made(SHIPPED / name)
    comment = b"Created by GDCM/OpenJPEG version 2.3.0"
    assert after.PixelData == before.PixelData.replace(comment, bytes(len(comment)))
    assert after.SOPInstanceUID == after.file_meta.MediaStorageSOPInstanceUID != before.SOPInstanceUID
    subprocess.run(["dcmdump", "-q", tmp_path / "out.dcm"], check=True, capture_output=True)


def jpeg(pixels: np.ndarray) -> bytes:
    """As a camera writes it: a comment, where and when it was taken, something behind the end."""
    file = io.BytesIO()
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0" + SECRET.encode()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, comment=SECRET.encode(), exif=exif)
    return file.getvalue() + SECRET.encode()


@pytest.mark.parametrize("fragments", [1, 40])
def test_nothing_is_told_beside_compressed_pixels(made: Callable, tmp_path: Path, fragments: int) -> None:
    before = grey(np.zeros((2, 64, 64), np.uint8), Modality="XC", SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.4")
    frames = [jpeg(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64) // (2 - k)) for k in range(2)]
    before.PixelData = encapsulate(frames, fragments_per_frame=fragments)
    before["PixelData"].is_undefined_length = True
    before.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    after = made(before)
    assert SECRET.encode() not in (tmp_path / "out.dcm").read_bytes()
    assert len(after.PixelData) == len(before.PixelData)
    now = list(generate_frames(after.PixelData, number_of_frames=2))
    assert all(
        np.array_equal(Image.open(io.BytesIO(old)), Image.open(io.BytesIO(new)))
        for old, new in zip(frames, now, strict=True)
    )


@pytest.mark.parametrize("boxed", [False, True])
def test_comments_of_jpeg_2000_are_not_kept(made: Callable, tmp_path: Path, boxed: bool) -> None:
    before = pydicom.dcmread(SHIPPED / "693_J2KI.dcm")
    frame = next(generate_frames(before.PixelData, number_of_frames=1)).replace(b"Created by GDCM", b"SECRETIVE      ")
    frame = frame[: frame.rindex(b"\xff\xd9") + 2] + b"SECRETIVE!"
    if boxed:
        boxes = [(b"jP  ", b"\r\n\x87\n"), (b"ftyp", b"jp2 \0\0\0\0jp2 "), (b"xml ", b"<SECRETIVE/>"), (b"jp2c", frame)]
        frame = b"".join((len(data) + 8).to_bytes(4, "big") + kind + data for kind, data in boxes)
    before.PixelData = encapsulate([frame])
    after = made(before)
    assert SECRET.encode() not in (tmp_path / "out.dcm").read_bytes()
    assert boxed or np.array_equal(after.pixel_array, before.pixel_array)


def test_what_lies_behind_uncompressed_pixels_is_not_kept(made: Callable, tmp_path: Path) -> None:
    before = grey(np.arange(64, dtype=np.uint16).reshape(8, 8), Modality="CT")
    pixels = before.PixelData
    before.PixelData = pixels + b"SECRETIVE!"
    assert made(before).PixelData == pixels + bytes(10)


def test_frames_that_are_none_are_not_passed_on(made: Callable) -> None:
    before = grey(np.zeros((8, 8), np.uint8), Modality="CT")
    before.PixelData = encapsulate([b"SECRETIVE!"])
    before["PixelData"].is_undefined_length = True
    before.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(DamagedPixelsError, match="no JPEG header"):
        made(before)


def test_who_and_when_in_attributes_the_table_leaves_out_do_not_pass(made: Callable, tmp_path: Path) -> None:
    dataset, item, issuer = identifying(), Dataset(), Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = "mri.hospital.example", "DNS"
    dataset.IssuerOfAccessionNumberSequence = dataset.OrderPlacerIdentifierSequence = [issuer]
    dataset.IssuerOfPatientIDQualifiersSequence = [issuer]
    dataset.PatientBirthDateInAlternativeCalendar, dataset.PatientAlternativeCalendar = "1339/11/14", "PERSIAN"
    dataset.CommentsOnTheScheduledProcedureStep = "wife of the mayor"
    dataset.add_new(0x00402006, "SH", "ORDER77")  # Placer Order Number of an Imaging Service Request, retired
    dataset.HL7InstanceIdentifier = "2.16.840.1^DOC77"
    item.EncryptedContent = b"enveloped!"
    dataset.EncryptedAttributesSequence = [item]
    made(dataset)
    data = (tmp_path / "out.dcm").read_bytes()
    told = (b"1339", b"PERSIAN", b"mayor", b"ORDER77", b"DOC77", b"enveloped!", b"hospital.example")
    assert not any(each in data for each in told)


def test_the_same_order_maps_the_same_uids_and_patient_alike(made: Callable) -> None:
    first, second = made(identifying()), made(identifying())
    assert first.StudyInstanceUID == second.StudyInstanceUID != "1.2.3"
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.PatientID == second.PatientID
    other = made(identifying(), replace(OPTIONS, key=b"another key of 24 bytes."))
    assert other.StudyInstanceUID != first.StudyInstanceUID and other.PatientID != first.PatientID
    assert re.fullmatch(r"2\.25\.[1-9]\d{1,38}", first.StudyInstanceUID)


def test_references_follow_the_instances_they_name(made: Callable) -> None:
    dataset, reference = identifying(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.ReferencedImageSequence = dataset.SourceImageSequence = Sequence([reference])
    result = made(dataset)
    for sequence in (result.ReferencedImageSequence, result.SourceImageSequence):
        assert sequence[0].ReferencedSOPInstanceUID == result.SOPInstanceUID
        assert sequence[0].ReferencedSOPClassUID == dataset.SOPClassUID


def test_dates_are_shifted_alike_and_birth_dates_are_not_kept(made: Callable) -> None:
    dataset = identifying()
    dataset.SeriesDate, dataset.ContentDate, dataset.CurveDate = "20261125", "2026", "2026"
    dataset.ReferencedStudySequence = item(ReferencedSOPClassUID="1.2.3", ReferencedSOPInstanceUID="1.2.3")
    result = made(dataset, replace(OPTIONS, dates="shift"))
    assert result.ContentDate == "19000101", "what can't be shifted is no reason to leave a Type 1 element empty"
    assert result.CurveDate == "" and "ReferencedStudySequence" not in result
    shifted = [np.datetime64(f"{d[:4]}-{d[4:6]}-{d[6:8]}") for d in (result.StudyDate, result.SeriesDate)]
    assert shifted[1] - shifted[0] == np.timedelta64(5, "D") and shifted[0] < np.datetime64("2026-10-22")
    assert result.AcquisitionDateTime == result.StudyDate + "101112.5" and result.StudyTime == "101112"
    assert result.PatientBirthDate == "" and result.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "113107" in [item.CodeValue for item in result.DeidentificationMethodCodeSequence]


def test_dates_can_be_kept_and_say_so(made: Callable) -> None:
    result = made(identifying(), replace(OPTIONS, dates="keep"))
    assert (result.StudyDate, result.PatientBirthDate) == ("20261120", "")
    assert result.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_descriptions_are_cleaned_of_names_and_numbers(made: Callable) -> None:
    dataset = identifying()
    dataset.StudyDescription = f"CT abdomen {SECRET.lower()}, Ann's 20261120 3mm"
    result = made(dataset, replace(OPTIONS, descriptors="clean"))
    assert result.StudyDescription == "CT abdomen , 's 3mm"
    assert "SeriesDescription" not in result or SECRET not in result.SeriesDescription


def test_device_and_characteristics_are_kept_only_by_choice(made: Callable) -> None:
    result = made(identifying(), replace(OPTIONS, keep_device=True, keep_characteristics=True))
    assert (result.StationName, result.PatientSex, result.PatientWeight) == (SECRET, "F", 70)
    codes = {item.CodeValue for item in result.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113108", "113109"}


def report(folder: Path) -> Path:
    text, name, root = Dataset(), Dataset(), Dataset()
    text.ValueType, text.TextValue, text.RelationshipType = "TEXT", "normal heart", "CONTAINS"
    name.ValueType, name.PersonName, name.RelationshipType = "PNAME", SECRET, "HAS OBS CONTEXT"
    root.VerifyingObserverName, root.VerifyingOrganization = SECRET, SECRET
    return document(folder, "sr.dcm", "1.2.840.10008.5.1.4.1.1.88.11", "SR", ContentSequence=Sequence([text, name]),
                    VerifyingObserverSequence=Sequence([root]))  # fmt: skip


def test_a_reports_text_stays_only_after_a_person_has_looked(made: Callable, tmp_path: Path) -> None:
    path = report(tmp_path)
    made(path)
    data = (tmp_path / "out.dcm").read_bytes()
    assert b"normal heart" not in data and SECRET.encode() not in data
    made(path, replace(OPTIONS, looked=True))
    data = (tmp_path / "out.dcm").read_bytes()
    assert b"normal heart" in data and SECRET.encode() not in data


def test_annotations_go_whole_and_a_waveform_keeps_its_samples(made: Callable) -> None:
    before, after = pydicom.dcmread(SHIPPED / "waveform_ecg.dcm"), made(SHIPPED / "waveform_ecg.dcm")
    assert after.WaveformSequence[0].WaveformData == before.WaveformSequence[0].WaveformData
    assert "WaveformAnnotationSequence" in before and "WaveformAnnotationSequence" not in after


def test_what_cannot_be_made_anonymous_leaves_no_file(tmp_path: Path) -> None:
    for name in ("MR_truncated.dcm", "badVR.dcm", "no_meta.dcm"):
        with pytest.raises(ApplianceError):
            deidentify(SHIPPED / name, tmp_path / "out.dcm", OPTIONS)
    assert list(tmp_path.iterdir()) == []


def test_graphics_in_unused_bits_of_the_pixels_do_not_pass(made: Callable, tmp_path: Path) -> None:
    """The pixels are copied byte for byte, and with them what an old scanner wrote into their highest bits."""
    dataset = grey(np.zeros((8, 8), np.uint16), BitsStored=12, HighBit=11)
    dataset.add_new(0x60000010, "US", 8)
    dataset.add_new(0x60000100, "US", 16)
    dataset.add_new(0x60000102, "US", 15)
    with pytest.raises(ApplianceError, match="graphics in unused bits"):
        made(dataset)
    assert not (tmp_path / "out.dcm").exists()


def test_a_short_key_is_refused() -> None:
    with pytest.raises(UsageError):
        DeidentifyOptions(key=b"short")


def item(**values: object) -> Sequence:
    """A sequence of one item."""
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return Sequence([found])


# free text of objects that are no images; those marked * table E.1-1 does not name, yet they may hold a name
TOLD = {
    "PRESENTATION": {
        "ContentLabel": SECRET,  # *
        "ContentDescription": f"Key images of {SECRET}",  # *
        "ContentCreatorName": f"{SECRET}^Creator",
        "GraphicAnnotationSequence": item(TextObjectSequence=item(UnformattedTextValue=SECRET)),
        "GraphicLayerSequence": item(GraphicLayer="L1", GraphicLayerDescription=f"by {SECRET}"),  # *
    },
    "KEY OBJECT DOC": {"ContentSequence": item(ValueType="TEXT", TextValue=f"see {SECRET}")},
    "SR DOCUMENT": {"ContentSequence": item(ValueType="PNAME", PersonName=SECRET, RelationshipType="HAS OBS CONTEXT")},
    "RT STRUCTURE SET": {
        "StructureSetLabel": SECRET,
        "StructureSetName": SECRET,
        "StructureSetROISequence": item(ROINumber=1, ROIName=SECRET, ROIDescription=SECRET),
        "RTROIObservationsSequence": item(ROIObservationLabel=SECRET, ROIInterpreter=SECRET),
    },
    "RT PLAN": {
        "RTPlanLabel": SECRET,
        "RTPlanName": SECRET,
        "BeamSequence": item(BeamName=f"{SECRET} AP", BeamDescription=SECRET, TreatmentMachineName=SECRET),  # *
        "DoseReferenceSequence": item(DoseReferenceDescription=SECRET),
        "ReviewerName": SECRET,
    },
    "IMAGE": {"SegmentSequence": item(SegmentLabel=SECRET, SegmentDescription=f"liver of {SECRET}")},  # *
    "ENCAP DOC": {"DocumentTitle": f"Letter about {SECRET}", "EncapsulatedDocument": SECRET.encode() + b"X"},
    "REGISTRATION": {"ContentLabel": SECRET, "ContentDescription": SECRET},
    "WAVEFORM": {"WaveformAnnotationSequence": item(UnformattedTextValue=SECRET)},
}  # fmt: skip


@pytest.mark.parametrize("dates", ["remove", "shift", "keep"])
@pytest.mark.parametrize("kind", TOLD)
def test_no_object_names_the_patient_in_its_free_text(made: Callable, tmp_path: Path, kind: str, dates: str) -> None:
    dataset = made_up.of_kind(kind)
    dataset.PatientName, dataset.PatientID = f"{SECRET}^Ann", "ID-778899"
    for keyword, value in TOLD[kind].items():
        setattr(dataset, keyword, value)
    source = tmp_path / "source.dcm"
    source.write_bytes(made_up.as_file(dataset))
    result = made(source, replace(OPTIONS, dates=dates))
    data = (tmp_path / "out.dcm").read_bytes()
    assert SECRET.encode() not in data and b"778899" not in data
    for keyword in ("ContentLabel", "StructureSetLabel", "RTPlanLabel"):  # Type 1: something has to stand there
        assert keyword not in result or result[keyword].value
    assert result.get("ContentDescription", "Key images of") in ("Key images of", "ANONYMIZED", "")


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田太郎の計測、やまだ様", "の計測、 様"),
        ("Wang^Ming=王^明", "王明的胸片", "的胸片"),  # one letter each: the whole name alone is looked for
        ("Kim^HuiJung=金^喜中=김^희중", "환자 김희중님", "환자 님"),
        ("אבוטבול^נתי", "צילום לנתי", "צילום ל"),  # "for Nati" is one word
        ("DOE^JANE", "DoeJane, chest", ", chest"),
    ],
)
@pytest.mark.parametrize("clean", ["ContentDescription", "SeriesDescription"])
def test_names_are_found_where_no_blank_parts_words(
    made: Callable, name: str, text: str, left: str, clean: str
) -> None:
    dataset = identifying()
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", name
    setattr(dataset, clean, text)
    assert made(dataset, replace(OPTIONS, descriptors="clean"))[clean].value == left


def test_uids_and_addresses_the_table_does_not_name_lead_nowhere(made: Callable, tmp_path: Path) -> None:
    dataset = identifying()
    dataset.SOPInstanceUIDOfConcatenationSource, dataset.VolumeFrameOfReferenceUID = "1.2.3.77", "1.2.3.5"
    dataset.ReferencedImageSequence = item(
        ReferencedSOPClassUID="1.2.840.113619.4.2",  # private: no UID of the standard, yet a kind
        ReferencedSOPInstanceUID="1.2.3.77",
        RetrieveURL="https://pacs.elsewhere.example/studies/1.2.3.99",
    )
    result = made(dataset)
    data = (tmp_path / "out.dcm").read_bytes()
    assert not any(old in data for old in (b"1.2.3.", b"elsewhere"))
    (reference,) = result.ReferencedImageSequence
    assert reference.ReferencedSOPClassUID == "1.2.840.113619.4.2"
    assert result.SOPInstanceUIDOfConcatenationSource == reference.ReferencedSOPInstanceUID == OPTIONS.uid("1.2.3.77")
    assert result.VolumeFrameOfReferenceUID == result.FrameOfReferenceUID


def test_what_no_dictionary_knows_is_not_kept(made: Callable, tmp_path: Path) -> None:
    dataset = identifying()
    dataset.add_new(0x00189FFE, "UN", SECRET.encode() + b" ")  # as Implicit VR has elements of an edition to come
    dataset.SourceImageSequence = item(ReferencedSOPInstanceUID="1.2.3.4.1")
    dataset.SourceImageSequence[0].add_new(0x00189FFE, "UN", SECRET.encode() + b" ")
    result = made(dataset)
    assert SECRET.encode() not in (tmp_path / "out.dcm").read_bytes() and 0x00189FFE not in result


def test_a_label_that_names_nobody_stays(made: Callable) -> None:
    dataset = identifying()
    dataset.ContentLabel, dataset.ContentDescription = "CHEST_AP", "Brown fat, chest window"
    dataset.AnatomicRegionSequence = item(CodeValue="1", CodingSchemeDesignator="SCT", CodeMeaning=f"{SECRET} fat")
    result = made(dataset)
    assert (result.ContentLabel, result.ContentDescription) == ("CHEST_AP", "Brown fat, chest window")
    assert result.AnatomicRegionSequence[0].CodeMeaning == f"{SECRET} fat", "a code is a code"


def told_by_dciodvfy(path: Path) -> set[str]:
    """Its errors without the values they quote."""
    command = ["dciodvfy", "-new", path]
    found = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    lines = (found.stdout + found.stderr).splitlines()
    return {re.sub(r"<[\d.]+>|2\.25\.\d+", "", line) for line in lines if line.startswith("Error")}


def slide() -> Dataset:
    """Specimens, whose sequences may be empty and not missing."""
    description = item(SpecimenIdentifier=SECRET, SpecimenUID="1.2.3.8", SpecimenPreparationSequence=item())
    description[0].IssuerOfTheSpecimenIdentifierSequence = item(LocalNamespaceEntityID=SECRET)
    issuer, kind = (
        item(LocalNamespaceEntityID=SECRET),
        item(CodeValue="1", CodingSchemeDesignator="SCT", CodeMeaning="s"),
    )
    return made_up.image(
        ContainerIdentifier=SECRET, IssuerOfTheContainerIdentifierSequence=issuer, ContainerTypeCodeSequence=kind,
        SpecimenDescriptionSequence=description, AcquisitionContextSequence=item(ValueType="TEXT", TextValue=SECRET),
    )  # fmt: skip


def signed_report() -> Dataset:
    observer = item(VerifyingObserverName=f"{SECRET}^A", VerifyingOrganization=SECRET, VerificationDateTime="20260102")
    observer[0].VerifyingObserverIdentificationCodeSequence = item(
        CodeValue=SECRET, CodingSchemeDesignator="99X", CodeMeaning=SECRET
    )
    request = item(RequestedProcedureID=SECRET, AccessionNumber=SECRET, StudyInstanceUID="1.2.3.9")
    request[0].ReferencedStudySequence = item(ReferencedSOPClassUID="1.2.3", ReferencedSOPInstanceUID="1.2.3.9")
    return made_up.report(VerifyingObserverSequence=observer, ReferencedRequestSequence=request)


REQUIRED: dict[str, tuple[Callable[[], Dataset], dict[str, bool]]] = {  # where -> whether it has to have a value
    "slide": (slide, {
        "AcquisitionContextSequence": False, "IssuerOfTheContainerIdentifierSequence": False,
        "SpecimenDescriptionSequence.IssuerOfTheSpecimenIdentifierSequence": False,
        "SpecimenDescriptionSequence.SpecimenPreparationSequence": False,
    }),
    "report": (signed_report, {
        "VerifyingObserverSequence.VerifyingObserverIdentificationCodeSequence": False,
        "VerifyingObserverSequence.VerifyingObserverName": True,
        "ReferencedRequestSequence.RequestedProcedureID": False,
        "ReferencedRequestSequence.ReferencedStudySequence": False,
    }),
    "presentation": (lambda: made_up.of_kind("PRESENTATION"), {
        "PresentationCreationDate": True, "PresentationCreationTime": True,
    }),
    "treatment": (lambda: made_up.changed(made_up.of_kind("RT TREAT RECORD"), ReferencedRTPlanSequence=item(
        ReferencedPatientSetupPhotoSequence=item(PatientSetupPhotoDescription=SECRET),
        RTAccessoryHolderSlotSequence=item(RTAccessoryHolderSlotID=SECRET),
        OperatorIdentificationSequence=item(ObserverType="PSN", PersonIdentificationCodeSequence=item(CodeValue="7")),
    )), {
        "ReferencedRTPlanSequence.ReferencedPatientSetupPhotoSequence.PatientSetupPhotoDescription": False,
        "ReferencedRTPlanSequence.RTAccessoryHolderSlotSequence.RTAccessoryHolderSlotID": True,
        "ReferencedRTPlanSequence.OperatorIdentificationSequence.ObserverType": True,
    }),
}  # fmt: skip


@pytest.mark.parametrize("kind", REQUIRED)
def test_what_the_kind_of_an_object_requires_is_still_there(made: Callable, tmp_path: Path, kind: str) -> None:
    """Type 2 stays, if empty; Type 1 has a value, though table E.1-1 would remove some of both."""
    make, required = REQUIRED[kind]
    source = tmp_path / "source.dcm"
    source.write_bytes(made_up.as_file(make()))
    result = made(source, replace(OPTIONS, looked=True))
    for where, needs_value in required.items():
        *path, keyword = where.split(".")
        holder = result
        for name in path:
            holder = holder[name].value[0]
        assert keyword in holder, where
        assert bool(holder[keyword].value) or not needs_value, where
    assert SECRET.encode() not in (tmp_path / "out.dcm").read_bytes()
    assert told_by_dciodvfy(tmp_path / "out.dcm") <= told_by_dciodvfy(source)


def test_terms_of_the_standard_stay_terms(made: Callable) -> None:
    dataset = identifying()
    dataset.OperatorIdentificationSequence = item(ObserverType="PSN", InstitutionName=SECRET)
    (operator,) = made(dataset).OperatorIdentificationSequence
    assert (operator.ObserverType, operator.InstitutionName) == ("PSN", "ANONYMIZED")


def test_options_keep_what_the_table_says(made: Callable) -> None:
    """Columns of table E.1-1: K for the option; a time of the satellites is kept by none."""
    dataset = identifying()
    dataset.TimezoneOffsetFromUTC, dataset.GPSTimeStamp, dataset.PatientSexNeutered = "+0100", "20261120", "ALTERED"
    dataset.DeviceDescription, dataset.UDISequence = "camera", item(UniqueDeviceIdentifier="(01)7")
    dataset.DateOfManufacture = "20200101"
    for dates in ("shift", "keep"):
        kept = made(dataset, replace(OPTIONS, dates=dates))
        assert kept.TimezoneOffsetFromUTC == "+0100" and "GPSTimeStamp" not in kept and "UDISequence" not in kept
    kept = made(dataset, replace(OPTIONS, keep_device=True, keep_characteristics=True))
    assert (kept.DeviceDescription, kept.PatientSexNeutered) == ("camera", "ALTERED")
    assert kept.UDISequence[0].UniqueDeviceIdentifier == "(01)7"
    assert "DateOfManufacture" not in kept and "TimezoneOffsetFromUTC" not in kept, "dates go the way of dates"


def test_a_cleaned_label_is_never_empty(made: Callable) -> None:
    dataset = identifying()
    dataset.RTPlanLabel, dataset.StudyDescription = SECRET, ""
    result = made(dataset, replace(OPTIONS, descriptors="clean"))
    assert (result.RTPlanLabel, result.StudyDescription) == ("ANONYMIZED", "")


@pytest.mark.parametrize(
    ("was", "dates", "told"),
    [
        ("REMOVED", "keep", "REMOVED"),
        ("MODIFIED", "keep", "MODIFIED"),
        ("MODIFIED", "shift", "MODIFIED"),
        ("UNMODIFIED", "shift", "MODIFIED"),
        ("MODIFIED", "remove", "REMOVED"),
        ("PERHAPS", "keep", "UNMODIFIED"),
    ],
)
def test_what_was_done_to_it_before_stays_said(made: Callable, was: str, dates: str, told: str) -> None:
    """PS3.15 E.1.1: codes are added; and dates that had been moved are not the true ones because we keep them."""
    dataset = identifying()
    dataset.LongitudinalTemporalInformationModified, dataset.DeidentificationMethod = was, "by hand"
    dataset.DeidentificationMethodCodeSequence = item(
        CodeValue="113101", CodingSchemeDesignator="DCM", CodeMeaning="Clean Pixel Data Option"
    )
    result = made(dataset, replace(OPTIONS, dates=dates))
    assert result.LongitudinalTemporalInformationModified == told
    assert [code.CodeValue for code in result.DeidentificationMethodCodeSequence][:2] == ["113101", "113100"]
    assert result.DeidentificationMethod[:2] == ["by hand", "Basic Application Confidentiality Profile"]


STORAGE = "1.2.840.10008.5.1.4.1.1."


@pytest.mark.parametrize(
    ("sop_class", "modality", "more", "reason"),
    [
        ("2", "CT", {}, None),
        ("4", "MR", {}, None),
        ("1.1", "DX", {}, None),
        ("66.4", "SEG", {}, None),
        ("2", "CT", {"BurnedInAnnotation": "YES"}, "burned into"),
        ("2", "CT", {"ImageType": "DERIVED\\SECONDARY\\SCREEN SAVE"}, "screen"),
        ("2", "CT", {"ImageType": "DERIVED\\SECONDARY\\SCREEN_SAVE"}, "screen"),
        ("2", "CT", {"SeriesDescription": "Dose Report"}, "screen"),
        ("2", "CT", {"SeriesDescription": "Patient Protocol"}, "screen"),
        ("2", "CT", {"SeriesDescription": "Thorax low dose"}, None),
        ("7", "CT", {}, "secondary capture"),
        ("7.4", "MR", {}, "secondary capture"),
        ("6.1", "US", {}, "ultrasound"),
        ("3.1", "US", {}, "ultrasound"),
        ("77.1.4", "XC", {}, "photograph"),
        ("77.1.1.1", "ES", {}, "endoscopy"),
        ("88.67", "SR", {}, "report"),
        ("104.1", "DOC", {}, "document"),
        ("1", "OT", {}, "modality is OT"),
    ],
)
def test_what_a_person_must_look_at(sop_class: str, modality: str, more: dict, reason: str | None) -> None:
    keys = InstanceKeys(
        TransferSyntaxUID="1", SOPClassUID=STORAGE + sop_class, SOPInstanceUID="1", Modality=modality, **more
    )
    said = needs_a_look(keys)
    assert said is None if reason is None else said is not None and reason in said
