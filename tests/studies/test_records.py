"""Directory record parts and search keys, from data sets of every kind."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode

from appliance.legible import legible
from appliance.studies import elements, pacs, record_tables, records
from appliance.studies.charset import character_set
from appliance.studies.keys import InstanceKeys, instance_keys
from appliance.studies.record_tables import INSTANCE_KEYS, STORAGE, record_type
from tests.media import made

SYNTAX = "1.2.840.10008.1.2.1"


def values(body: bytes) -> dict[int, bytes]:
    """Elements of a record part by tag, without padding."""
    return {tag: value.strip(b" \0") for tag, _, value in elements.walk(body)}


def described(dataset: Dataset, charset: str = "") -> records.DirectoryRecords:
    return records.describe(made.as_read(dataset), charset)


def overwrite(dataset: Dataset, tag: int, value: bytes) -> None:
    """Let a raw element have another value than a library would write."""
    found: Any = dataset.get_item(tag)
    dataset._dict[found.tag] = found._replace(value=value, length=len(value))


@pytest.mark.parametrize("kind", INSTANCE_KEYS)
def test_every_record_type_has_all_its_keys(kind: str) -> None:
    found = described(made.of_kind(kind))
    assert (found.record_type, found.supplied, found.missing) == (kind, (), ())
    tags = values(found.instance)
    for key in INSTANCE_KEYS[kind]:
        if key.type == "1":
            assert tags[key.tag] or key.vr == "US"
        elif key.type == "2":
            assert key.tag in tags


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (STORAGE + "66.4", "IMAGE"),
        (STORAGE + "77.1.6", "IMAGE"),
        (STORAGE + "481.1", "IMAGE"),
        (STORAGE + "88.67", "SR DOCUMENT"),
        (STORAGE + "88.59", "KEY OBJECT DOC"),
        (STORAGE + "88.4", "SR DOCUMENT"),
        *((STORAGE + suffix, None) for suffix in ("8", "9", "10", "11", "129")),
        ("1.2.840.10008.5.1.1.29", "IMAGE"),
        (STORAGE + "200.1", None),
        (STORAGE + "501.1", None),
        ("1.2.3.4.5", None),
        ("", None),
    ],
)
def test_the_sop_class_decides_the_record_type(sop_class: str, kind: str | None) -> None:
    assert record_type(sop_class) == kind


def test_of_a_report_only_concept_modifiers_and_the_last_verification_are_told() -> None:
    found = described(made.report())
    tags = values(found.instance)
    assert tags[0x0040A030] == b"20260105120000"
    assert b"English" in tags[0x0040A730]
    assert b"quite well" not in found.pack()


def test_of_two_concept_names_the_first_is_the_report_s() -> None:
    """The directory has a single one (PS3.3 F.5.25)."""
    two = [made.code("18782-3", "LN", "Radiology Report"), made.code("18748-4", "LN", "Diagnostic imaging report")]
    found = values(described(made.report(ConceptNameCodeSequence=two)).instance)[0x0040A043]
    assert b"Radiology Report" in found and b"Diagnostic" not in found


def test_an_unverified_report_has_no_verification_time() -> None:
    report = made.report(VerificationFlag="UNVERIFIED", VerifyingObserverSequence=None, ContentSequence=None)
    assert not {0x0040A030, 0x0040A730} & values(described(report).instance).keys()


@pytest.mark.parametrize("told", [None, "", "yesterday"])
def test_a_verified_report_that_does_not_say_when_gets_the_placeholder(told: str | None) -> None:
    """Without it no disc passes its check (Type 1C, PS3.3 F.5.25)."""
    report = made.as_read(made.report())
    for observer in report.VerifyingObserverSequence:
        observer._dict.pop(0x0040A030)
        if told is not None:
            observer.add_new(0x0040A030, "LO", told)
    found = records.describe(report)
    assert values(found.instance)[0x0040A030] == b"19000101"
    assert "VerificationDateTime" in found.supplied


def test_type_1_keys_are_supplied_and_listed() -> None:
    found = described(made.report(InstanceNumber=None, ConceptNameCodeSequence=None, ContentDate=""))
    assert set(found.supplied) == {"InstanceNumber", "ConceptNameCodeSequence", "ContentDate"}
    tags = values(found.instance)
    assert (tags[0x00200013], tags[0x00080023]) == (b"0", b"19000101")
    assert b"99APPLIANCE" in tags[0x0040A043]


def test_keys_nobody_can_supply_are_named() -> None:
    protocol = made.changed(made.of_kind("HANGING PROTOCOL"), HangingProtocolDefinitionSequence=None)
    assert described(protocol).missing == ("HangingProtocolDefinitionSequence",)


def test_study_keys_are_not_supplied_before_the_siblings_are_known() -> None:
    found = described(made.image(StudyID=None, PatientID=""))
    assert 0x00200010 not in values(found.study)
    assert 0x00100020 not in values(found.patient)


def test_profile_keys_of_enhanced_images_come_from_the_shared_groups() -> None:
    image = made.image(ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None, NumberOfFrames=1)
    group, measures, plane, reference = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, plane.ImageOrientationPatient = [0.25, 0.25], [1, 0, 0, 0, 1, 0]
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = made.CT, "1.2.3"
    reference.PurposeOfReferenceCodeSequence = [made.code()]
    group.PixelMeasuresSequence, group.PlaneOrientationSequence = [measures], [plane]
    group.ReferencedImageSequence = [reference]
    image.SharedFunctionalGroupsSequence = [group]
    tags = values(described(image).instance)
    assert tags[0x00280030] == b"0.25\\0.25"
    assert 0x00200037 in tags
    assert 0x00200032 not in tags
    assert b"1.2.3" in tags[0x00081140]
    assert b"Document Title" not in tags[0x00081140]


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_dates_and_times_of_old_are_written_as_today() -> None:
    tags = values(described(made.image(StudyDate="1997.04.24", StudyTime="14:04:38.5")).study)
    assert (tags[0x00080020], tags[0x00080030]) == (b"19970424", b"140438.5")


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_a_time_finer_than_the_standard_has_it_is_cut_not_lost() -> None:
    assert values(described(made.image(StudyTime="140438.1234567")).study)[0x00080030] == b"140438.123456"


@pytest.mark.parametrize(
    ("tag", "wrong"),
    [
        (0x00080020, b"31/12/1999"),
        (0x00080020, b"00000000"),
        (0x00080020, b"00010101"),
        (0x00080020, b"19991301"),
        (0x00080030, b"250000"),
        (0x00080030, b"noon"),
        (0x00080060, "КТ".encode()),
        (0x00200011, b"3a"),
        (0x00200013, b"1.0"),
    ],
    ids=["date", "no-date", "first-date", "month-13", "hour-25", "time", "code", "number", "fraction"],
)
def test_a_date_time_or_code_that_is_none_does_not_get_into_the_directory(tag: int, wrong: bytes) -> None:
    """Other readers make numbers of dates: one that is none may cost the whole disc."""
    dataset = made.as_read(made.image())
    overwrite(dataset, tag, wrong)
    found = records.describe(dataset)
    assert wrong not in found.study + found.series + values(found.instance)[0x00200013]


def test_what_a_profile_demands_of_an_image_stays_without_its_unreadable_letters() -> None:
    """Its check misses Image Type where the image has one (PS3.11 Table D.3-2), and the whole disc was not made."""
    dataset = made.as_read(made.image())
    overwrite(dataset, 0x00080008, "ORIGINAL\\PRIMÄR".encode("latin-1"))
    assert values(records.describe(dataset).instance)[0x00080008] == b"ORIGINAL\\PRIM_R"


def test_related_general_class_is_kept() -> None:
    assert described(made.image(RelatedGeneralSOPClassUID="1.2.3")).related_class == "1.2.3"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_give_the_same_records(syntax: str) -> None:
    report, image = made.report(), made.image(Rows=300, Columns=16)
    for dataset in (report, image):
        assert records.describe(made.as_read(dataset, syntax)) == described(dataset)


def test_packing_loses_nothing() -> None:
    found = described(made.report(InstanceNumber=None))
    assert records.DirectoryRecords.unpack(found.pack()) == found


NAMES = [
    ("ISO_IR 144", "Люкceмбypг"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
    ("ISO_IR 100", "Conceição^João"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
    (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ("ISO_IR 203", "Œuvre^Žan"),
]


@pytest.mark.parametrize(("charset", "name"), NAMES)
def test_names_of_any_script_keep_their_bytes_and_their_set(charset: str | list[str], name: str) -> None:
    read = made.as_read(made.image(SpecificCharacterSet=charset, PatientName=name))
    raw = bytes(read.get_item(0x00100010).value)
    found = records.describe(read)
    tags = values(found.patient)
    assert tags[0x00100010] == raw.strip(b" ")
    assert tags[0x00080005].decode().split("\\") == ([charset] if isinstance(charset, str) else charset)
    if "ISO 2022 IR 13" not in charset:  # there a backslash is a yen sign
        assert 0x00080005 not in values(found.study), "a part of ASCII only needs no character set"
    assert instance_keys(read, SYNTAX).PatientName == name


def test_the_escape_before_chinese_does_not_stay_in_the_name() -> None:
    """ISO 2022 IR 58: each component that has Chinese in it begins with its escape sequence (PS3.5 annex K)."""
    read = made.as_read(made.image(SpecificCharacterSet=["", "ISO 2022 IR 58"]))
    name = "张^小东"
    written = b"^".join(b"\x1b$)A" + part.encode("gb2312") for part in name.split("^"))
    overwrite(read, 0x00100010, b"Zhang^XiaoDong=" + written)
    assert instance_keys(read, SYNTAX).PatientName == "Zhang^XiaoDong=" + name
    assert legible("\x1b$)A小东\x1b$)A王") == "小东王"


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize("declared", [None, "ISO_IR 6", "ISO_IR 100", "WINDOWS-1251"])
def test_a_false_or_absent_character_set_gives_way_to_the_assumed_one(declared: str | None) -> None:
    name = "Иванов^Пётр"
    read = made.as_read(made.image(SpecificCharacterSet=declared))
    overwrite(read, 0x00100010, name.encode("utf-8"))
    found = records.describe(read, "ISO_IR 192")
    assert values(found.patient)[0x00080005] == b"ISO_IR 192"
    keys = instance_keys(read, SYNTAX, "ISO_IR 192")
    assert (keys.PatientName, keys.charset_source) == (name, "assumed")


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize(
    ("declared", "meant"),
    [
        ("ISO-IR 144", "ISO_IR 144"),
        ("ISO IR 144", "ISO_IR 144"),
        ("iso_ir 144", "ISO_IR 144"),
        ("ISO_IR_144", "ISO_IR 144"),
        ("ISO 2022-IR 144", "ISO 2022 IR 144"),
        ("ISO_IR 144\\ISO_IR 100", "ISO 2022 IR 144\\ISO 2022 IR 100"),
        ("ISO_IR 6\\ISO 2022 IR 144", "ISO 2022 IR 6\\ISO 2022 IR 144"),
        ("ISO_IR 192\\ISO 2022 IR 144", "ISO_IR 192"),
    ],
)
def test_a_character_set_that_is_nearly_written_right_is_known_and_written_right(declared: str, meant: str) -> None:
    """Guessing made Western letters of Cyrillic; other readers do not know the set of a directory record."""
    name = "Иванов^Пётр"
    read = made.as_read(made.image(SpecificCharacterSet="ISO_IR 100"))
    extended = "ISO 2022 IR 6" in meant
    written = name.encode("utf-8" if "192" in meant else "iso8859_5")
    read.SpecificCharacterSet = declared.split("\\")
    overwrite(read, 0x00100010, b"^".join(b"\x1b-L" + part for part in written.split(b"^")) if extended else written)
    found = values(records.describe(read).patient)
    assert found[0x00080005].decode() == meant
    assert instance_keys(read, SYNTAX).PatientName == name


def test_without_any_hint_utf_8_is_tried_before_latin_1() -> None:
    assert character_set(b"", "é".encode()).SpecificCharacterSet == ("ISO_IR 192",)
    assert character_set(b"", b"\xe9").SpecificCharacterSet == ("ISO_IR 100",)
    assert character_set(b"", b"\xe9").source == "guessed"


def test_keys_for_search_are_complete_and_survive_json() -> None:
    keys = instance_keys(made.as_read(made.image(7, rows=8, columns=4)), SYNTAX)
    assert (keys.PatientID, keys.StudyID, keys.Modality, keys.InstanceNumber) == ("P-1", "S1", "CT", "7")
    assert (keys.Rows, keys.Columns, keys.SOPClassUID, keys.pixel_bytes) == (8, 4, made.CT, 64)
    assert keys.ImageType == "ORIGINAL\\PRIMARY\\AXIAL"
    assert InstanceKeys.from_json(keys.to_json()) == keys


def test_damaged_values_do_not_stop_the_index() -> None:
    read = made.as_read(made.image(NumberOfFrames=1))
    for tag, value in ((0x00280008, b"many"), (0x00100010, b"\xff\xfe"), (0x00280010, b"")):
        overwrite(read, tag, value)
    keys = instance_keys(read, SYNTAX)
    assert (keys.NumberOfFrames, keys.Rows) == (0, 0)
    assert records.describe(read).supplied == ("Rows",)


def test_tables_name_each_key_as_the_dictionary_does() -> None:
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    tables = (record_tables.PATIENT_KEYS, record_tables.STUDY_KEYS, record_tables.SERIES_KEYS, *INSTANCE_KEYS.values())
    for key in (key for table in tables for key in table):
        assert (keyword_for_tag(key.tag), dictionary_VR(key.tag)) == (key.keyword, key.vr)


def test_numbers_under_other_vrs_are_read_as_what_they_are() -> None:
    dataset = made.image(1)
    for tag, vr, value in (
        (0x00200011, "SS", 7),
        (0x00200013, "US", 5),
        (0x00280008, "US", 1),
        (0x00280010, "UL", 16),
        (0x00280011, "IS", "16"),
    ):
        dataset[tag] = DataElement(tag, vr, value)
    found = described(dataset)
    tags = values(found.instance)
    assert found.supplied == ()
    assert (tags[0x00200013], tags[0x00280008]) == (b"5", b"1")
    assert (tags[0x00280010], tags[0x00280011]) == (b"\x10", b"\x10")
    assert values(found.series)[0x00200011] == b"7"


def test_a_number_that_can_not_be_one_is_none() -> None:
    dataset = made.image(1)
    dataset[0x00280010] = DataElement(0x00280010, "LO", "many")
    assert elements.value_bytes(made.as_read(dataset), 0x00280010, "US") == b""


@pytest.mark.parametrize("implicit", [True, False])
def test_counts_of_an_archive_are_read_whatever_their_vr(implicit: bool) -> None:
    match = Dataset()
    match[0x00201208] = DataElement(0x00201208, "US" if not implicit else "IS", 5)
    match.Rows = 512
    match = decode(BytesIO(encode(match, implicit, True) or b""), implicit, True)
    assert pacs.texts(match, "") == {"NumberOfStudyRelatedInstances": "5", "Rows": "512"}


def test_of_a_match_what_cannot_be_read_is_left_out() -> None:
    match = Dataset()
    match.StudyDescription, match.InstanceNumber = "CT", 5
    match["InstanceNumber"]._value = "\u5e30"  # pydicom reads it so where a length was damaged, and can't write it
    assert pacs.texts(match, "") == {"StudyDescription": "CT"}
