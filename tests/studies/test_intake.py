"""What the intake keeps, refuses, keeps aside, and writes into the index."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from appliance.config import Settings
from appliance.errors import NotFoundError, RefusedError
from appliance.store.store import Store, open_store
from appliance.studies import looking, removal, search
from appliance.studies.intake import Intake
from appliance.studies.keys import instance_keys
from appliance.studies.record_tables import INSTANCE_KEYS
from appliance.studies.records import describe
from appliance.studies.selection import selected
from tests.media import made
from tests.network.conftest import eventually
from tests.studies.arrivals import SCANNER, arrival, arrival_of, files_of
from tests.support.away import lost_once

STUDY = f"{made.ROOT}.1"
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
@pytest.mark.parametrize("kind", INSTANCE_KEYS)
def test_keys_and_records_of_every_kind_are_as_if_the_whole_file_were_read(
    store: Store, intake: Intake, kind: str, syntax: str
) -> None:
    dataset = made.of_kind(kind)
    intake.take(arrival(store, dataset, syntax), SCANNER)
    [found] = selected(store, instances=[dataset.SOPInstanceUID])
    read = made.as_read(made.of_kind(kind), syntax)
    assert found.keys == instance_keys(read, syntax)
    assert found.records == describe(made.as_read(made.of_kind(kind), syntax))


@pytest.mark.both_databases
def test_the_same_instance_again_is_known_and_kept_once(store: Store, intake: Intake) -> None:
    outcomes = [intake.take(arrival(store, made.image(1)), SCANNER).outcome for _ in range(3)]
    assert outcomes == ["stored", "known", "known"]
    assert len(files_of(store)) == 1
    assert search.show_study(store, STUDY)["instances"] == 1


def test_instances_whose_commit_was_lost_sight_of_keep_their_files(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several were committed together, nobody could say whether, and each is tried again alone: its row is there."""
    lost_once(monkeypatch, "study")
    outcomes: list[str] = []

    def take(number: int) -> None:
        outcomes.append(intake.take(arrival(store, made.image(number)), SCANNER).outcome)

    threads = [threading.Thread(target=take, args=(number,)) for number in (1, 2)]
    with intake._batch._working:
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(intake._batch._queue) == 2)
    for thread in threads:
        thread.join(10)
    assert outcomes == ["stored", "stored"]
    assert len(files_of(store)) == 2, "acknowledged, and gone"
    assert search.show_study(store, STUDY)["instances"] == 2


@pytest.mark.both_databases
def test_other_bytes_under_a_uid_are_kept_aside_and_flagged(store: Store, intake: Intake) -> None:
    first = intake.take(arrival(store, made.image(1)), SCANNER)
    other = made.image(1, InstanceNumber=77)
    assert [intake.take(arrival(store, other), SCANNER).outcome for _ in range(2)] == ["kept-aside", "known"]
    found = search.show_study(store, STUDY)
    assert (found["instances"], found["kept_aside"]) == (1, 1)
    both = selected(store, instances=[first.sop_instance_uid])
    assert [(each.keys.InstanceNumber, each.kept_aside) for each in both] == [("1", False), ("77", True)]
    with store.database.read() as connection:
        events = connection.exec_driver_sql("SELECT event, object_id FROM audit").all()
    assert ("instance-kept-aside", first.sop_instance_uid) in events


def test_a_person_decides_which_content_counts(store: Store, intake: Intake, clerk: object) -> None:
    uid = intake.take(arrival(store, made.image(1)), SCANNER).sop_instance_uid
    intake.take(arrival(store, made.image(1, InstanceNumber=77)), SCANNER)
    _, other = selected(store, instances=[uid])
    removal.decide_content(store, uid, other.sha256, clerk)  # type: ignore[arg-type]
    [left] = selected(store, instances=[uid])
    assert (left.keys.InstanceNumber, left.kept_aside) == ("77", False)
    found = search.show_study(store, STUDY)
    assert (found["instances"], found["kept_aside"], len(files_of(store))) == (1, 0, 1)
    with pytest.raises(NotFoundError):
        removal.decide_content(store, uid, "00" * 32, clerk)  # type: ignore[arg-type]


def test_a_lost_file_is_healed_when_the_instance_comes_again(store: Store, intake: Intake) -> None:
    intake.take(arrival(store, made.image(1)), SCANNER)
    files_of(store)[0].unlink()
    assert intake.take(arrival(store, made.image(1)), SCANNER).outcome == "stored"
    [found] = selected(store, studies=[STUDY])
    assert Path(found.path).is_file() and search.show_study(store, STUDY)["instances"] == 1


REFUSED = {
    "another class than announced": ({}, {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"}, 0xA900),
    "another instance than announced": ({}, {"sop_instance_uid": "1.2.3"}, 0xA900),
    "no study": ({"StudyInstanceUID": None}, {}, 0xC001),
    "no series": ({"SeriesInstanceUID": None}, {}, 0xC001),
    "a study UID with letters": ({"StudyInstanceUID": "1.2.x"}, {}, 0xC001),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_filed_is_refused_and_nothing_is_left(store: Store, intake: Intake, case: str) -> None:
    changes, announced, status = REFUSED[case]
    with pytest.raises(RefusedError) as refusal:
        intake.take(arrival(store, made.image(1, **changes), **announced), SCANNER)
    assert refusal.value.dimse_status == status
    assert files_of(store) == [] and search.find_studies(store, search.Query()) == []


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _bad_length(content: bytes) -> bytes:
    return content.replace(b"\x10\x00\x10\x00PN\x08\x00", b"\x10\x00\x10\x00PN\xf0\xff")


def _no_vr(content: bytes) -> bytes:
    return content.replace(b"\x10\x00\x10\x00PN", b"\x10\x00\x10\x00\x01\x02")


def _deep(content: bytes) -> bytes:
    nested = b"\x09\x00\x10\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    start = content.index(b"\x10\x00\x10\x00PN")
    return content[:start] + nested * 5000 + content[start:]


def _empty(content: bytes) -> bytes:
    return content[: content.index(b"\x08\x00\x05\x00" if b"\x08\x00\x05\x00" in content else b"\x08\x00\x08\x00")]


@pytest.mark.parametrize("damage", [_cut, _bad_length, _no_vr, _deep, _empty])
def test_malformed_data_sets_are_refused_with_c000(store: Store, intake: Intake, damage: object) -> None:
    content = damage(made.as_file(made.image(1)))  # type: ignore[operator]
    with pytest.raises(RefusedError) as refusal:
        intake.take(arrival_of(store, content), SCANNER)
    assert refusal.value.dimse_status == 0xC000
    assert files_of(store) == []


def test_when_the_disk_is_short_nothing_is_taken(tmp_path: Path) -> None:
    short = open_store(tmp_path / "d", settings=Settings.model_validate({"storage": {"reserve_mib": 1 << 40}}))
    with pytest.raises(RefusedError) as refusal:
        Intake(short).take(arrival(short, made.image(1)), SCANNER)
    assert refusal.value.dimse_status == 0xA700
    short.close()


@pytest.mark.both_databases
def test_many_senders_at_once_are_all_indexed_and_counted(store: Store, intake: Intake) -> None:
    waiting = [[arrival(store, made.image(n, study=s)) for n in range(1, 11)] for s in range(1, 9)]
    failed: list[BaseException] = []

    def send(arrivals: list[object]) -> None:
        try:
            for each in arrivals:
                intake.take(each, SCANNER)  # type: ignore[arg-type]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=send, args=(arrivals,)) for arrivals in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = search.find_studies(store, search.Query())
    assert [(each["instances"], each["series"]) for each in found] == [(10, 1)] * 8
    assert len(files_of(store)) == 80


@pytest.mark.parametrize(
    ("assumed", "name"), [("ISO_IR 144", "Иванов^Иван"), ("cp1251", "Иванов^Иван"), ("gb18030", "王^小明")]
)
def test_a_peers_assumed_set_reads_names_that_declare_none(
    store: Store, intake: Intake, assumed: str, name: str
) -> None:
    raw = name.encode({"ISO_IR 144": "iso8859_5"}.get(assumed, assumed))
    raw += b" " * (len(raw) % 2)
    dataset = made.image(1, PatientName="X" * len(raw))
    content = made.as_file(dataset).replace(b"X" * len(raw), raw)
    intake.take(arrival_of(store, content, assumed_charset=assumed), SCANNER)
    [study] = search.find_studies(store, search.Query(text=name[:3]))
    assert study["patient_name"] == name
    [found] = selected(store, studies=[STUDY])
    assert found.keys.SpecificCharacterSet in ("ISO_IR 144", "ISO_IR 192")
    assert found.records.patient.startswith(b"\x08\x00\x05\x00CS")


def test_two_patients_in_one_study_are_both_found_and_counted(store: Store, intake: Intake) -> None:
    intake.take(arrival(store, made.image(1)), SCANNER)
    intake.take(arrival(store, made.image(2, PatientName="ROE^RICHARD", PatientID="P-2")), SCANNER)
    for text in ("roe", "doe", "p2", "P-1"):
        [study] = search.find_studies(store, search.Query(text=text))
        assert study["identities"] == 2


@pytest.mark.both_databases
def test_deleting_a_study_removes_rows_and_files(store: Store, intake: Intake, clerk: object) -> None:
    intake.take(arrival(store, made.image(1)), SCANNER)
    intake.take(arrival(store, made.image(1, study=2)), SCANNER)
    assert removal.delete_study(store, STUDY, clerk) == 1  # type: ignore[arg-type]
    assert [each["study_instance_uid"] for each in search.find_studies(store, search.Query())] == [f"{made.ROOT}.2"]
    assert len(files_of(store)) == 1
    with pytest.raises(NotFoundError):
        removal.delete_study(store, STUDY, clerk)  # type: ignore[arg-type]


def test_frames_without_end_are_not_counted_out(store: Store, intake: Intake) -> None:
    """An instance of 300 bytes took all the memory of who looked at its series."""
    dataset = made.image(1)
    dataset.NumberOfFrames = "999999999"
    taken = intake.take(arrival(store, dataset), SCANNER)
    places = looking.frames_of_series(store, str(dataset.SeriesInstanceUID))
    assert {place.sop_instance_uid for place in places} == {taken.sop_instance_uid}
    assert [place.frame for place in places] == list(range(1, looking.MOST_SHOWN + 1))
