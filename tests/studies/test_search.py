"""Finding studies as people look for them."""

from __future__ import annotations

import pytest

from appliance.errors import NotFoundError, UsageError
from appliance.store.store import Store
from appliance.studies import normal, search
from appliance.studies.intake import Intake
from appliance.studies.search import Query
from tests.media import made
from tests.studies.arrivals import SCANNER, arrival

pytestmark = pytest.mark.both_databases

PEOPLE = {
    1: ("MÜLLER^JÜRGEN", "A-100", "ISO_IR 192"),
    2: ("Иванова^Анна", "B-200", "ISO_IR 192"),
    3: ("Wang^XiaoMing=王^小明", "C-300", "ISO_IR 192"),
    4: ("Yamada^Tarou=山田^太郎=やまだ^たろう", "D-400", "ISO_IR 192"),
    5: ("O'Neill-Smith^Mary Ann", "E 500/7", ""),
    6: ("Şahin^Çağla", "F-600", "ISO_IR 192"),
}


@pytest.fixture
def filled(store: Store) -> Store:
    intake = Intake(store)
    for study, (name, identifier, charset) in PEOPLE.items():
        values = {"PatientName": name, "PatientID": identifier, "AccessionNumber": f"ACC{study}", "study": study}
        if charset:
            values["SpecificCharacterSet"] = charset
        values["StudyDate"] = f"2026010{study}"
        intake.take(arrival(store, made.image(1, **values)), SCANNER)
    report = made.report(1, StudyDescription="Knee left", PatientName="Şahin^Çağla", PatientID="F-600")
    report.StudyInstanceUID, report.SeriesInstanceUID = f"{made.ROOT}.6", f"{made.ROOT}.6.7"
    report.SpecificCharacterSet = "ISO_IR 192"
    intake.take(arrival(store, report), SCANNER)
    return store


def numbers(store: Store, query: Query) -> list[int]:
    return [int(each["study_instance_uid"].rsplit(".", 1)[1]) for each in search.find_studies(store, query)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("müller", [1]),
        ("MULLER jurg", [1]),
        ("jürgen mül", [1]),
        ("ivanova", []),
        ("иванова", [2]),
        ("АННА", [2]),
        ("小明", [3]),
        ("王小明", []),
        ("王 小明", [3]),
        ("明", [3]),
        ("wang", [3]),
        ("やまだ", [4]),
        ("ヤマダ", []),
        ("neill", [5]),
        ("smith mary", [5]),
        ("sahin cagla", [6]),
        ("e5007", [5]),
        ("C-300", [3]),
        ("acc2", [2]),
        ("knee", [6]),
        ("nobody", []),
        ("", [6, 5, 4, 3, 2, 1]),
        ("100%", [1]),
        ("' OR 1=1 --", []),
    ],
)
def test_free_text_finds_any_script_by_the_beginnings_of_words(filled: Store, text: str, found: list[int]) -> None:
    assert numbers(filled, Query(text=text)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(patient_name="acc"), []),
        (Query(accession_number="ACC"), [6, 5, 4, 3, 2, 1]),
        (Query(patient_id="b200"), [2]),
        (Query(modality="SR"), [6]),
        (Query(modality="ct", text="sahin"), [6]),
        (Query(since="2026-01-03", until="20260104"), [4, 3]),
        (Query(until="202601"), [6, 5, 4, 3, 2, 1]),
        (Query(source="SCANNER", limit=2), [6, 5]),
        (Query(source="OTHER"), []),
    ],
)
def test_fields_narrow_the_search(filled: Store, query: Query, found: list[int]) -> None:
    assert numbers(filled, query) == found


def test_pages_follow_each_other_without_gap(filled: Store) -> None:
    seen: list[int] = []
    before = None
    while rows := search.find_studies(filled, Query(limit=4, before=before)):
        seen += [row["page"] for row in rows]
        before = rows[-1]["page"]
    assert seen == sorted(seen, reverse=True) and len(seen) == 6


def test_wrong_questions_are_answered_in_words(filled: Store) -> None:
    with pytest.raises(UsageError, match="no date"):
        search.find_studies(filled, Query(since="yesterday"))
    with pytest.raises(NotFoundError, match="no study"):
        search.show_study(filled, "1.2.3")


def test_a_study_is_shown_with_its_series(filled: Store) -> None:
    shown = search.show_study(filled, f"{made.ROOT}.6")
    assert shown["modalities"] == ["CT", "SR"]
    assert [(each["modality"], each["instances"]) for each in shown["series_list"]] == [("CT", 1), ("SR", 1)]
    assert shown["series_list"][0]["first_instance"] == f"{made.ROOT}.6.1.1"


def test_words_of_long_and_odd_names_are_bounded() -> None:
    assert all(len(word) <= normal.LONGEST for word in normal.indexed("x" * 5000 + " " + "王" * 500))
    assert normal.words("  ^^ == \\ ") == []
    assert normal.fold("ﬁﬃ ①Ａ") == "fiffi 1a"
