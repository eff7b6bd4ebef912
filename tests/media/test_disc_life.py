"""A disc from order to verified pieces: copies, volumes, decisions, copy types, cancels, burners that need people."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
import pyzipper
from sqlalchemy.exc import IntegrityError

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import process_actor
from appliance.media import asking, burn_request, making, ruled
from appliance.media import discs as verbs
from appliance.media.again import burn_again
from appliance.media.burner.outcome import BurnRequest
from appliance.media.burners import get_burner, pause_burner, remove_burner, resume_burner, set_burner
from appliance.media.check import examine
from appliance.media.copy_types import BUILT_IN, copy_type, get_copy_type, remove_copy_type, set_copy_type
from appliance.media.housekeeping import flag_late, purge
from appliance.media.ordering import DiscOrder
from appliance.media.ruled import check_rule, follow_rules
from appliance.media.selection import Selection
from appliance.media.settling import settle
from appliance.media.views import list_discs, show_disc
from appliance.media.worker import DiscWorker
from appliance.security import audit
from appliance.security.peer_verbs import add_peer, set_peer
from appliance.security.peers import Peer
from appliance.store import audit as audit_rows
from appliance.store import discs, studies
from appliance.store.backup import hold_restored
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.studies import completeness, retrieving
from appliance.upkeep import service_checks
from appliance.upkeep.notices import problems
from tests.media import made
from tests.media.disc_helpers import (
    CLERK,
    STUDY,
    add,
    burned,
    eventually,
    fresh,
    keep,
    ordered,
    work_off,
)
from tests.support.away import away_between, away_once
from tests.support.robots import Robot
from tests.support.zones import another_day


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def events(store: Store, kind: str) -> list[dict]:
    """Audit entries of one event."""
    with store.database.read() as connection:
        return [row.detail for row in audit_rows.in_order(connection) if row.event == kind]


# what comes out -------------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_a_disc_is_read_by_strangers(store: Store, tmp_path: Path) -> None:
    view = work_off(store, ordered(store))
    image = Path(view["volumes"][0]["image"])
    listed = subprocess.run(["isoinfo", "-f", "-i", str(image)], capture_output=True, text=True, check=True).stdout
    assert {"/DICOMDIR.;1", "/README.TXT;1", "/SHA256.TXT;1"} <= set(listed.split())
    out = tmp_path / "out"
    command = ["xorriso", "-osirrox", "on", "-indev", str(image), "-extract", "/", str(out)]
    subprocess.run(command, capture_output=True, check=True)
    shown = subprocess.run(["dcdirdmp", str(out / "DICOMDIR")], capture_output=True, text=True, check=True)
    assert (shown.stdout + shown.stderr).count(" -> ") == 3
    text = (out / "README.TXT").read_text("utf-8-sig")
    assert "DOE, JANE" in text
    assert "St Elsewhere" in text and "personal health data" in text


def test_the_views_have_the_keys_others_build_on(store: Store) -> None:
    view = work_off(store, ordered(store))
    assert {"disc_id", "execution_status", "execution_status_info", "profile", "burner", "phase"} <= set(view)
    assert (view["done"], view["total"], view["profile"]) == (view["total"], view["volumes"][0]["bytes"], "STD-GEN-CD")
    volume = view["volumes"][0]
    wanted = {"volume", "image", "file_set_id", "file_set_uid", "sha256", "bytes", "verified", "findings"}
    assert wanted <= set(volume)
    assert list_discs(store) == [{key: view[key] for key in list_discs(store)[0]}]
    assert [entry["execution_status"] for entry in view["history"]][-1] == "DONE"


def test_a_disc_is_made_on_the_day_people_here_have(store: Store) -> None:
    with another_day() as today:
        view = work_off(store, ordered(store))
    assert f"Made on: {today}".encode() in Path(view["volumes"][0]["image"]).read_bytes()
    label = (store.folder.burned / "1-1.pdf").read_bytes()
    shown = subprocess.run(["pdftotext", "-", "-"], input=label, capture_output=True, check=True).stdout.decode()
    assert str(today) in shown


@pytest.mark.both_databases
def test_copies_share_the_file_set_and_each_piece_has_its_record(store: Store) -> None:
    view = work_off(store, ordered(store, copies=2))
    volume = view["volumes"][0]
    assert [piece["serial"] for piece in volume["pieces"]] == ["000001-1", "000001-1-c2"]
    assert json.loads((store.folder.burned / "1-1.json").read_text())["copies"] == 2
    entries = events(store, "disc-burned")
    assert [entry["copy"] for entry in entries] == [1, 2]
    assert {entry["file_set_uid"] for entry in entries} == {volume["file_set_uid"]}
    assert entries[0]["studies"] == [STUDY]
    assert (entries[0]["sha256"], entries[0]["verified_by"]) == (volume["sha256"], "read-back")
    with store.database.read() as connection:
        assert audit.first_broken(connection) is None


def test_a_label_that_names_no_patient_had_room_for_everything(store: Store, tmp_path: Path) -> None:
    keep(store, [made.image(1, study=number, StudyDescription="Long " * 12) for number in range(2, 12)])
    studies = tuple(f"{made.ROOT}.{number}" for number in range(1, 12))
    view = work_off(store, ordered(store, selection=Selection(studies=studies), choices={"label_names_patient": False}))
    subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", view["volumes"][0]["image"], "-extract", "/README.TXT", tmp_path / "R"],
        capture_output=True,
        check=True,
    )
    assert "no room on the label" not in (tmp_path / "R").read_text("utf-8-sig")


def test_a_large_order_takes_several_volumes_each_a_file_set_of_its_own(store: Store) -> None:
    keep(store, [made.image(number, rows=128, columns=128) for number in range(10, 22)])
    view = work_off(store, ordered(store, medium="cd:300000"))
    assert view["execution_status"] == "DONE", view["message"]
    assert len(view["volumes"]) >= 2
    assert len({volume["file_set_uid"] for volume in view["volumes"]}) == len(view["volumes"])
    assert sum(volume["instances"] for volume in view["volumes"]) == 15
    for volume in view["volumes"]:
        assert volume["bytes"] <= 300_000
        assert examine(volume["image"]).findings == []


def test_ticket_and_robot_are_told_who_is_on_each_volume(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not whoever comes first in the order: that one's name would stand on a disc of others."""
    for number, name in ((2, "ROE^EVA"), (3, "POE^MAX")):
        keep(store, [made.image(1, study=number, rows=256, columns=256, PatientName=name, PatientID=f"P-{number}")])
    asked: list[BurnRequest] = []
    monkeypatch.setattr(burn_request, "BurnRequest", lambda **told: asked.append(BurnRequest(**told)) or asked[-1])
    studies = tuple(f"{made.ROOT}.{number}" for number in (1, 2, 3))
    choices = {"several_patients": True}
    view = work_off(store, ordered(store, selection=Selection(studies=studies), medium="cd:290000", choices=choices))
    assert view["execution_status"] == "DONE", view["message"]
    tickets = [json.loads((store.folder.burned / f"1-{number}.json").read_text()) for number in (1, 2)]
    on = [[patient["patient_id"] for patient in ticket["patients"]] for ticket in tickets]
    assert sorted(sum(on, [])) == ["P-1", "P-2", "P-3"] and all(on)
    assert [ticket["patient_id"] for ticket in tickets] == [each[0] for each in on]
    assert [each.fields["PatientID"].split("; ") for each in asked] == on
    assert "POE MAX" in "; ".join(each.fields["PatientName"] for each in asked)


def test_a_disc_for_a_person_has_pages_pictures_and_the_viewer(store: Store) -> None:
    view = work_off(store, ordered(store, choices={"viewer": True, "web_content": True}))
    image = view["volumes"][0]["image"]
    listed = subprocess.run(["isoinfo", "-f", "-i", image], capture_output=True, text=True, check=True).stdout
    assert {"/INDEX.HTM;1", "/VIEWER/VIEWER.HTM;1", "/IHE_PDI/S0001.HTM;1"} <= set(listed.split())
    assert examine(image).findings == []


def test_the_viewer_never_costs_a_disc(store: Store) -> None:
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    capacity = plan.volumes[0].size + 30000
    view = work_off(store, ordered(store, medium=f"cd:{capacity}", choices={"viewer": True, "web_content": True}))
    assert (view["execution_status"], len(view["volumes"])) == ("DONE", 1), view["message"]
    assert view["message"].startswith("No room for the viewer")


def test_a_usb_folder_and_a_zip_are_handed_over_whole(store: Store) -> None:
    usb = work_off(store, ordered(store, medium="usb"))
    archive = work_off(store, ordered(store, medium="zip"))
    assert [view["execution_status"] for view in (usb, archive)] == ["DONE", "DONE"]
    assert (usb["profile"], archive["profile"]) == ("STD-GEN-USB-JPEG", "STD-GEN-ZIP-MAIL")
    assert examine(store.folder.burned / "1-1").findings == []
    assert zipfile.ZipFile(store.folder.burned / "2-1.zip").testzip() is None


# copy types -----------------------------------------------------------------------------------------------------------


def test_a_legal_copy_is_signed_so_that_openssl_agrees(store: Store, tmp_path: Path) -> None:
    view = work_off(store, ordered(store, copy_type="legal"))
    command = ["xorriso", "-osirrox", "on", "-indev", view["volumes"][0]["image"], "-extract", "/", str(tmp_path / "o")]
    subprocess.run(command, capture_output=True, check=True)
    judge = ["openssl", "dgst", "-sha256", "-verify", "SIGNER.PEM", "-signature", "SHA256.SIG", "SHA256.TXT"]
    assert subprocess.run(judge, cwd=tmp_path / "o", capture_output=True, check=False).returncode == 0
    sums = subprocess.run(["sha256sum", "-c", "SHA256.TXT"], cwd=tmp_path / "o", capture_output=True, check=False)
    assert sums.returncode == 0, sums.stdout
    listed = tmp_path / "o" / "SHA256.TXT"
    listed.chmod(0o600)
    listed.write_bytes(listed.read_bytes().replace(b"DICOMDIR", b"DICOMDIS"))
    assert subprocess.run(judge, cwd=tmp_path / "o", capture_output=True, check=False).returncode == 1


def test_an_anonymous_disc_names_nobody(store: Store, tmp_path: Path) -> None:
    keep(store, [made.image(9, BurnedInAnnotation="YES")])
    view = work_off(store, ordered(store, copy_type="anonymous"))
    assert (view["execution_status"], view["patient_name"], view["patient_id"]) == ("DONE", "", "")
    data = Path(view["volumes"][0]["image"]).read_bytes() + (store.folder.burned / "1-1.json").read_bytes()
    for secret in (b"DOE", b"JANE", b"P-1", b"A1\0", STUDY.encode(), b"19800229"):
        assert secret not in data
    assert b"have been made anonymous" in data and b"personal health data" not in data
    assert view["volumes"][0]["instances"] == 3
    assert "burned into its pixels" in view["plan"]["left_out"][0]["reason"]
    looked = work_off(store, ordered(store, copy_type="anonymous", decisions=(f"looked:{STUDY}.1.9",)))
    assert looked["volumes"][0]["instances"] == 4


@pytest.mark.parametrize("other", [{"IssuerOfPatientID": "HOSP"}, {"PatientID": " P-1"}, {"PatientID": "P-2"}], ids=str)
def test_one_patient_is_one_in_anonymous_copies_however_the_id_is_written(
    store: Store, tmp_path: Path, other: dict[str, str]
) -> None:
    """As it came, or as a person decided: the copies had two made-up IDs, about which nobody could decide."""
    keep(store, [made.image(9, **other)])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,)), copy_type="anonymous"))
    decisions = tuple(conflict.decision for conflict in plan.conflicts)
    view = work_off(store, ordered(store, copy_type="anonymous", decisions=decisions))
    assert view["execution_status"] == "DONE", view["message"]
    command = ["xorriso", "-osirrox", "on", "-indev", view["volumes"][0]["image"], "-extract", "/", str(tmp_path / "o")]
    subprocess.run(command, capture_output=True, check=True)
    found = [pydicom.dcmread(path).PatientID for path in (tmp_path / "o" / "DICOM").rglob("I*")]
    assert len(found) == 4 and len(set(found)) == 1


def test_two_names_under_one_id_wait_for_a_person_on_an_anonymous_disc_too(store: Store) -> None:
    """In the copies both are called the same: asked of them, nobody was asked."""
    keep(store, [made.image(9, PatientName="SMITH^JOHN")])
    view = work_off(store, ordered(store, copy_type="anonymous"))
    assert (view["held"], view["reasons"]) == (True, ["decision-needed"])
    assert "stands for 2 different people" in view["message"]


@pytest.mark.parametrize(("dates", "code"), [("remove", None), ("shift", "113107"), ("keep", "113106")])
def test_dates_of_an_anonymous_disc_are_what_was_chosen_and_it_says_so(
    store: Store, tmp_path: Path, dates: str, code: str | None
) -> None:
    """Two studies of one patient, nine days apart."""
    keep(
        store,
        [made.image(1, study=2, StudyDate="20260111", ContentDate="20260111", AcquisitionDateTime="20260111090102.5")],
    )
    selection = Selection(studies=(STUDY, f"{made.ROOT}.2"))
    view = work_off(store, ordered(store, copy_type="anonymous", choices={"dates": dates}, selection=selection))
    assert view["execution_status"] == "DONE" and "ates" in view["message"], view["message"]
    out = tmp_path / "out"
    command = ["xorriso", "-osirrox", "on", "-indev", view["volumes"][0]["image"], "-extract", "/", str(out)]
    subprocess.run(command, capture_output=True, check=True)
    found = [pydicom.dcmread(path) for path in sorted((out / "DICOM").rglob("I*"))]
    days = [dt.date.fromisoformat(each.StudyDate) if each.StudyDate else None for each in found]
    assert len(found) == 4 and len({each.PatientID for each in found}) == 1
    codes = [item.CodeValue for item in found[0].DeidentificationMethodCodeSequence]
    assert codes == ["113100", *([code] if code else [])]
    said = (out / "README.TXT").read_text("utf-8-sig")
    words_of = {"remove": "have been removed", "shift": "same number of days", "keep": "have been kept"}
    assert words_of[dates] in " ".join(said.split())
    if dates == "remove":
        assert not any(days) and not found[0].StudyTime
        return
    assert sorted({(max(days) - each).days for each in days}) == [0, 9]
    assert (max(days) == dt.date(2026, 1, 11)) == (dates == "keep")
    late = next(each for each in found if "AcquisitionDateTime" in each)
    assert late.AcquisitionDateTime == late.StudyDate + "090102.5" and late.ContentDate == late.StudyDate
    assert {each.StudyTime for each in found} == {"030405"}


def test_an_encrypted_archive_opens_with_its_password_only(store: Store) -> None:
    disc_id = ordered(store, medium="zip", choices={"encrypted": True})
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["encrypted"]) == ("DONE", True), view["message"]
    path = store.folder.burned / "1-1.zip"
    password, sheet = verbs.password_of(store, disc_id, CLERK)
    assert sheet.startswith(b"%PDF")
    assert password not in (store.folder.burned / "1-1.json").read_text()
    with pyzipper.AESZipFile(path) as archive:
        archive.setpassword(password.encode())
        assert archive.read("DICOMDIR")[128:132] == b"DICM"
        archive.setpassword(b"WRONG")
        with pytest.raises(RuntimeError):
            archive.read("DICOMDIR")
    assert events(store, "disc-password-shown")


def test_a_site_changes_a_copy_type_and_adds_its_own(store: Store) -> None:
    set_copy_type(store, "patient", BUILT_IN["patient"].model_copy(update={"language": "ru"}), CLERK)
    set_copy_type(store, "ward-7", copy_type({"medium": "dvd", "viewer": False}), CLERK)
    assert get_copy_type(store, "patient").language == "ru"
    assert get_copy_type(store, "ward-7").application_profile == "STD-GEN-DVD-JPEG"
    with pytest.raises(UsageError, match="only a zip archive can be encrypted"):
        copy_type({"encrypted": True})
    with pytest.raises(UsageError, match="is not for CD"):
        copy_type({"medium": "cd-700", "profile": "STD-GEN-DVD-JPEG"})
    with pytest.raises(NotFoundError, match="no copy type 'aunt'"):
        get_copy_type(store, "aunt")


# what a person must decide --------------------------------------------------------------------------------------------


def test_two_people_under_one_number_wait_for_a_person(store: Store) -> None:
    keep(store, [made.image(1, study=2, PatientName="ROE^RICHARD")])
    disc_id = ordered(store, selection=Selection(studies=(STUDY, f"{made.ROOT}.2")))
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["reasons"], view["held"]) == ("PENDING", ["decision-needed"], True)
    conflict = view["plan"]["conflicts"][0]
    assert {side["text"].split(",")[0] for side in conflict["sides"]} == {"DOE^JANE", "ROE^RICHARD"}
    verbs.decide(store, disc_id, CLERK, decisions=[conflict["decision"]])
    assert work_off(store, disc_id)["execution_status"] == "DONE"
    again = ordered(store, selection=Selection(studies=(STUDY, f"{made.ROOT}.2")))
    assert work_off(store, again)["execution_status"] == "DONE"  # the decision is remembered
    assert events(store, "disc-decide")[0]["decisions"] == [conflict["decision"]]


def test_an_incomplete_study_is_burned_only_with_a_reason(store: Store) -> None:
    from sqlalchemy import update

    from appliance.store.tables.studies import study

    with store.database.write("study") as connection:
        connection.execute(update(study).values(expected=5))
    disc_id = ordered(store)
    view = work_off(store, disc_id)
    assert (view["reasons"], view["held"]) == (["study-incomplete"], True)
    assert "3 of 5 instances" in view["message"]
    verbs.decide(store, disc_id, CLERK, incomplete_reason="the scanner failed")
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["incomplete_reason"]) == ("DONE", "the scanner failed")
    assert b"the scanner failed" in Path(view["volumes"][0]["image"]).read_bytes()


@pytest.mark.parametrize(("expected", "said"), [(3, False), (None, True)])
def test_a_reason_stands_on_the_disc_unless_all_had_come_by_then(
    store: Store, expected: int | None, said: bool
) -> None:
    """Where nobody counted, the clerk knows better."""
    with store.database.write("study") as connection:
        studies.change(connection, STUDY, expected=expected)
    view = work_off(store, ordered(store, incomplete_reason="the rest comes tomorrow"))
    assert view["execution_status"] == "DONE", view["message"]
    assert bool(view["incomplete_reason"]) is said
    assert (b"the rest comes tomorrow" in Path(view["volumes"][0]["image"]).read_bytes()) is said
    assert ("Everything had come" in view["plan"]["note"]) is not said


def test_a_disc_waits_until_its_study_has_come(store: Store) -> None:
    actor = process_actor("tests")
    add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=1), CLERK)
    number = retrieving.request_retrieve(store, "pacs", STUDY, actor)
    disc_id = ordered(store)
    worker = DiscWorker(store)
    worker.work_off(until=lambda: bool(show_disc(store, disc_id)["reasons"]))
    assert (show_disc(store, disc_id)["execution_status"], show_disc(store, disc_id)["reasons"]) == (
        "PENDING",
        ["retrieving"],
    )
    retrieving.cancel_retrieve(store, number, actor)
    eventually(lambda: work_off(store, disc_id)["execution_status"] == "DONE")


def test_what_an_archive_says_otherwise_now_waits_for_a_person(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    news = completeness.News(differs=(f"PACS has another patient's name for study {STUDY} now",))
    monkeypatch.setattr(asking, "ask_again", lambda store, uid: news)  # an archive is tried in tests/studies
    disc_id = ordered(store)
    view = work_off(store, disc_id)
    assert (view["held"], view["reasons"]) == (True, ["decision-needed"])
    assert f"decide identity:{STUDY}" in view["message"]
    verbs.decide(store, disc_id, CLERK, decisions=[f"identity:{STUDY}"])
    assert work_off(store, disc_id)["execution_status"] == "DONE"
    again = work_off(store, verbs.remake(store, disc_id, CLERK))
    assert (again["held"], again["reasons"]) == (True, ["decision-needed"]), "it may be a third patient by now"


def test_what_a_profile_does_not_take_fails_with_the_words_of_the_standard(store: Store) -> None:
    private = made.common(30, f"{made.ROOT}.77", series=3)
    keep(store, [private])
    legal = work_off(store, ordered(store, copy_type="legal", request_uid=f"{made.ROOT}.88"))
    assert (legal["execution_status"], legal["execution_status_info"]) == ("FAILURE", "INST_AP_CONFLICT")
    small = work_off(store, ordered(store, medium="cd:90000"))
    assert (small["execution_status"], small["execution_status_info"]) == ("FAILURE", "INST_OVERSIZED")
    assert not store.folder.disc(1).exists()
    assert burned(store) == []


def test_images_that_come_later_flag_the_disc(store: Store) -> None:
    disc_id = ordered(store)
    work_off(store, disc_id)
    assert flag_late(store) == 0
    keep(store, [made.image(8)])
    assert (flag_late(store), flag_late(store)) == (1, 0)
    view = show_disc(store, disc_id)
    assert (view["execution_status"], view["reasons"]) == ("DONE", ["late"])


def test_a_peers_rule_makes_a_disc_of_every_study_it_sends(store: Store) -> None:
    add_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"seconds": 3600, "copies": 2}), CLERK)
    keep(store, [made.image(1, study=3)], peer="CT 1")
    assert follow_rules(store, {}) == 0  # more may come
    set_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"seconds": 1, "copies": 2}), CLERK)
    eventually(lambda: follow_rules(store, {}) == 1)
    assert follow_rules(store, {}) == 0
    view = list_discs(store)[0]
    assert (view["requested_by"], view["copies"]) == ("rule of CT 1", 2)
    assert work_off(store, view["disc_id"])["studies"] == [f"{made.ROOT}.3"]


@pytest.mark.parametrize(
    "values", [{"rule": {"seconds": 1, "burner": "ward"}}, {"burner": "ward"}], ids=["rule", "own"]
)
def test_a_burner_that_makes_a_peers_discs_is_not_removed(store: Store, values: dict[str, Any]) -> None:
    add(store, "ward", f"folder:{store.folder.burned / 'ward'}")
    add_peer(store, Peer(name="CT 1", ae_title="CT1", **values), CLERK)
    with pytest.raises(ConflictError, match="makes the discs of peer CT 1"):
        remove_burner(store, "ward", CLERK)
    set_peer(store, Peer(name="CT 1", ae_title="CT1"), CLERK)
    remove_burner(store, "ward", CLERK)


@pytest.mark.parametrize("other", ["", "WS"], ids=["imported", "sent by another"])
def test_a_study_that_another_one_adds_to_still_becomes_the_disc_of_its_rule(store: Store, other: str) -> None:
    add_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"seconds": 1}), CLERK)
    keep(store, [made.image(1, study=3)], peer="CT 1")
    keep(store, [made.image(2, study=3)], peer=other, has_rule=False)
    eventually(lambda: follow_rules(store, {}) == 1)
    keep(store, [made.image(3, study=3)], peer="CT 1")
    time.sleep(1.1)
    assert follow_rules(store, {}) == 0


def test_a_rule_s_disc_that_a_lost_machine_may_have_made_is_held_after_a_restore(store: Store) -> None:
    add_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"seconds": 1}), CLERK)
    keep(store, [made.image(1, study=3)], peer="CT 1")
    with store.database.write() as connection:
        hold_restored(connection, now(), str(CLERK))
    eventually(lambda: follow_rules(store, {}) == 1)
    view = show_disc(store, list_discs(store)[0]["disc_id"])
    assert view["held"] and view["reasons"] == ["restored"] and "may have been done since" in view["message"]
    time.sleep(1.0)  # a backup's moment is told in whole seconds
    keep(store, [made.image(2, study=4)], peer="CT 1")  # has come here
    eventually(lambda: follow_rules(store, {}) == 1)
    assert [each["held"] for each in list_discs(store)] == [False, True]


def test_a_rule_that_would_make_no_disc_is_refused_and_a_profile_brings_its_medium(store: Store) -> None:
    for rule in ({"burner": "none"}, {"profile": "STD-GEN-BD"}, {"copy_type": "none"}, {"copies": 100}):
        with pytest.raises((UsageError, NotFoundError)):
            check_rule(store, Peer(name="CT 1", ae_title="CT1", rule=rule))
    peer = Peer(name="CT 1", ae_title="CT1", rule={"seconds": 1, "profile": "STD-GEN-DVD-JPEG"})
    check_rule(store, peer)
    add_peer(store, peer, CLERK)
    keep(store, [made.image(1, study=3)], peer="CT 1")
    eventually(lambda: follow_rules(store, {}) == 1)
    assert list_discs(store)[0]["medium"] == "dvd"


def test_a_crash_while_a_rule_is_followed_makes_no_second_disc(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"seconds": 1}), CLERK)
    keep(store, [made.image(1, study=3)], peer="CT 1")
    time.sleep(1.1)
    mark = ruled.mark_ruled

    def killed(connection: object, study_instance_uid: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ruled, "mark_ruled", killed)
    with pytest.raises(KeyboardInterrupt):
        follow_rules(store, {})
    assert list_discs(store) == []
    monkeypatch.setattr(ruled, "mark_ruled", mark)
    assert (follow_rules(store, {}), follow_rules(store, {}), len(list_discs(store))) == (1, 0, 1)


# burners that need people -------------------------------------------------------------------------------------------


def test_a_drive_asks_for_one_disc_after_the_other(store: Store) -> None:
    drive = store.folder.root / "drive.img"
    add(store, "drive", f"drive:stdio:{drive}")
    disc_id = ordered(store, burner="drive", copies=2)
    worker = threading.Thread(target=lambda: work_off(store, disc_id), daemon=True)
    worker.start()
    out = []
    for copy in (1, 2):
        wanted = f"Insert a blank CD for disc 1 of 1, copy {copy}"
        eventually(lambda text=wanted: text in show_disc(store, disc_id)["message"])  # type: ignore[misc]
        assert show_disc(store, disc_id)["execution_status_info"] == "CHECK_MCD_OP"
        drive.unlink(missing_ok=True)
        drive.write_bytes(b"")
        eventually(lambda number=copy: _verified(store, disc_id) == number)  # type: ignore[misc]
        out.append(drive.read_bytes())
    worker.join(20)
    view = show_disc(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True)
    size = view["volumes"][0]["bytes"]
    assert {hashlib.sha256(data[:size]).hexdigest() for data in out} == {view["volumes"][0]["sha256"]}


@pytest.mark.parametrize("burner", ["folder", "drive"])
def test_a_database_that_is_away_during_a_burn_costs_no_disc(
    store: Store, monkeypatch: pytest.MonkeyPatch, burner: str
) -> None:
    """How far it is and whether it was cancelled are courtesies: the program that writes is not stopped for them."""
    drive = store.folder.burned / "drive.img"
    drive.write_bytes(b"")
    add(store, "drive", f"drive:stdio:{drive}")
    disc_id = ordered(store, burner=burner)
    with away_between(monkeypatch, "burn.begun", "burn.done", thread="burn-"):
        view = work_off(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True), view["message"]
    assert [piece["state"] for piece in view["volumes"][0]["pieces"]] == ["verified"]


@pytest.mark.parametrize("told", [1, 3], ids=["begun", "verified"])
def test_a_step_of_a_burn_that_could_not_be_written_down_is_asked_about_not_shown_to_a_person(
    store: Store, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    disc_id = ordered(store)
    away_once(monkeypatch, "disc", "burner", skip=told)  # the first is the claim
    work_off(store, disc_id)
    view = work_off(store, disc_id)  # a worker of the service looks for its own, too; in the foreground it is the next
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True), view["message"]
    assert len(burned(store)) == 3


def _verified(store: Store, disc_id: int) -> int:
    return sum(piece["state"] == "verified" for piece in show_disc(store, disc_id)["volumes"][0]["pieces"])


def test_a_robot_that_fails_twice_asks_for_a_person_who_lets_it_go_on(store: Store) -> None:
    robot = Robot(store.folder.root / "robot", "fails")
    try:
        add(store, "robot", f"primera:{robot.folder}")
        disc_id = ordered(store, burner="robot")
        view = work_off(store, disc_id)
        assert (view["held"], view["reasons"][0], view["execution_status_info"]) == (
            True,
            "piece-failed",
            "MCD_FAILURE",
        )
        assert "Drive 1 failed to burn" in view["message"]
        robot.fault = ""
        verbs.release(store, disc_id, CLERK)
        view = work_off(store, disc_id)
    finally:
        robot.stop()
    states = [piece["state"] for piece in view["volumes"][0]["pieces"]]
    assert (view["execution_status"], states) == ("DONE", ["failed", "failed", "verified"])
    assert "robot" in view["volumes"][0]["pieces"][2]["message"]
    assert [entry["verified_by"] for entry in events(store, "disc-burned")] == ["", "", "robot"]


def test_a_held_disc_is_moved_to_another_burner(store: Store) -> None:
    robot = Robot(store.folder.root / "robot", "forgets")
    try:
        add(store, "robot", f"primera:{robot.folder}")
        disc_id = ordered(store, burner="robot")
        assert work_off(store, disc_id)["reasons"][0] == "in-doubt"
    finally:
        robot.stop()
    verbs.move(store, disc_id, "folder", CLERK)
    verbs.release(store, disc_id, CLERK)
    assert work_off(store, disc_id)["execution_status"] == "DONE"
    with pytest.raises(NotFoundError):
        verbs.move(store, disc_id, "nowhere", CLERK)


def test_a_disc_moved_while_it_is_built_is_on_record_with_the_burner_that_makes_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "other", f"folder:{store.folder.burned / 'other'}")
    disc_id = ordered(store)
    real = making.settle_built

    def moved(*arguments: Any) -> None:
        verbs.move(store, disc_id, "other", CLERK)
        real(*arguments)

    monkeypatch.setattr(making, "settle_built", moved)
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["burner"]) == ("DONE", "other"), view["message"]
    with store.database.read() as connection:
        assert [piece.burner for piece in discs.pieces(connection, [disc_id])] == ["other"]


def test_an_image_damaged_on_disk_is_made_again(store: Store) -> None:
    pause_burner(store, "folder", CLERK)
    disc_id = ordered(store)
    worker = DiscWorker(store)
    worker.work_off()
    assert show_disc(store, disc_id)["execution_status"] == "PENDING"
    image = Path(show_disc(store, disc_id)["volumes"][0]["image"])
    data = bytearray(image.read_bytes())
    data[40000] ^= 1
    image.write_bytes(data)
    resume_burner(store, "folder", CLERK)
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True)
    assert examine(store.folder.burned / "1-1.iso").findings == []


def test_one_burner_burns_one_disc_at_a_time_by_the_database(store: Store) -> None:
    pause_burner(store, "folder", CLERK)
    numbers = [ordered(store), ordered(store)]
    DiscWorker(store).work_off()
    with store.database.write() as connection:
        assert discs.claim_burn(connection, numbers[0], "one")
    with pytest.raises(IntegrityError), store.database.write() as connection:
        discs.claim_burn(connection, numbers[1], "other")
    with pytest.raises(ConflictError, match="2 discs wait"):
        remove_burner(store, "folder", CLERK)


# ending ---------------------------------------------------------------------------------------------------------------

# where a worker is held up -> phase it is in
PHASES = {
    "plan.start": "plan",
    "build.start": "build",
    "build.check": "check",
    "burn.start": "burn",
    "verify.start": "verify",
}


@pytest.mark.parametrize("failpoint", PHASES)
def test_a_disc_is_cancelled_in_any_phase_and_leaves_nothing(store: Store, failpoint: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from appliance.store import files

    disc_id = ordered(store)
    there, go_on = threading.Event(), threading.Event()

    def wait_there(name: str) -> None:
        if name == failpoint:
            there.set()
            go_on.wait(20)

    files.set_fault("appliance.never:kill")
    monkeypatch.setattr(files, "_meet", wait_there)
    worker = threading.Thread(target=lambda: DiscWorker(store).work_off(), daemon=True)
    worker.start()
    assert there.wait(20)
    assert show_disc(store, disc_id)["phase"] == PHASES[failpoint]
    verbs.cancel(store, disc_id, CLERK)
    go_on.set()
    worker.join(20)
    files.set_fault("")
    view = show_disc(store, disc_id)
    assert (view["execution_status"], view["reasons"]) == ("FAILURE", ["canceled"])
    assert not store.folder.disc(disc_id).exists()
    assert burned(store) == []
    with pytest.raises(ConflictError, match="cancel is for discs that are"):
        verbs.cancel(store, disc_id, CLERK)


def test_a_cancelled_order_says_how_much_of_it_had_come_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from appliance.store import files

    keep(store, [made.image(number, rows=300, columns=300) for number in range(4, 8)])
    disc_id, begun = ordered(store, medium="cd:300000"), []

    def cancel_at_the_second(name: str) -> None:
        begun.extend([name] * (name == "burn.start"))
        if name == "burn.start" and len(begun) == 2:
            verbs.cancel(store, disc_id, CLERK)

    files.set_fault("appliance.never:kill")
    monkeypatch.setattr(files, "_meet", cancel_at_the_second)
    DiscWorker(store).work_off()
    files.set_fault("")
    view = show_disc(store, disc_id)
    states = [piece["state"] for volume in view["volumes"] for piece in volume["pieces"]]
    assert view["reasons"] == ["canceled"]
    assert view["message"] == f"Cancelled; 1 of {len(states)} had come out before."
    assert states == ["verified", *["canceled"] * (len(states) - 1)]


def test_a_cancel_is_heard_also_by_a_disc_that_comes_to_wait_for_a_person(store: Store) -> None:
    keep(store, [made.image(1, study=2, PatientName="ROE^RICHARD")])
    disc_id = ordered(store, selection=Selection(studies=(STUDY, f"{made.ROOT}.2")))
    with store.database.write("disc") as connection:
        assert discs.claim_build(connection, disc_id, "worker")
    verbs.cancel(store, disc_id, CLERK)
    settle(store, disc_id, "worker", discs.PENDING, held=True, reasons=["decision-needed"])
    assert show_disc(store, disc_id)["reasons"] == ["canceled"]


def test_a_waiting_disc_is_cancelled_at_once(store: Store) -> None:
    disc_id = ordered(store)
    verbs.cancel(store, disc_id, CLERK)
    assert show_disc(store, disc_id)["reasons"] == ["canceled"]
    DiscWorker(store).work_off()
    assert burned(store) == []


def test_an_ended_disc_is_made_once_more(store: Store) -> None:
    first = ordered(store, decisions=("looked:1.2",))
    with pytest.raises(ConflictError, match="remake is for discs"):
        verbs.remake(store, first, CLERK)
    work_off(store, first)
    second = work_off(store, verbs.remake(store, first, CLERK, copies=3))
    assert (second["remake_of"], second["copies"], second["execution_status"]) == (first, 3, "DONE")
    uids = [view["volumes"][0]["file_set_uid"] for view in (show_disc(store, first), second)]
    assert uids[0] != uids[1], "built anew, it is another file-set: PS3.10 8.1"
    assert second["decisions"] == ["looked:1.2"]


def test_images_are_purged_after_their_days_and_the_record_stays(store: Store) -> None:
    disc_id = ordered(store)
    work_off(store, disc_id)
    assert purge(store) == 0
    assert purge(store, now() + dt.timedelta(days=8)) == 1
    view = show_disc(store, disc_id)
    assert (view["purged"], view["volumes"][0]["image"]) == (True, None)
    assert view["volumes"][0]["sha256"]


def test_a_disc_wanted_again_while_others_are_purged_keeps_its_image(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    disc_id = ordered(store)
    work_off(store, disc_id)
    purgeable = discs.purgeable

    def then_wanted(*arguments: Any, **named: Any) -> list[discs.Disc]:
        found = purgeable(*arguments, **named)
        monkeypatch.undo()
        burn_again(store, disc_id, CLERK)
        return found

    monkeypatch.setattr(discs, "purgeable", then_wanted)
    assert purge(store, at=now() + dt.timedelta(days=400)) == 0
    view = work_off(store, disc_id)
    assert (view["execution_status"], view["volumes"][0]["verified"]) == ("DONE", True), view["message"]
    assert events(store, "disc-images-purged") == []


def test_what_a_cancelled_or_half_purged_disc_left_is_removed(store: Store) -> None:
    """A cancel that is heard when the burner has just given up, a crash between the row and the files."""
    pause_burner(store, "folder", CLERK)
    left, kept = ordered(store), ordered(store)
    DiscWorker(store).work_off()
    with store.database.write("disc") as connection:
        verbs.end_canceled(connection, discs.find(connection, left), "test")
    assert store.folder.disc(left).exists()
    purge(store)
    assert not store.folder.disc(left).exists()
    assert store.folder.disc(kept).exists()


def test_studies_of_waiting_discs_are_in_use_until_they_are_built(store: Store) -> None:
    disc_id = ordered(store)
    with store.database.read() as connection:
        assert discs.studies_in_use(connection) == {STUDY}
    work_off(store, disc_id)
    with store.database.read() as connection:
        assert discs.studies_in_use(connection) == set()


def test_studies_an_idle_request_names_are_in_use_for_two_days(store: Store) -> None:
    named = Selection(instances=(f"{STUDY}.1.1", "1.2.3"))
    disc_id = verbs.create_disc(store, DiscOrder(selection=named), CLERK, execution_status=discs.IDLE)
    with store.database.read() as connection:
        assert discs.studies_in_use(connection) == {STUDY}
    with store.database.write("disc") as connection:
        discs.change(connection, disc_id, created=now() - dt.timedelta(days=3))
    with store.database.read() as connection:
        assert discs.studies_in_use(connection) == set()


def test_nonsense_is_refused_before_anything_is_made(store: Store) -> None:
    for wrong, words in (
        ({"selection": Selection()}, "Name at least one study"),
        ({"copies": 0}, "1 to 99 times"),
        ({"priority": "SOON"}, "Priority is"),
        ({"medium": "floppy"}, "no medium 'floppy'"),
        ({"profile": "STD-GEN-BD"}, "needs UDF 2.5"),
        ({"profile": "STD-GEN-DVD-JPEG"}, "is not for CD"),
        ({"choices": {"colour": "red"}}, "colour"),
    ):
        with pytest.raises(UsageError, match=words):
            ordered(store, **wrong)
    for wrong, words in (
        ({"selection": Selection(studies=("1.2.3",))}, "no study 1.2.3"),
        ({"burner": "none"}, "no burner 'none'"),
        ({"copy_type": "none"}, "no copy type 'none'"),
    ):
        with pytest.raises(NotFoundError, match=words):
            ordered(store, **wrong)
    add(store, "drive", "drive:/dev/sr0")
    with pytest.raises(UsageError, match="makes no Zip archive"):
        ordered(store, burner="drive", medium="zip")
    assert list_discs(store) == []
    assert get_burner(store, "drive").burner_uri == "drive:/dev/sr0"


def test_the_label_is_a_page_with_the_patient_and_the_serial(store: Store) -> None:
    work_off(store, ordered(store))
    text = subprocess.run(
        ["pdftotext", str(store.folder.burned / "1-1.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "DOE, JANE" in text
    assert "000001-1" in text
    assert pydicom.__version__  # the reader used above is another than the writer


def test_a_disc_whose_files_are_gone_fails_in_words_and_is_audited(store: Store) -> None:
    keep(store, [made.image(1)])
    disc_id = ordered(store)
    for path in (path for path in store.folder.instances.rglob("*") if path.is_file()):
        path.unlink()
    work_off(store, disc_id)
    view = show_disc(store, disc_id)
    assert view["execution_status"] == "FAILURE"
    assert "gone from the disk" in view["message"] and "Errno" not in view["message"]
    with store.database.read() as connection:
        assert "disc-failed" in [entry.event for entry in audit_rows.after(connection, 0, 100)]


def test_a_copy_type_that_a_peers_discs_have_is_not_removed(store: Store) -> None:
    for name in ("ours", "patient"):
        set_copy_type(store, name, BUILT_IN["patient"], CLERK)
    add_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"copy_type": "ours"}), CLERK)
    add_peer(store, Peer(name="CT 2", ae_title="CT2", rule={"copy_type": "patient"}), CLERK)
    with pytest.raises(ConflictError, match="discs of peer CT 1"):
        remove_copy_type(store, "ours", CLERK)
    remove_copy_type(store, "patient", CLERK)  # it is there again as it was built in
    set_peer(store, Peer(name="CT 1", ae_title="CT1"), CLERK)
    remove_copy_type(store, "ours", CLERK)


def test_a_rule_that_makes_no_discs_is_told(store: Store) -> None:
    add(store, "ward", f"folder:{store.folder.burned / 'ward'}")
    add_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"burner": "ward", "profile": "STD-GEN-ZIP-MAIL"}), CLERK)
    assert problems(store) == {} and service_checks.rules(store) == []
    set_burner(store, replace(get_burner(store, "ward"), burner_uri="drive:/dev/sr0"), CLERK)
    [(key, text)] = problems(store).items()
    assert key == "rule:CT 1" and text.startswith("The rule of peer CT 1 makes no discs: ")
    assert [(each.level, each.text) for each in service_checks.rules(store)] == [("error", text)]


def test_a_rule_whose_studies_wait_too_long_is_told(store: Store) -> None:
    add_peer(store, Peer(name="CT 1", ae_title="CT1", rule={"seconds": 1}), CLERK)
    keep(store, [made.image(1, study=3)], peer="CT 1")
    late = dt.timedelta(seconds=0.5)
    eventually(lambda: ruled.rules_at_fault(store, late) != {})
    assert "the service's log says why" in ruled.rules_at_fault(store, late)["CT 1"]
    eventually(lambda: follow_rules(store, {}) == 1)
    assert ruled.rules_at_fault(store, late) == {}
