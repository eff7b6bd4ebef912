"""Patients, images, import and discs on the page."""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from appliance.media import asking, burners, copy_types, discs, views
from appliance.media.discs import create_disc
from appliance.media.housekeeping import ask_burners
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.media.worker import DiscWorker
from appliance.security import audit_verbs
from appliance.security.audit_verbs import Wanted
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.security.tokens import create_token
from appliance.store import studies
from appliance.store.store import Store
from appliance.studies import completeness, importing, search
from appliance.studies.upload_worker import Importer
from appliance.web.pages import new_disc
from tests.media.made import as_file, common
from tests.media.test_mp4 import video
from tests.media.test_refused import spoiled
from tests.web import made
from tests.web.conftest import TESTER, PageClient


@pytest.fixture(autouse=True)
def _devices(store: Store) -> None:
    made.devices(store)


def upload(client: PageClient, path: str, *names: str, **more: str) -> object:
    files = [(io.BytesIO(Path(str(get_testdata_file(name))).read_bytes()), name) for name in names]
    data = {"csrf_token": client.form_token("/account"), "files": files, **more}
    return client.post(path, data=data, headers={"Origin": "http://localhost"}, content_type="multipart/form-data")


@pytest.mark.parametrize("text", ["ivan", "ИВАН", "иванова ольг", "P100", "A100"])
def test_studies_are_found_in_any_script(store: Store, admin: PageClient, tmp_path: Path, text: str) -> None:
    uid = made.study(store, tmp_path)
    made.study(store, tmp_path, name="DOE^JANE", number=7)
    page = admin.get("/studies/search", query_string={"text": text}).text
    assert f"/studies/{uid}" in page and "DOE JANE" not in page
    assert "ИВАНОВА ОЛЬГА" in page


def test_images_are_shown_in_order_and_in_a_window(store: Store, admin: PageClient, tmp_path: Path) -> None:
    uid = made.study(store, tmp_path)
    page = admin.get(f"/studies/{uid}/series/{uid}.1?image=2").text
    assert f"/studies/instances/{uid}.1.2/frames/1.jpg" in page and "Image 2 of 3" in page
    whole = admin.get(f"/studies/instances/{uid}.1.2/frames/1.jpg")
    narrow = admin.get(f"/studies/instances/{uid}.1.2/frames/1.jpg?center=40&width=1")
    small = admin.get(f"/studies/instances/{uid}.1.2/frames/1.jpg?edge=32")
    assert whole.data[:2] == narrow.data[:2] == b"\xff\xd8" and whole.data != narrow.data
    assert len(small.data) < len(whole.data)
    assert admin.get(f"/studies/instances/{uid}.1.2/frames/99.jpg").mimetype == "image/svg+xml"
    seen = audit_verbs.read_entries(store, Wanted(event="study-viewed"), TESTER)
    assert [entry.object_id for entry in seen] == [uid]


def fields(page: str) -> tuple[str, str]:
    """Window centre and width as they stand on the viewer's page."""
    values = [re.search(rf'name="{name}"[^>]*value="([^"]*)"', page) for name in ("center", "width")]
    return tuple(found[1] if found else "" for found in values)  # type: ignore[return-value]


def test_the_viewer_begins_with_the_images_own_window(store: Store, admin: PageClient, tmp_path: Path) -> None:
    own, none = made.study(store, tmp_path, window=(40, 350)), made.study(store, tmp_path, number=2)
    page = admin.get(f"/studies/{own}/series/{own}.1").text
    assert fields(page) == ("40", "350") and "frames/1.jpg?" not in page.replace("amp;", "")
    ranged = admin.get(f"/studies/{none}/series/{none}.1").text
    assert fields(ranged) == ("136", "2063")  # -896 to 1167 HU: stored 128 to 2191, intercept -1024
    chosen = admin.get(f"/studies/{own}/series/{own}.1?center=-600&width=1500").text
    assert fields(chosen) == ("-600", "1500") and "frames/1.jpg?center=-600.0&amp;width=1500.0" in chosen
    assert 'data-center="-600" data-width="1500">Lung' in page and "Whole range" in page
    assert fields(admin.get(f"/studies/{own}/series/{own}.1?center=nan&width=inf").text) == ("40", "350")
    as_sent = admin.get(f"/studies/instances/{own}.1.1/frames/1.jpg").data
    assert as_sent == admin.get(f"/studies/instances/{own}.1.1/frames/1.jpg?center=40&width=350").data
    assert as_sent != admin.get(f"/studies/instances/{own}.1.1/frames/1.jpg?center=-600&width=1500").data


def test_files_are_imported_and_the_rest_is_told(store: Store, visitor_as: Callable[[str], PageClient]) -> None:
    clerk = visitor_as("clerk")
    got = upload(clerk, "/studies/import", "CT_small.dcm", "README.txt")
    assert got.status_code == 303 and got.location == "/studies/import/1"  # type: ignore[attr-defined]
    assert "Waits for its turn" in clerk.get("/studies/import/1").text
    Importer(store).work_off()
    page = clerk.get("/studies/import/1").text
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", page))
    assert facts == {"Images stored": "1", "Known already": "0", "Files that are no DICOM": "1", "Refused": "0"}
    assert len(search.find_studies(store, search.Query())) == 1
    assert not list(store.folder.uploads.iterdir())
    nothing = clerk.submit("/studies/import")
    assert nothing.status_code == 400 and "Send DICOM files" in nothing.text


def test_nobody_slips_files_into_anothers_import(store: Store, visitor_as: Callable[[str], PageClient]) -> None:
    upload(visitor_as("clerk"), "/studies/import", "CT_small.dcm", more="1")
    got = upload(visitor_as("admin"), "/studies/import", "MR_small.dcm", **{"import": "1"})
    assert got.status_code == 404 and "no import 1 of yours" in got.text  # type: ignore[attr-defined]


def test_paper_is_added_only_to_the_patient_confirmed(store: Store, admin: PageClient, tmp_path: Path) -> None:
    from PIL import Image

    uid = made.study(store, tmp_path)
    for patient, name, wanted in (("P200", "scan.jpg", 409), ("P100", "x" * 300 + ".jpg", 303)):
        picture = io.BytesIO()
        Image.new("L", (40, 40), 128).save(picture, "JPEG")
        picture.seek(0)
        data = {"csrf_token": admin.form_token("/account"), "files": (picture, name), "patient_id": patient}
        got = admin.post(f"/studies/{uid}/attach", data=data, headers={"Origin": "http://localhost"})
        assert got.status_code == wanted
    assert search.get_study(store, uid).instances == 4


def test_a_disc_is_planned_ordered_made_and_handed_out(
    store: Store, visitor_as: Callable[[str], PageClient], tmp_path: Path
) -> None:
    clerk = visitor_as("clerk")
    uid = made.study(store, tmp_path)
    assert "Ready to be made" in clerk.get(f"/discs/new?study={uid}").text
    order = {
        "study": uid,
        "series": f"{uid}.1",
        "copy_type": "patient",
        "medium": "",
        "burner": "folder",
        "copies": "1",
    }
    assert "Ready to be made" in clerk.get("/discs/new/plan", query_string=order).text
    got = clerk.submit("/discs/new", **order)
    assert got.headers["Location"] == "/discs/1"
    DiscWorker(store).work_off()
    page = clerk.get("/discs/1").text
    assert "burned and read back" in page
    image = clerk.get("/discs/1/volumes/1/image")
    assert image.data[32769:32774] == b"CD001" and len(image.data) == views.show_disc(store, 1)["volumes"][0]["bytes"]
    assert clerk.get("/discs/1/volumes/1/label.pdf").data[:5] == b"%PDF-"
    assert clerk.submit("/discs/1/remake", burner="folder", copies="1").headers["Location"] == "/discs/2"
    assert clerk.submit("/discs/2/cancel").status_code == 303
    assert views.show_disc(store, 2)["execution_status"] == "FAILURE"


def test_two_patients_on_one_disc_wait_for_a_person(store: Store, admin: PageClient, tmp_path: Path) -> None:
    one, other = made.study(store, tmp_path), made.study(store, tmp_path, name="DOE^JANE", number=2)
    query = {"study": [one, other], "copies": "1", "copy_type": "patient", "burner": "folder", "medium": ""}
    plan = admin.get("/discs/new/plan", query_string=query).text
    assert "Ready to be made" not in plan and "it is right so" in plan
    decision = plan.split('name="decision" value="')[1].split('"')[0]
    assert "Ready to be made" in admin.get("/discs/new/plan", query_string=query | {"decision": decision}).text


def test_the_plan_is_there_at_once_and_what_an_archive_says_follows(
    store: Store, visitor_as: Callable[[str], PageClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid, clerk = made.study(store, tmp_path), visitor_as("clerk")
    assert "/discs/new/news" not in clerk.get(f"/discs/new?study={uid}").text  # it came from no archive
    with socket.create_server(("127.0.0.1", 0)) as silent:
        add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=silent.getsockname()[1]), TESTER)
        with store.database.write("study") as connection:
            studies.change(connection, uid, retrieved_from="pacs", incomplete_reason="1 of 4 instances are missing")
        page = clerk.get(f"/discs/new?study={uid}").text
        assert f'data-hx-get="/discs/new/news?study={uid}"' in page
        assert 'name="incomplete_reason"' in page and "Ready to be made" not in page
        monkeypatch.setattr(new_disc, "ARCHIVES_SECONDS", 0.3)
        news = clerk.get(f"/discs/new/news?study={uid}")
    assert "could not be asked: no answer" in news.text and news.headers["HX-Trigger"] == "news"
    order = {"study": uid, "copies": "1", "incomplete_reason": "urgent"}
    ready = clerk.get("/discs/new/plan", query_string=order)
    assert "Ready to be made" in ready.text and 'value="urgent"' in ready.text


def test_another_identity_in_the_archive_is_decided_in_the_plan(
    store: Store, visitor_as: Callable[[str], PageClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid, clerk = made.study(store, tmp_path), visitor_as("clerk")
    said = completeness.News(differs=("pacs has another birth date for it now",))
    monkeypatch.setattr(asking, "ask_again", lambda store, uid: said)  # an archive is tried in tests/studies
    news = clerk.get(f"/discs/new/news?study={uid}").text
    decision = f"identity:{uid}"
    assert "another birth date" in news and news.count(f'value="{decision}"') == 2
    order = {"study": uid, "copies": "1", "held": decision}
    assert "Ready to be made" not in clerk.get("/discs/new/plan", query_string=order).text
    assert "Ready to be made" in clerk.get("/discs/new/plan", query_string=order | {"decision": decision}).text


def test_what_cannot_go_on_a_disc_is_left_out_by_a_tick_in_the_plan_or_on_the_held_disc(
    store: Store, visitor_as: Callable[[str], PageClient], tmp_path: Path
) -> None:
    clerk = visitor_as("clerk")
    uid = made.study(store, tmp_path)
    folder = tmp_path / "private"
    folder.mkdir()
    private = common(90, "1.3.12.2.1107.5.9.1", series=9, StudyInstanceUID=uid, PatientID="P100", PatientName="")
    private.PatientBirthDate, private.PatientSex = "", ""
    (folder / "1.dcm").write_bytes(as_file(private))
    importing.import_path(store, folder, TESTER)
    query = {"study": uid, "copies": "1", "copy_type": "legal", "burner": "folder", "medium": ""}
    plan = clerk.get("/discs/new/plan", query_string=query).text
    assert "Ready to be made" not in plan and "no directory record exists" in plan and "leave_out_refused" in plan
    ticked = clerk.get("/discs/new/plan", query_string=query | {"leave_out_refused": "y"}).text
    assert "Ready to be made" in ticked and "checked" in ticked
    clerk.submit("/discs/new", **query)
    DiscWorker(store).work_off()
    assert "leave_out_refused" in clerk.get("/discs/1").text
    for page in ("/", "/discs", "/discs/1"):
        assert "waits for a person" in clerk.get(page).text, page
    clerk.submit("/discs/1/decide", leave_out_refused="y")
    DiscWorker(store).work_off()
    assert views.show_disc(store, 1)["execution_status"] == "DONE"


def test_a_late_bad_frame_is_named_on_page_and_api_and_both_go_on_without_it(
    store: Store, visitor_as: Callable[[str], PageClient], tmp_path: Path
) -> None:
    clerk = visitor_as("clerk")
    uid = made.study(store, tmp_path)
    bad = spoiled(frames=60, bad=40)
    bad.StudyInstanceUID, bad.PatientID, bad.PatientName, bad.PatientBirthDate, bad.PatientSex = uid, "P100", "", "", ""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.dcm").write_bytes(as_file(bad, bad.file_meta.TransferSyntaxUID))
    importing.import_path(store, tmp_path / "bad", TESTER)
    query = {"study": uid, "copies": "1", "copy_type": "physician", "burner": "folder", "medium": ""}
    for _ in range(2):
        clerk.submit("/discs/new", **query)
    DiscWorker(store).work_off()
    page = clerk.get("/discs/1").text
    assert bad.SOPInstanceUID in page and "Frame 40" in page and "leave_out_refused" in page
    clerk.submit("/discs/1/decide", leave_out_refused="y")
    bearer = {"Authorization": f"Bearer {create_token(store, 'desk', 'clerk', TESTER)}"}
    told = clerk.get("/api/v1/discs/2", headers=bearer).json["message"]
    assert bad.SOPInstanceUID in told and "Frame 40" in told
    body = {"leave_out_refused": True}
    assert clerk.post("/api/v1/discs/2/decide", json=body, headers=bearer).status_code == 200
    DiscWorker(store).work_off()
    assert [views.show_disc(store, number)["execution_status"] for number in (1, 2)] == ["DONE", "DONE"]


def test_video_goes_beside_the_dicom_files_by_a_tick_before_the_order_and_after(
    store: Store, visitor_as: Callable[[str], PageClient], tmp_path: Path
) -> None:
    clerk = visitor_as("clerk")
    uid = made.study(store, tmp_path)
    sent = video("h264-mp4", StudyInstanceUID=uid, PatientID="P100", PatientName="")
    sent.PatientBirthDate, sent.PatientSex = "", ""
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "1.dcm").write_bytes(as_file(sent, sent.file_meta.TransferSyntaxUID))
    importing.import_path(store, tmp_path / "video", TESTER)
    query = {"study": uid, "copies": "1", "copy_type": "physician", "burner": "folder", "medium": ""}
    plan = clerk.get("/discs/new/plan", query_string=query).text
    assert "Ready to be made" not in plan and "takes no video" in plan and "video_mp4" in plan
    ticked = clerk.get("/discs/new/plan", query_string=query | {"video_mp4": "y"}).text
    assert "Ready to be made" in ticked and "1 MP4 file" in ticked and "not in the DICOM directory" in ticked
    clerk.submit("/discs/new", **query)
    DiscWorker(store).work_off()
    assert "video_mp4" in clerk.get("/discs/1").text
    clerk.submit("/discs/1/decide", video_mp4="y")
    DiscWorker(store).work_off()
    assert views.show_disc(store, 1)["execution_status"] == "DONE"
    assert "VIDEO/V0000000.MP4" in clerk.get("/discs/1").text


def test_a_viewer_orders_nothing(store: Store, visitor_as: Callable[[str], PageClient], tmp_path: Path) -> None:
    uid = made.study(store, tmp_path)
    viewer = visitor_as("viewer")
    assert viewer.get(f"/studies/{uid}").status_code == 200
    assert viewer.get(f"/discs/new?study={uid}").status_code == 403
    assert viewer.submit(f"/studies/{uid}/delete").status_code == 403


def test_a_study_is_deleted_by_right(store: Store, admin: PageClient, tmp_path: Path) -> None:
    uid = made.study(store, tmp_path)
    assert admin.submit(f"/studies/{uid}/delete").status_code == 303
    assert search.find_studies(store, search.Query()) == []
    assert admin.get(f"/studies/{uid}").status_code == 404


def test_hostile_names_come_out_as_text(store: Store, admin: PageClient, tmp_path: Path) -> None:
    uid = made.study(store, tmp_path, name="<script>alert(1)</script>^\"'><img src=x>")
    discs.create_disc(store, discs.DiscOrder(selection=discs.Selection(studies=(uid,))), TESTER)
    for path in (
        "/",
        "/studies",
        f"/studies/{uid}",
        f"/studies/{uid}/series/{uid}.1",
        f"/discs/new?study={uid}",
        "/discs",
        "/discs/1",
    ):
        page = admin.get(path).text
        assert "<script>alert" not in page and "<img src=x" not in page, path
        assert "&lt;script&gt;alert" in page, path


def test_a_burner_is_added_checked_and_paused(store: Store, admin: PageClient) -> None:
    folder = store.folder.burned / "second"
    got = admin.submit("/burners/new", name="second", burner_uri=f"folder:{folder}", media="dvd")
    assert got.headers["Location"] == "/burners/second/check" and "works" in admin.get("/burners/second/check").text
    assert admin.submit("/burners/second/pause").status_code == 303
    assert burners.get_burner(store, "second").paused
    assert "Burner second burns nothing now." in admin.get("/").text
    assert admin.submit("/burners/second/remove").status_code == 303


def test_a_burner_that_is_not_there_is_not_called_ready_nor_offered_first(
    store: Store, admin: PageClient, tmp_path: Path
) -> None:
    uid = made.study(store, tmp_path)
    burners.add_burner(store, burners.StoredBurner(name="absent", burner_uri="drive:/dev/sr9"), TESTER)
    ask_burners(store)
    cards = admin.get("/burners").text
    assert "can't be reached" in unescape(cards) and "there is no such drive" in cards
    assert "Burner absent burns nothing now." in admin.get("/").text
    assert "Burner absent can't be reached: there is no such drive" in unescape(admin.get("/health").text)
    choices = admin.get(f"/discs/new?study={uid}").text
    assert re.search(r'<option selected value="folder">', choices) and '<option value="absent">' in choices


def test_a_disc_profile_of_the_site_is_made(store: Store, admin: PageClient) -> None:
    page = admin.get("/profiles/disc/new").text
    assert "Long file names" in page
    data = {"name": "ward", "medium": "dvd", "profile": "", "language": "en", "readme": "utf-8", "dates": "remove",
            "descriptors": "remove", "attempts": "2", "viewer": "y", "description": "Ward 7"}  # fmt: skip
    assert admin.submit("/profiles/disc/new", **data).status_code == 303
    made_type = copy_types.get_copy_type(store, "ward")
    assert (made_type.medium, made_type.viewer, made_type.web_content) == ("dvd", True, False)
    assert admin.submit("/profiles/disc/ward/remove").status_code == 303


def test_ticked_studies_go_at_once_but_not_those_in_use(
    store: Store, admin: PageClient, visitor_as: Callable[[str], PageClient], tmp_path: Path
) -> None:
    uids = [made.study(store, tmp_path, number=number, name=f"DOE^{number}") for number in (1, 2, 3)]
    create_disc(store, DiscOrder(selection=Selection(studies=(uids[1],))), TESTER)
    asked = admin.submit("/studies/ticked", verb="delete", study=uids)
    assert asked.status_code == 200 and "Delete 3 studies" in asked.text and "DOE 2" in asked.text
    assert len(search.find_studies(store, search.Query())) == 3  # nothing is gone before the answer
    got = admin.submit("/studies/delete", study=uids)
    assert got.status_code == 409 and "is on a disc that is being made" in got.text
    assert [each["study_instance_uid"] for each in search.find_studies(store, search.Query())] == [uids[1]]
    gone = audit_verbs.read_entries(store, Wanted(event="study-deleted"), TESTER)
    assert sorted(entry.object_id for entry in gone) == [uids[0], uids[2]]
    clerk = visitor_as("clerk")
    assert clerk.submit("/studies/delete", study=[uids[1]]).status_code == 403
    assert clerk.submit("/studies/ticked", verb="delete", study=[uids[1]]).status_code == 403
    assert "Delete the ticked" not in clerk.get("/studies").text
    on = clerk.submit("/studies/ticked", verb="disc", study=[uids[1]])
    assert on.status_code == 303 and on.location == f"/discs/new?study={uids[1]}"
