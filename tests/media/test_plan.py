"""The plan of a disc: names, sizes, splitting, refusals, conflicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import UsageError
from appliance.media import build, patients, profiles
from appliance.media.file_id import file_id, is_file_id, level_1_names
from appliance.media.obstacles import REFUSALS
from appliance.media.source import SourceInstance
from appliance.studies.keys import InstanceKeys
from tests.media import made
from tests.media.made import kept, planned


def alter(source: SourceInstance, **values: object) -> SourceInstance:
    """The same instance with other keys, or other facts of the file."""
    facts = {key: values.pop(key) for key in ("sha256", "data_set_size") if key in values}
    return replace(source, keys=replace(source.keys, **values), **facts)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> SourceInstance:
    return kept(tmp_path_factory.mktemp("kept"), made.image())


def many(one: SourceInstance, studies: int, series: int, count: int, size: int = 1000) -> list[SourceInstance]:
    return [
        alter(
            one,
            StudyInstanceUID=f"1.{study}",
            SeriesInstanceUID=f"1.{study}.{number}",
            SOPInstanceUID=f"1.{study}.{number}.{index}",
            InstanceNumber=str(index),
            data_set_size=size,
        )
        for study in range(studies)
        for number in range(series)
        for index in range(count)
    ]


def test_file_ids_are_unique_and_never_more_than_a_thousand_a_folder() -> None:
    for count in (1, 1000, 1001, 2500):
        names = [file_id(index, count) for index in range(count)]
        assert len(set(names)) == count
        assert all(is_file_id(name) for name in names)
        folders = [name[:-1] for name in names]
        assert max(folders.count(folder) for folder in set(folders)) <= 1000
    assert is_file_id(file_id(1_234_567, 2_000_000))


def test_any_names_become_level_1_names_no_two_alike() -> None:
    paths = [
        "index.html",
        "index.htmx",
        "Index.html",
        "a-very-long-name.jpeg",
        "viewer/ä.js",
        "viewer/ö.js",
        ".hidden",
        "DICOM",
    ]
    names = level_1_names(paths)
    found = [names[path] for path in paths]
    assert len(set(found)) == len(paths)
    assert found[0] == "INDEX.HTM"
    assert "DICOM" not in found


def test_the_plan_sorts_and_names_what_comes(one: SourceInstance) -> None:
    plan = planned(list(reversed(many(one, 2, 2, 12))))
    (volume,) = plan.volumes
    assert plan.ready
    assert [placed.source.keys.SOPInstanceUID for placed in volume.placed][:2] == ["1.0.0.0", "1.0.0.1"]
    assert [entry.record_type for entry in volume.entries][:4] == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    assert len({placed.file_id for placed in volume.placed}) == 48
    assert json.loads(json.dumps(plan.to_json()))["volumes"][0]["bytes"] == volume.size


def test_studies_stay_together_where_they_fit(one: SourceInstance) -> None:
    plan = planned(many(one, 3, 2, 10, 10_000), medium="cd:700000")
    studies = [{placed.source.keys.StudyInstanceUID for placed in volume.placed} for volume in plan.volumes]
    assert len(plan.volumes) == 2
    assert sum(len(each) for each in studies) == 3, "no study is on two discs"
    assert [volume.file_set_id for volume in plan.volumes] == ["TESTDISC_1", "TESTDISC_2"]
    assert all(volume.size <= 700_000 for volume in plan.volumes)


def test_a_study_too_large_is_split_by_series_then_by_instance(one: SourceInstance) -> None:
    by_series = planned(many(one, 1, 4, 10, 10_000), medium="cd:400000")
    series = [{placed.source.keys.SeriesInstanceUID for placed in volume.placed} for volume in by_series.volumes]
    assert sum(len(each) for each in series) == 4
    by_instance = planned(many(one, 1, 1, 40, 10_000), medium="cd:250000")
    placed = [placed for volume in by_instance.volumes for placed in volume.placed]
    assert len(by_instance.volumes) > 1
    assert len(placed) == len({each.source.keys.SOPInstanceUID for each in placed}) == 40
    assert all(volume.size <= 250_000 for volume in by_instance.volumes)


def test_room_is_kept_for_content(one: SourceInstance) -> None:
    sources = many(one, 1, 4, 10, 10_000)
    content = (("README.TXT", 3000), ("VIEWER/INDEX.HTM", 200_000))
    lean = planned(sources, medium="cd:700000")
    full = planned(sources, medium="cd:700000", content=content, content_ratio=1 / 3, content_per_instance=100)
    assert (len(lean.volumes), len(full.volumes)) == (1, 2)


def test_splitting_can_be_forbidden(one: SourceInstance) -> None:
    plan = planned(many(one, 3, 1, 10, 10_000), medium="cd:400000", split=False)
    assert not plan.ready
    assert "splitting is not allowed" in plan.refused[0].reason


def test_an_instance_larger_than_the_medium_is_refused_by_name(one: SourceInstance) -> None:
    large = alter(one, SOPInstanceUID="1.9", data_set_size=1_000_000)
    plan = planned([one, large], medium="cd:500000")
    assert [note.SOPInstanceUID for note in plan.refused] == ["1.9"]
    assert "does not fit" in plan.refused[0].reason
    huge = planned([alter(one, data_set_size=1 << 32)], "STD-GEN-USB-JPEG", "usb")
    assert "4 GiB" in huge.refused[0].reason


@pytest.mark.parametrize(
    ("profile", "medium", "syntax", "decompressed", "refused"),
    [
        ("STD-GEN-CD", "cd-700", "1.2.840.10008.1.2.1", 0, 0),
        ("STD-GEN-CD", "cd-700", "1.2.840.10008.1.2", 1, 0),
        ("STD-GEN-CD", "cd-700", "1.2.840.10008.1.2.4.70", 1, 0),
        ("STD-CTMR-CD", "cd-700", "1.2.840.10008.1.2.4.70", 0, 0),
        ("STD-GEN-DVD-JPEG", "dvd", "1.2.840.10008.1.2.4.50", 0, 0),
        ("STD-GEN-DVD-JPEG", "dvd", "1.2.840.10008.1.2.4.80", 1, 0),
        ("STD-GEN-DVD-JPEG", "dvd", "1.2.840.10008.1.2.4.90", 1, 0),
        ("STD-GEN-DVD-J2K", "dvd", "1.2.840.10008.1.2.4.90", 0, 0),
        ("STD-GEN-USB-J2K", "usb", "1.2.840.10008.1.2.5", 1, 0),
        ("STD-GEN-ZIP-MAIL", "zip", "1.2.840.10008.1.2.4.80", 0, 0),
        ("STD-GEN-CD", "cd-700", "1.2.840.10008.1.2.4.102", 0, 1),
        ("AUG-GEN-DVD-VIDEO", "dvd", "1.2.840.10008.1.2.4.102", 0, 0),
    ],
)
def test_profiles_decide_what_is_decompressed(
    one: SourceInstance, profile: str, medium: str, syntax: str, decompressed: int, refused: int
) -> None:
    plan = planned([alter(one, TransferSyntaxUID=syntax)], profile, medium)
    assert (len(plan.decompress), len(plan.refused)) == (decompressed, refused)
    if refused:
        assert "AUG-GEN" in plan.refused[0].proposal


@pytest.mark.parametrize(
    ("syntax", "proposal"), [("1.2", "STD-GEN-CD"), ("1.2.4.102", "AUG-GEN-CD-VIDEO"), ("1.2.4.94", "")]
)
def test_a_class_the_profile_does_not_take_is_named_and_only_what_takes_it_proposed(
    one: SourceInstance, syntax: str, proposal: str
) -> None:
    radiograph = alter(one, SOPClassUID=made.record_tables.STORAGE + "1", TransferSyntaxUID="1.2.840.10008." + syntax)
    (note,) = planned([radiograph], "STD-CTMR-CD").refused
    assert (note.reason.split(" (")[0], note.proposal) == (
        "STD-CTMR-CD does not allow SOP class Computed Radiography Image Storage",
        proposal,
    )


def test_profiles_and_media_that_do_not_belong_together_are_refused(one: SourceInstance) -> None:
    for profile, medium in (("STD-GEN-CD", "dvd"), ("STD-GEN-BD", "dvd"), ("STD-GEN-CD", "floppy"), ("NO", "cd-700")):
        with pytest.raises(UsageError):
            planned([one], profile, medium)
    with pytest.raises(UsageError, match="UDF 2.5"):
        profiles.profile("STD-GEN-BD-JPEG")
    with pytest.raises(UsageError):
        planned([one], file_set_id="lower case")


def test_classes_without_a_record_are_left_out_or_refused(tmp_path: Path, one: SourceInstance) -> None:
    private = kept(tmp_path, made.image(2, SOPClassUID="1.2.3.4"))
    assert [note.SOPInstanceUID for note in planned([one, private]).left_out] == [private.keys.SOPInstanceUID]
    assert not planned([one, private], refuse_without_record=True).ready


def test_what_is_to_be_left_out_is_left_out_with_its_reason(one: SourceInstance) -> None:
    other = alter(one, SOPInstanceUID="1.5")
    plan = planned([one, other], leave_out=(("1.5", "rejected for quality"),))
    assert (plan.instances, plan.left_out[0].reason) == (1, "rejected for quality")


def test_supplied_keys_are_listed_by_level(tmp_path: Path) -> None:
    bare = kept(tmp_path, made.image(InstanceNumber=None, StudyID="", PatientID="", SeriesNumber=None))
    reasons = [note.reason for note in planned([bare]).supplied]
    assert reasons == ["InstanceNumber", "PATIENT: PatientID", "STUDY: StudyID", "SERIES: SeriesNumber"]


def test_a_study_id_of_one_image_serves_all(tmp_path: Path) -> None:
    plan = planned([kept(tmp_path, made.image(1, StudyID="")), kept(tmp_path, made.image(2, StudyID="REAL"))])
    study = next(entry for entry in plan.volumes[0].entries if entry.record_type == "STUDY")
    assert b"REAL" in study.body
    assert not plan.supplied


# conflicts


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("DOE^JANE", "Doe^Jane^^", True),
        ("DOE^JANE", "DOE^JANE=山田", True),
        ("Yamada^Tarou=山田^太郎", "山田^太郎", True),
        ("DOE^JANE", "", True),
        ("DOE^JANE", "DOE^JOHN", False),
        ("DOE^JANE", "DOE^JANE^M", False),
        ("山田^太郎", "Иванов^Пётр", False),
        ("ＤＯＥ^ＪＡＮＥ", "Doe^Jane", True),
    ],
)
def test_names_are_compared_as_people_compare_them(one: str, other: str, same: bool) -> None:
    assert patients.same_name(one, other) is same


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"PatientName": "DOE^JOHN"}, "patient"),
        ({"PatientBirthDate": "19800301"}, "patient"),
        ({"PatientSex": "M"}, "patient"),
        ({"IssuerOfPatientID": "ELSEWHERE"}, None),
        ({"PatientName": "doe^jane^"}, None),
        ({"PatientBirthDate": ""}, None),
        ({"PatientID": "P-2"}, "study"),
        ({"PatientID": "P-2", "StudyInstanceUID": "1.77", "SeriesInstanceUID": "1.77.1"}, "several-patients"),
    ],
)
def test_conflicts_stop_for_a_person(one: SourceInstance, values: dict[str, str], kind: str | None) -> None:
    plan = planned([one, alter(one, SOPInstanceUID="1.5", **values)])
    assert {conflict.kind for conflict in plan.conflicts} >= ({kind} if kind else set())
    assert plan.ready is (kind is None)
    for conflict in plan.conflicts:
        assert len(conflict.sides) == 2


def test_a_decision_holds_for_those_very_sides(one: SourceInstance) -> None:
    two = alter(one, SOPInstanceUID="1.5", PatientName="DOE^JANE^M")
    (conflict,) = planned([one, two]).conflicts
    decided = frozenset({conflict.decision})
    assert planned([one, two], decisions=decided).ready
    third = alter(one, SOPInstanceUID="1.6", PatientName="ROE^RICHARD")
    assert not planned([one, two, third], decisions=decided).ready


def test_a_study_under_two_ids_is_filed_once_when_a_person_says_so(one: SourceInstance) -> None:
    sources = [one, alter(one, SOPInstanceUID="1.5", PatientID="P-2")]
    decisions = frozenset(conflict.decision for conflict in planned(sources).conflicts)
    plan = planned(sources, decisions=decisions)
    types = [entry.record_type for entry in plan.volumes[0].entries]
    assert (types.count("PATIENT"), types.count("STUDY")) == (1, 1)


def test_a_merged_study_passes_the_check(tmp_path: Path) -> None:
    sources = [kept(tmp_path / "in", made.image(2)), kept(tmp_path / "in", made.image(1, PatientID="P-2"))]
    decisions = frozenset(conflict.decision for conflict in planned(sources).conflicts)
    plan = planned(sources, decisions=decisions)
    (done,) = build.build(plan, tmp_path / "out")
    assert done.instances == 2
    assert b"P-1" in plan.volumes[0].entries[0].body, "the one that came first"


def test_objects_without_a_patient_are_no_second_patient(tmp_path: Path) -> None:
    protocol = made.of_kind("HANGING PROTOCOL", 2)
    for keyword in (
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "SeriesInstanceUID",
    ):
        delattr(protocol, keyword)
    sources = [kept(tmp_path / "in", made.image()), kept(tmp_path / "in", protocol)]
    plan = planned(sources)
    assert plan.ready
    assert [entry.level for entry in plan.volumes[0].entries] == [0, 0, 1, 2, 3]
    assert build.build(plan, tmp_path / "out")[0].instances == 2


def test_a_study_stays_together_though_its_instances_disagree_about_its_date(one: SourceInstance) -> None:
    sources = [alter(source, StudyDate=f"2026010{number % 3 + 1}") for number, source in enumerate(many(one, 2, 1, 12))]
    studies = [placed.source.keys.StudyInstanceUID for placed in planned(sources).volumes[0].placed]
    assert studies == sorted(studies)


def test_a_series_in_two_studies_is_refused(one: SourceInstance) -> None:
    other = alter(one, StudyInstanceUID="1.88", SOPInstanceUID="1.5")
    assert "two studies" in planned([one, other]).refused[0].reason


def test_the_same_instance_twice_is_kept_once_and_another_content_stops(one: SourceInstance) -> None:
    assert (planned([one, one]).instances, len(planned([one, one]).left_out)) == (1, 1)
    other = alter(one, sha256="0" * 64)
    (conflict,) = planned([one, other]).conflicts
    assert conflict.kind == "instance"
    chosen = planned([one, other], decisions=frozenset({f"instance:{one.keys.SOPInstanceUID}={'0' * 64}"}))
    assert chosen.ready
    assert chosen.volumes[0].placed[0].source.sha256 == "0" * 64


def test_patients_without_an_id_are_not_thrown_together() -> None:
    def nameless(**values: str) -> InstanceKeys:
        return InstanceKeys.from_json({"TransferSyntaxUID": "", "SOPClassUID": "", "SOPInstanceUID": "", **values})

    jane = nameless(PatientName="DOE^JANE", PatientBirthDate="19800229")
    again = nameless(PatientName="Doe^Jane", PatientBirthDate="19800229")
    john = nameless(PatientName="DOE^JOHN")
    assert patients.patient_id(jane) == patients.patient_id(again) != patients.patient_id(john)
    first, second = nameless(StudyInstanceUID="1"), nameless(StudyInstanceUID="2")
    assert patients.patient_id(first) != patients.patient_id(second)


def test_each_refusal_has_the_status_of_the_standard(one: SourceInstance) -> None:
    keyless = replace(one, records=replace(one.records, missing=("VerificationFlag",)))
    classless = replace(one, records=replace(one.records, record_type=""))
    plans = {
        "INST_OVERSIZED": planned([alter(one, data_set_size=1_000_000)], medium="cd:500000"),
        "SET_OVERSIZED": planned(many(one, 3, 1, 10, 10_000), medium="cd:400000", split=False),
        "INST_AP_CONFLICT": planned([classless], refuse_without_record=True),
        "DIR_PROC_ERR": planned([keyless]),
        "PROC_FAILURE": planned([one, alter(one, StudyInstanceUID="1.88", SOPInstanceUID="1.5")]),
    }
    assert [REFUSALS[plan.refused[0].obstacle][0] for plan in plans.values()] == [*plans]
