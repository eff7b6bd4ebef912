"""Query and retrieve against dcmqrscp: what is there, what came, what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.dicom.server import DicomServer
from appliance.errors import ApplianceError, DeviceError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store import retrievals, studies
from appliance.store.store import Store
from appliance.studies import completeness, fetching, pacs, removal, retrieving, search
from tests.media import made
from tests.studies.pacs import archive, send

STUDY = f"{made.ROOT}.1"
SaveFiles = Callable[..., Path]


@dataclass
class Archive:
    """An archive we know as "pacs", and its port."""

    port: int
    store: Store
    clerk: Actor

    def keep(self, folder: Path, *options: str) -> None:
        result = send(self.port, "PACS", folder, options=options)
        assert result.returncode == 0, result.stderr

    def query(self, level: str = "STUDY", **keys: str) -> list[dict[str, str]]:
        answer = pacs.query(self.store, "pacs", level, keys)
        assert answer.problem is None
        return answer.matches

    def fetch(self, study: str = STUDY, method: str = "auto", series: tuple[str, ...] = ()) -> dict[str, object]:
        """Retrieve and wait for its end."""
        number = retrieving.request_retrieve(self.store, "pacs", study, self.clerk, method=method, series=series)
        for _ in range(600):
            row = retrieving.get_retrieval(self.store, number)
            if row["state"] in ("completed", "aborted", "canceled"):
                return row
            time.sleep(0.05)
        raise AssertionError(row)


@pytest.fixture
def pacs_at(tmp_path: Path, store: Store, door: DicomServer, clerk: Actor) -> Iterator[Archive]:
    with archive(tmp_path / "pacs", door.port) as port:
        add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port), clerk)
        yield Archive(port, store, clerk)


def study_of(count: int, study: int = 1, series: int = 1) -> list[object]:
    return [made.image(number, study=study, series=series) for number in range(1, count + 1)]


@pytest.mark.parametrize("method", ["get", "move"])
def test_a_study_is_fetched_whole_and_known_to_be_complete(pacs_at: Archive, saved: SaveFiles, method: str) -> None:
    pacs_at.keep(saved(*study_of(5), *study_of(3, series=2)))
    row = pacs_at.fetch(method=method)
    assert (row["state"], row["done"], row["total"]) == ("completed", 8, 8)
    found = search.show_study(pacs_at.store, STUDY)
    assert (found["instances"], found["series"], found["complete"]) == (8, 2, True)
    assert (found["expected"], found["expected_by"], found["retrieved_from"]) == (8, "image-level", "pacs")


def test_what_is_missing_is_said_and_fetched_again(pacs_at: Archive, saved: SaveFiles) -> None:
    pacs_at.keep(saved(*study_of(3), *study_of(2, series=2)))
    part = pacs_at.fetch(series=(f"{made.ROOT}.1.2",))
    assert (part["state"], part["done"], part["total"]) == ("completed", 2, 2)
    assert part["message"] == "The series asked for are here. Of the study: 3 of 5 instances are missing"
    found = search.show_study(pacs_at.store, STUDY)
    assert (found["instances"], found["complete"]) == (2, False)
    assert found["incomplete_reason"] == "3 of 5 instances are missing"
    assert found["missing"] == [f"{made.ROOT}.1.1.{number}" for number in (1, 2, 3)]
    assert pacs_at.fetch()["state"] == "completed"
    found = search.show_study(pacs_at.store, STUDY)
    assert (found["instances"], found["complete"], found["missing"]) == (5, True, [])


def test_a_series_nobody_has_is_not_said_to_be_fetched(pacs_at: Archive, saved: SaveFiles) -> None:
    pacs_at.keep(saved(*study_of(2)))
    part = pacs_at.fetch(series=(f"{made.ROOT}.1.9",))
    assert (part["state"], part["done"]) == ("aborted", 0) and part["message"]
    pacs_at.fetch()
    assert pacs_at.fetch(series=(f"{made.ROOT}.1.9",))["state"] == "aborted"


def test_a_study_is_asked_about_again_and_what_is_new_is_said(pacs_at: Archive, saved: SaveFiles) -> None:
    pacs_at.keep(saved(*study_of(2)))
    pacs_at.fetch()
    assert completeness.ask_again(pacs_at.store, STUDY) == completeness.News()
    pacs_at.keep(saved(made.image(3), folder="later"))
    assert completeness.ask_again(pacs_at.store, STUDY).missing == "1 of 3 instances are missing"
    assert search.show_study(pacs_at.store, STUDY)["complete"] is False


def test_another_identity_there_is_said_when_asked_again(pacs_at: Archive, saved: SaveFiles, store: Store) -> None:
    pacs_at.keep(saved(*study_of(1)))
    pacs_at.fetch()
    with store.database.write("study") as connection:
        studies.change(connection, STUDY, patient_name="ROE^RICHARD")
    [said] = completeness.ask_again(store, STUDY).differs
    assert said == f"pacs has another patient's name for study {STUDY} now: DOE^JANE, here ROE^RICHARD"


def test_an_archive_that_is_gone_is_said_when_asked_again(pacs_at: Archive, saved: SaveFiles, store: Store) -> None:
    pacs_at.keep(saved(*study_of(1)))
    pacs_at.fetch()
    with store.database.write("peer") as connection:
        connection.exec_driver_sql("UPDATE peer SET settings = json_set(settings, '$.port', 9)")
    said = completeness.ask_again(store, STUDY).unasked
    assert "could not be asked" in said and "nothing listens on that port" in said


@pytest.mark.parametrize(
    ("charset", "name", "pattern"),
    [
        ("ISO_IR 100", "MÜLLER^JÜRGEN", "MÜLLER*"),
        ("ISO_IR 192", "Иванов^Пётр", "Иванов*"),
        ("ISO_IR 192", "王^小明", "王*"),
        ("ISO_IR 144", "Петров^Иван", "Петров^?ван"),
    ],
)
def test_queries_and_answers_are_in_any_character_set(
    pacs_at: Archive, saved: SaveFiles, charset: str, name: str, pattern: str, store: Store, clerk: Actor
) -> None:
    pacs_at.keep(saved(made.image(1, SpecificCharacterSet=charset, PatientName=name)))
    peer = Peer(name="speaks", ae_title="PACS", host="127.0.0.1", port=pacs_at.port, assumed_charset=charset)
    add_peer(store, peer, clerk)
    found = pacs.query(store, "speaks", "STUDY", {"PatientName": pattern}).matches
    assert [each["PatientName"] for each in found] == [name]
    assert pacs.query(store, "speaks", "STUDY", {"PatientName": "NOBODY*"}).matches == []


def test_studies_are_queried_by_dates_and_series_and_images_below_them(pacs_at: Archive, saved: SaveFiles) -> None:
    pacs_at.keep(saved(*study_of(2), made.image(1, study=2, StudyDate="20250607")))
    assert [each["StudyInstanceUID"] for each in pacs_at.query(StudyDate="20250601-20250630")] == [f"{made.ROOT}.2"]
    assert len(pacs_at.query(StudyDate="-20261231")) == 2
    series = pacs_at.query("SERIES", StudyInstanceUID=STUDY)
    assert [(each["Modality"], each["SeriesInstanceUID"]) for each in series] == [("CT", f"{STUDY}.1")]
    images = pacs_at.query("IMAGE", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1")
    assert {each["SOPInstanceUID"] for each in images} == {f"{STUDY}.1.1", f"{STUDY}.1.2"}


def test_a_study_nobody_has_is_said_to_be_unknown(pacs_at: Archive) -> None:
    row = pacs_at.fetch("1.2.3.4")
    assert (row["state"], row["message"]) == ("aborted", "pacs has no study 1.2.3.4.")


def test_without_the_service_c_move_asks_for_it_and_c_get_works(
    tmp_path: Path, store: Store, clerk: Actor, saved: SaveFiles
) -> None:
    with archive(tmp_path / "pacs", 9) as port:
        assert send(port, "PACS", saved(*study_of(2))).returncode == 0
        add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port), clerk)
        number = retrieving.request_retrieve(store, "pacs", STUDY, clerk, method="move")
        with pytest.raises(DeviceError, match="start the service"):
            fetching.retrieve_now(store, number)
        number = retrieving.request_retrieve(store, "pacs", STUDY, clerk)
        fetching.retrieve_now(store, number)
    assert search.show_study(store, STUDY)["instances"] == 2


def test_rejected_instances_of_a_fetched_study_are_named(pacs_at: Archive, saved: SaveFiles) -> None:
    reference, series, evidence = made.Dataset(), made.Dataset(), made.Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = made.CT, f"{STUDY}.1.2"
    series.SeriesInstanceUID, series.ReferencedSOPSequence = f"{STUDY}.1", [reference]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = STUDY, [series]
    note = made.of_kind("KEY OBJECT DOC", 9)
    note.ConceptNameCodeSequence = [made.code("113001", "DCM", "Rejected for Quality Reasons")]
    note.CurrentRequestedProcedureEvidenceSequence = [evidence]
    pacs_at.keep(saved(*study_of(3), note))
    assert pacs_at.fetch()["state"] == "completed"
    found = search.show_study(pacs_at.store, STUDY)
    assert found["rejected"] == [
        {"sop_instance_uid": f"{STUDY}.1.2", "reason": "rejected for quality reasons"},
    ]


def test_wrong_orders_are_refused_in_words(store: Store, clerk: Actor) -> None:
    add_peer(store, Peer(name="silent", ae_title="SILENT"), clerk)
    with pytest.raises(UsageError, match="no address and port"):
        retrieving.request_retrieve(store, "silent", STUDY, clerk)
    add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=9), clerk)
    for no_uid in ("", "*", "1.2.?", "1.2\\1.3", " "):
        with pytest.raises(UsageError, match="is no UID"):
            retrieving.request_retrieve(store, "pacs", no_uid, clerk)
        with pytest.raises(UsageError, match="is no UID"):
            retrieving.request_retrieve(store, "pacs", STUDY, clerk, series=(no_uid,))
    with pytest.raises(NotFoundError, match="no peer nobody"):
        retrieving.request_retrieve(store, "nobody", STUDY, clerk)
    with pytest.raises(ApplianceError, match="no attribute"):
        pacs.identifier("STUDY", {"Nonsense": "x"})


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SeriesNumber", "abc"),
        ("Rows", "abc"),
        ("Rows", "99999"),
        ("PatientSize", "tall"),
        ("ReferencedSeriesSequence", "1"),
        ("StudyInstanceUID", "abc"),
        ("StudyDate", "2026"),
        ("StudyDate", "01/02/2026"),
    ],
)
def test_a_key_that_can_t_be_is_refused_before_it_is_sent(keyword: str, value: str) -> None:
    """They ended in tracebacks, or in an archive's answer that there is nothing."""
    with pytest.raises(UsageError, match=f"{keyword} can't be '{value}'"):
        pacs.identifier("STUDY", {keyword: value})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "20260101-"),
        ("StudyTime", "1000-1200"),
        ("StudyInstanceUID", "1.2.3\\1.2.4"),
        ("Modality", "C*"),
        ("PatientName", "山田*"),
        ("Rows", "512"),
        ("SeriesNumber", ""),
    ],
)
def test_wildcards_ranges_lists_and_numbers_are_asked_for(keyword: str, value: str) -> None:
    sent = pacs.identifier("IMAGE", {keyword: value})[keyword]
    assert "\\".join(map(str, sent.value if sent.VM > 1 else [sent.value])) == value


def test_a_retrieval_is_cancelled_before_it_begins(store: Store, clerk: Actor) -> None:
    add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=9), clerk)
    number = retrieving.request_retrieve(store, "pacs", STUDY, clerk)
    assert retrieving.request_retrieve(store, "pacs", STUDY, clerk) == number
    retrieving.cancel_retrieve(store, number, clerk)
    assert retrieving.get_retrieval(store, number)["state"] == "canceled"
    with pytest.raises(ApplianceError, match="canceled already"):
        retrieving.cancel_retrieve(store, number, clerk)


def test_what_a_dead_worker_began_is_fetched_by_the_next(pacs_at: Archive, saved: SaveFiles, store: Store) -> None:
    pacs_at.keep(saved(*study_of(2)))
    with store.database.write("retrieval") as connection:
        number = retrievals.insert(
            connection, peer="pacs", study_instance_uid=STUDY, series=[], method="auto", requested_by="someone"
        )
        retrievals.change(connection, number, state="processing", working="retrieve-999999-dead")
    for _ in range(200):
        if retrieving.get_retrieval(store, 1)["state"] == "completed":
            break
        time.sleep(0.05)
    assert retrieving.get_retrieval(store, 1)["state"] == "completed"
    removal.delete_study(store, STUDY, pacs_at.clerk)


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("2147483647", 2147483647), ("2147483648", None), ("9" * 5000, None), ("-1", None), ("\u0661", None)],
)
def test_a_count_no_integer_string_can_hold_is_none(text: str, count: int | None) -> None:
    assert pacs._number(text) == count
