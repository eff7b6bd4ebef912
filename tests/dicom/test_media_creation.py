"""Media Creation Management from N-CREATE to the disc, driven by a pynetdicom SCU."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pynetdicom import AE

from appliance.config import Settings
from appliance.dicom.media_creation_scp import MEDIA_CREATION, MediaCreationScp
from appliance.dicom.server import DicomServer
from appliance.errors import ConflictError, NotFoundError
from appliance.media import creation, handing
from appliance.media import discs as verbs
from appliance.media.burners import StoredBurner, add_burner
from appliance.media.ruled import check_rule
from appliance.media.views import list_discs
from appliance.media.worker import DiscWorker
from appliance.security.peer_verbs import add_peer, get_peer, set_peer
from appliance.security.peers import Peer
from appliance.store import discs
from appliance.store.store import Store, open_store
from tests.media import made
from tests.media.disc_helpers import CLERK, keep, with_study

SETTINGS = Settings.model_validate(
    {"dicom": {"ports": [0]}, "storage": {"reserve_percent": 0, "reserve_mib": 1}, "tls": {}}
)
UIDS = [f"{made.ROOT}.1.1.{number}" for number in (1, 2, 3)]
SUCCESS, DUPLICATE, NO_SUCH, MISSING, EMPTY = 0x0000, 0x0111, 0x0112, 0x0120, 0x0121


class Scu:
    """An SCU with one association."""

    def __init__(self, association: Any) -> None:
        self.association = association

    def create(self, uid: str | None = None, **values: Any) -> tuple[int, Dataset | None]:
        dataset = Dataset()
        references = values.pop("references", [(made.CT, each, "STD-GEN-CD") for each in UIDS])
        if references is not None:
            dataset.ReferencedSOPSequence = [_item(*each) for each in references]
        dataset.IncludeDisplayApplication, dataset.IncludeNonDICOMObjects = "NO", "NO"
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        status, reply = self.association.send_n_create(dataset, MEDIA_CREATION, uid)
        return status.Status, reply

    def act(self, uid: str, action: int = 1, **values: Any) -> int:
        information = Dataset()
        for keyword, value in values.items():
            setattr(information, keyword, value)
        status, _ = self.association.send_n_action(information or None, action, MEDIA_CREATION, uid)
        return int(status.Status)

    def get(self, uid: str, *tags: int) -> tuple[int, Dataset]:
        status, reply = self.association.send_n_get(list(tags), MEDIA_CREATION, uid)
        return status.Status, reply


def _item(sop_class: str, uid: str, profile: str = "") -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    if profile:
        item.RequestedMediaApplicationProfile = profile
    return item


@contextmanager
def connected(store: Store, calling: str = "RIS") -> Iterator[Scu]:
    """An SCU at a front door that is opened for it and closed after it."""
    server = DicomServer(store, [MediaCreationScp(store)])
    server.start()
    client = AE(calling)
    client.add_requested_context(MEDIA_CREATION)
    association = client.associate("127.0.0.1", server.port, ae_title="APPLIANCE")
    try:
        yield Scu(association)
    finally:
        if association.is_established:
            association.release()
        server.stop(0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = with_study(open_store(tmp_path / "data", settings=SETTINGS))
    add_peer(found, Peer(name="ris", ae_title="RIS", allows=("store", "media-creation")), CLERK)
    yield found
    found.close()


def test_an_order_becomes_a_disc_and_says_so(store: Store) -> None:
    uid = generate_uid()
    with connected(store) as scu:
        status, reply = scu.create(uid, StorageMediaFileSetID="RIS_7", LabelText="Ward 7")
        assert (status, reply.LabelText, len(reply.ReferencedSOPSequence)) == (SUCCESS, "Ward 7", 3)
        assert scu.get(uid)[1].ExecutionStatus == "IDLE"
        assert scu.act(uid, NumberOfCopies=2, RequestPriority="HIGH") == SUCCESS
        assert (scu.get(uid)[1].ExecutionStatus, scu.get(uid)[1].ExecutionStatusInfo) == ("PENDING", "QUEUED")
        assert scu.act(uid) == 0xA510
        DiscWorker(store).work_off()
        found = scu.get(uid)[1]
        assert (found.ExecutionStatus, found.ExecutionStatusInfo) == ("DONE", "NORMAL")
        assert (found.TotalNumberOfPiecesOfMediaCreated, len(found.FailedSOPSequence)) == (2, 0)
        assert [item.StorageMediaFileSetID for item in found.ReferencedStorageMediaSequence] == ["RIS_7"]
        view = list_discs(store)[0]
        assert found.ReferencedStorageMediaSequence[0].StorageMediaFileSetUID == view["volumes"][0]["file_set_uid"]
        assert (view["priority"], view["copies"], view["requested_by"]) == ("HIGH", 2, "RIS")
        assert scu.act(uid, 2) == 0xC201


def test_a_peers_orders_go_to_its_own_burner_and_to_no_rules(store: Store, tmp_path: Path) -> None:
    ward = StoredBurner(name="ward", burner_uri=f"folder:{tmp_path / 'data' / 'burned'}")
    add_burner(store, ward, CLERK)
    ris = get_peer(store, "ris")
    set_peer(store, replace(ris, rule={"burner": "folder"}), CLERK)
    with connected(store) as scu:
        scu.create(generate_uid())
    set_peer(store, replace(ris, burner="ward"), CLERK)
    with connected(store) as scu:
        scu.create(generate_uid())
    assert [disc["burner"] for disc in list_discs(store)] == ["ward", "folder"]
    with pytest.raises(NotFoundError):
        check_rule(store, replace(ris, burner="nowhere"))


def test_a_label_says_of_the_patient_what_was_ordered(store: Store) -> None:
    with connected(store) as scu:
        for extracted, style, named in (("YES", "SLEEVE", True), ("NO", "", False), (None, "OF_THEIRS", True)):
            uid = generate_uid()
            asked = {"LabelUsingInformationExtractedFromInstances": extracted, "LabelStyleSelection": style}
            scu.create(uid, LabelText="Ward 7", **{key: value for key, value in asked.items() if value})
            assert scu.act(uid) == SUCCESS
            DiscWorker(store).work_off()
            assert scu.get(uid)[1].ExecutionStatus == "DONE"
            text = page_text(handing.label_of(store, list_discs(store)[0]["disc_id"], 1))
            assert ("Doe" in text or "DOE" in text) is named, text
            assert "Ward 7" in text


def page_text(content: bytes) -> str:
    command = ["pdftotext", "-", "-"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout.decode()


def test_an_order_survives_a_restart_in_every_state(store: Store) -> None:
    uid = generate_uid()
    with connected(store) as scu:
        assert scu.create(uid)[0] == SUCCESS
    with connected(store) as scu:
        assert scu.get(uid)[1].ExecutionStatus == "IDLE"
        assert scu.act(uid) == SUCCESS
    DiscWorker(store).work_off()
    with connected(store) as scu:
        assert scu.get(uid)[1].ExecutionStatus == "DONE"


def test_a_split_order_names_every_disc(store: Store) -> None:
    uid = generate_uid()
    with connected(store) as scu:
        scu.create(uid)
        with store.database.write("disc") as connection:
            row = discs.by_request_uid(connection, uid)
            discs.change(connection, row.disc_id, choices={**row.choices, "medium": "cd:116000"})
        scu.act(uid)
        DiscWorker(store).work_off()
        found = scu.get(uid)[1]
    uids = [item.StorageMediaFileSetUID for item in found.ReferencedStorageMediaSequence]
    assert (found.ExecutionStatus, len(uids) > 1, len(set(uids))) == ("DONE", True, len(uids))


@pytest.mark.parametrize("medium", ["", "cd:116000"])
def test_the_file_set_uid_asked_for_is_on_the_disc(store: Store, tmp_path: Path, medium: str) -> None:
    """PS3.4 S.3.2.1.1.1: it shall be used, and another one on each further volume; also one of full length."""
    uid, asked = generate_uid(), "1.2.840.99999." + "7" * 48 + ".1"
    with connected(store) as scu:
        assert scu.create(uid, StorageMediaFileSetUID=asked, StorageMediaFileSetID="Ours!")[0] == SUCCESS
        if medium:
            with store.database.write("disc") as connection:
                row = discs.by_request_uid(connection, uid)
                discs.change(connection, row.disc_id, choices={**row.choices, "medium": medium})
        scu.act(uid)
        DiscWorker(store).work_off()
        found = scu.get(uid)[1]
    view = list_discs(store)[0]
    told = [item.StorageMediaFileSetUID for item in found.ReferencedStorageMediaSequence]
    assert (found.ExecutionStatus, found.StorageMediaFileSetUID, told[0]) == ("DONE", asked, asked)
    assert len(set(told)) == len(told) == len(view["volumes"]) and (len(told) > 1) is bool(medium)
    assert found.StorageMediaFileSetID == f"DISC{view['disc_id']:06d}", "what is used, where what was asked can't be"
    (image, *_) = sorted((tmp_path / "data" / "burned").glob("*.iso"))
    subprocess.run(["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/DICOMDIR", tmp_path / "there"],
                   check=True, capture_output=True)  # fmt: skip
    command = ["dcmdump", "-q", "+P", "0002,0003", tmp_path / "there"]
    assert asked in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_profile_that_is_used_is_told(store: Store) -> None:
    """Requested Media Application Profile is 3/1: where nobody asked, ours."""
    uid = generate_uid()
    with connected(store) as scu:
        reply = scu.create(uid, references=[(made.CT, UIDS[0])])[1]
        (item,) = scu.get(uid, 0x00081199)[1].ReferencedSOPSequence
    used = list_discs(store)[0]["profile"]
    assert used and used == item.RequestedMediaApplicationProfile
    assert reply.ReferencedSOPSequence[0].RequestedMediaApplicationProfile == used


def test_a_profile_the_burner_makes_no_media_for_is_told_when_it_is_begun(store: Store, tmp_path: Path) -> None:
    """PS3.4 S.3.2.1.3: not by refusing N-CREATE, after which nobody can ask why."""
    blank = tmp_path / "data" / "burned" / "drive.img"
    add_burner(store, StoredBurner(name="desk", burner_uri=f"drive:stdio:{blank}"), CLERK)
    set_peer(store, replace(get_peer(store, "ris"), burner="desk"), CLERK)
    uid = generate_uid()
    with connected(store) as scu:
        assert scu.create(uid, references=[(made.CT, UIDS[0], "STD-GEN-ZIP-MAIL")])[0] == SUCCESS
        assert scu.act(uid) == SUCCESS
        found = scu.get(uid)[1]
    assert (found.ExecutionStatus, found.ExecutionStatusInfo) == ("FAILURE", "NOT_SUPPORTED")
    assert [item.FailureReason for item in found.FailedSOPSequence] == [0x0204]
    assert found.ReferencedSOPSequence[0].RequestedMediaApplicationProfile == "STD-GEN-ZIP-MAIL"


# references -> Execution Status Info, Failure Reasons
IMPOSSIBLE = {
    "missing": ([(made.CT, UIDS[0]), (made.CT, "1.2.3.4")], "NO_INSTANCE", [0x0112]),
    "other class": ([(made.CT[:-1] + "4", UIDS[0])], "NO_INSTANCE", [0x0119]),
    "twice": ([(made.CT, UIDS[0]), (made.CT, UIDS[0])], "DUPL_REF_INST", []),
    "two profiles": ([(made.CT, UIDS[0], "STD-GEN-CD"), (made.CT, UIDS[1], "STD-GEN-USB-JPEG")], "NOT_SUPPORTED",
                     [0x0201, 0x0201]),
    "unknown profile": ([(made.CT, UIDS[0], "STD-XABC-CD")], "NOT_SUPPORTED", [0x0204]),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_can_not_be_made_is_said_by_instance(store: Store, case: str) -> None:
    references, info, reasons = IMPOSSIBLE[case]
    uid = generate_uid()
    with connected(store) as scu:
        assert scu.create(uid, references=references)[0] == SUCCESS
        assert scu.act(uid) == SUCCESS
        found = scu.get(uid)[1]
    assert (found.ExecutionStatus, found.ExecutionStatusInfo) == ("FAILURE", info)
    assert [item.FailureReason for item in found.FailedSOPSequence] == reasons
    assert all(item.ReferencedSOPClassUID for item in found.FailedSOPSequence)


def test_what_a_profile_refuses_is_said_when_it_is_planned(store: Store) -> None:
    keep(store, [made.of_kind("SR DOCUMENT", 50)])
    report = made.report(50)
    uid = generate_uid()
    with connected(store) as scu:
        scu.create(uid, references=[(report.SOPClassUID, report.SOPInstanceUID, "STD-CTMR-CD")])
        scu.act(uid)
        DiscWorker(store).work_off()
        found = scu.get(uid)[1]
    assert (found.ExecutionStatus, found.ExecutionStatusInfo) == ("FAILURE", "INST_AP_CONFLICT")
    assert [item.FailureReason for item in found.FailedSOPSequence] == [0x0202]


def test_an_order_that_does_not_fit_is_not_split_when_that_is_not_allowed(store: Store) -> None:
    uid = generate_uid()
    with connected(store) as scu:
        scu.create(uid, AllowMediaSplitting="NO")
        with store.database.write("disc") as connection:
            row = discs.by_request_uid(connection, uid)
            discs.change(connection, row.disc_id, choices={**row.choices, "medium": "cd:116000"})
        scu.act(uid)
        DiscWorker(store).work_off()
        assert scu.get(uid)[1].ExecutionStatusInfo == "SET_OVERSIZED"


def test_an_order_is_cancelled_before_it_burns_and_not_while(store: Store) -> None:
    first, second = generate_uid(), generate_uid()
    with connected(store) as scu:
        for uid in (first, second):
            scu.create(uid)
        assert scu.act(first, 2) == SUCCESS
        # PS3.4 S.3.2.3.2: the instance is deleted; the clerk still sees what became of the disc
        assert (scu.get(first)[0], scu.act(first), scu.act(first, 2)) == (NO_SUCH, NO_SUCH, NO_SUCH)
        view = list_discs(store)[-1]
        assert (view["execution_status"], view["execution_status_info"]) == ("FAILURE", "CANCELED")
        assert scu.act(second) == SUCCESS
        with store.database.write("disc") as connection:
            row = discs.by_request_uid(connection, second)
            discs.change(connection, row.disc_id, execution_status="CREATING", burning_by="someone")
        assert scu.act(second, 2) == 0xC202
        assert scu.get(second)[1].ExecutionStatus == "CREATING"


def test_wrong_requests_are_refused_with_the_status_of_the_standard(store: Store) -> None:
    uid = generate_uid()
    with connected(store) as scu:
        assert scu.create(references=None)[0] == MISSING
        assert scu.create(references=[])[0] == EMPTY
        assert scu.create(references=[(made.CT, "not a uid")])[0] == 0x0106
        assert scu.create(IncludeNonDICOMObjects="PERHAPS")[0] == 0x0106
        assert scu.create(uid)[0] == SUCCESS
        assert scu.create(uid)[0] == DUPLICATE
        assert scu.act(generate_uid()) == NO_SUCH
        assert scu.act(uid, 3) == 0x0123
        assert scu.act(uid, NumberOfCopies=1000) == 0x0106
        assert scu.act(uid, NumberOfCopies=0) == 0x0106
        assert scu.create(StorageMediaFileSetUID="1.2.x")[0] == 0x0106
        assert scu.get(generate_uid())[0] == NO_SUCH
        status, reply = scu.get(uid, 0x21000020, 0x00100010)
        assert (status, reply.ExecutionStatus) == (0x0001, "IDLE")
        assert "PatientName" not in reply


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00081199, "LO", b"1.2.3.4 "),  # Referenced SOP Sequence
        (0x00880130, "US", 12),  # Storage Media File-set ID: it was kept, and its answer could not be encoded
        (0x22000002, "SQ", [_item(made.CT, "1.2.3")]),  # Label Text
    ],
)
def test_a_value_of_another_kind_than_it_should_be_is_refused(store: Store, tag: int, vr: str, value: Any) -> None:
    uid, dataset = generate_uid(), Dataset()
    dataset.ReferencedSOPSequence = [_item(made.CT, each) for each in UIDS]
    dataset[tag] = DataElement(Tag(tag), vr, value, already_converted=True)
    with connected(store) as scu:
        status, _ = scu.association.send_n_create(dataset, MEDIA_CREATION, uid)
        assert (status.Status, scu.get(uid)[0]) == (0x0106, NO_SUCH)


def test_copies_that_are_no_whole_number_are_refused(store: Store) -> None:
    uid, information = generate_uid(), Dataset()
    information[0x20000010] = RawDataElement(Tag(0x20000010), "IS", 4, b"2.5 ", 0, True, True)
    with connected(store) as scu:
        scu.create(uid)
        status, _ = scu.association.send_n_action(information, 1, MEDIA_CREATION, uid)
        assert (status.Status, scu.get(uid)[1].ExecutionStatus) == (0x0106, "IDLE")


def test_of_two_that_create_one_request_at_once_one_is_told_of_the_other(store: Store) -> None:
    uid, together = generate_uid(), threading.Barrier(2)

    def create(_: int) -> str:
        together.wait()
        try:
            references = (creation.Reference(sop_class_uid=made.CT, sop_instance_uid=UIDS[0], profile=""),)
            creation.create_request(store, uid, creation.Wish(references=references, request={}), CLERK)
        except ConflictError:
            return "conflict"
        return "kept"

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(create, range(2))) == ["conflict", "kept"]


def test_who_may_not_order_discs_gets_no_context(store: Store) -> None:
    with connected(store, calling="STRANGER") as scu:
        assert not scu.association.accepted_contexts


def test_a_clerk_sees_the_order_and_may_cancel_it(store: Store) -> None:
    uid = generate_uid()
    with connected(store) as scu:
        scu.create(uid)
        scu.act(uid)
        view = list_discs(store)[0]
        assert view["patient_name"] == "DOE^JANE"
        verbs.cancel(store, view["disc_id"], CLERK)
        assert scu.get(uid)[1].ExecutionStatus == "FAILURE"
