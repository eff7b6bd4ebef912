"""What can't go on a disc is named before it is built, with what to do next; a person may go on without it."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from appliance.cli import cli
from appliance.media import build, trial
from appliance.media import discs as verbs
from appliance.media.obstacles import UndecodableError
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.store.store import Store
from tests.media import made
from tests.media.disc_helpers import CLERK, STUDY, fresh, keep, ordered, work_off
from tests.support.limited import limited

PRIVATE = "1.3.12.2.1107.5.9.1"
DECIDED = {"leave_out_refused": True}


def private(number: int = 90) -> Dataset:
    """An instance of a private SOP class: no directory record exists for it."""
    return made.common(number, PRIVATE, series=9, Modality="OT")


def spoiled(number: int = 80, frames: int = 1, bad: int = 1, *, nothing: bool = False) -> Dataset:
    """A JPEG 2000 image one frame of which no decoder takes, or is `nothing` but zeros."""
    dataset = made.image(number, rows=64, columns=64, series=8)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    start = dataset.PixelData.index(b"\xff\x4f\xff\x51")
    good = dataset.PixelData[start : dataset.PixelData.index(b"\xff\xd9", start) + 2]
    dataset.NumberOfFrames = frames
    parts = [good] * frames
    parts[bad - 1] = bytes(88) if nothing else good[:48] + b"\xff\xff" * 20
    dataset.PixelData = encapsulate(parts)
    return dataset


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def readme(image: str) -> str:
    command = ["isoinfo", "-x", "/README.TXT;1", "-i", image]
    return " ".join(subprocess.run(command, capture_output=True, check=True).stdout.decode().split())


def test_a_legal_disc_waits_for_a_person_who_may_leave_a_private_object_out(store: Store) -> None:
    keep(store, [private()])
    view = work_off(store, ordered(store, copy_type="legal"))
    assert view["held"] and view["reasons"] == ["decision-needed"]
    assert "no directory record exists" in view["message"] and "--leave-out-refused" in view["message"]
    verbs.decide(store, view["disc_id"], CLERK, leave_out_refused=True)
    view = work_off(store, view["disc_id"])
    assert view["execution_status"] == "DONE" and view["volumes"][0]["instances"] == 3
    assert f"{PRIVATE}" in readme(view["volumes"][0]["image"])


def test_an_image_that_cannot_be_decompressed_is_planned_as_refused_and_may_be_left_out(store: Store) -> None:
    keep(store, [spoiled()])
    order = DiscOrder(selection=Selection(studies=(STUDY,)))
    plan, _ = verbs.plan_disc(store, order)
    assert [note.SOPInstanceUID for note in plan.refused] == [f"{made.ROOT}.1.8.80"]
    assert "can't be decompressed" in plan.refused[0].reason and "STD-GEN-ZIP-MAIL" in plan.refused[0].proposal
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=order.selection, choices=DECIDED))
    assert plan.ready and len(plan.left_out) == 1
    view = work_off(store, ordered(store, choices=DECIDED))
    assert view["execution_status"] == "DONE" and view["volumes"][0]["instances"] == 3


ORDER = DiscOrder(selection=Selection(studies=(STUDY,)))


def test_an_image_with_larger_frames_than_are_set_is_refused_by_name(store: Store) -> None:
    dataset = made.image(80, rows=512, columns=1025, series=8)
    dataset.file_meta, dataset.PixelData = FileMetaDataset(), bytes(2 * 512 * 1025)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(RLELossless, generate_instance_uid=False)
    keep(store, [dataset])
    (refused,) = verbs.plan_disc(limited(store, frame_mib=1), ORDER)[0].refused
    assert refused.SOPInstanceUID.endswith(".8.80") and "512 x 1025" in refused.reason
    trial._known.clear()  # a setting is changed by a restart
    assert verbs.plan_disc(limited(store, frame_mib=2), ORDER)[0].ready
    for mib, held in ((1, True), (2, False)):
        view = work_off(limited(store, frame_mib=mib), ordered(store))
        assert view["held"] == held and (view["execution_status"] == "DONE") != held, view["message"]


def patiently(monkeypatch: pytest.MonkeyPatch, frame_seconds: float = 300.0) -> None:
    """Let a plan have all the time it needs on a busy machine."""
    monkeypatch.setattr(trial, "SECONDS", 300.0)
    monkeypatch.setattr(trial, "FRAME_SECONDS", frame_seconds)


def test_the_plan_finds_a_late_bad_frame_and_names_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    patiently(monkeypatch)
    keep(store, [spoiled(80, frames=60, bad=40)])
    (refused,) = verbs.plan_disc(store, ORDER)[0].refused
    assert refused.SOPInstanceUID.endswith(".8.80") and "Frame 40" in refused.reason


def test_a_late_frame_of_nothing_is_seen_without_decoding(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    patiently(monkeypatch, -1.0)
    keep(store, [spoiled(80, frames=60, bad=40, nothing=True)])
    (refused,) = verbs.plan_disc(store, ORDER)[0].refused
    assert "Frame 40" in refused.reason


def test_a_late_bad_frame_found_by_the_build_is_named_and_one_command_goes_on_without(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, [spoiled(80, frames=60, bad=40)])
    disc = ordered(store)
    message = work_off(store, disc)["message"]
    assert f"Instance {made.ROOT}.1.8.80: its image can't be decompressed: Frame 40" in message
    assert "--leave-out-refused" in message
    monkeypatch.setenv("APPLIANCE_DATA", str(store.folder.root))
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_MIB", "1")
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_PERCENT", "0")
    command = ["disc", "decide", str(disc), "--leave-out-refused", "--wait", "--json"]
    view = json.loads(CliRunner().invoke(cli, command, catch_exceptions=False).stdout)
    assert view["execution_status"] == "DONE" and view["volumes"][0]["instances"] == 3
    assert "Frame 40" in readme(view["volumes"][0]["image"])


def test_a_bad_frame_the_plan_did_not_try_stops_the_disc_for_a_person(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "FRAME_SECONDS", -1.0)
    keep(store, [spoiled(80, frames=3, bad=3)])
    keep(store, [spoiled(81, frames=2, bad=2)])
    assert verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))[0].ready
    view = work_off(store, ordered(store))
    assert view["held"] and "(and 1 more)" in view["message"]
    assert view["plan"]["refused_count"] == 2
    verbs.decide(store, view["disc_id"], CLERK, leave_out_refused=True)
    assert work_off(store, view["disc_id"])["execution_status"] == "DONE"


def test_a_modalitys_request_is_answered_with_failure_not_held(store: Store) -> None:
    keep(store, [private()])
    view = work_off(store, ordered(store, copy_type="legal", request_uid="1.2.3"))
    assert (view["execution_status"], view["execution_status_info"]) == ("FAILURE", "INST_AP_CONFLICT")


def test_all_images_of_a_volume_that_cannot_be_decompressed_are_named_at_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "FRAME_SECONDS", -1.0)
    for number in (80, 81):
        keep(store, [spoiled(number, frames=2, bad=2)])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    with pytest.raises(UndecodableError) as caught:
        build.build(plan, tmp_path / "out")
    assert len(caught.value.instances) == 2


def test_the_command_line_says_the_next_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(store, [private()])
    keep(store, [spoiled()])
    monkeypatch.setenv("APPLIANCE_DATA", str(store.folder.root))
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_MIB", "1")
    monkeypatch.setenv("APPLIANCE_STORAGE_RESERVE_PERCENT", "0")

    def run(*more: str) -> str:
        command = ["disc", "create", "--study", STUDY, "--copy-type", "legal", "--plan", *more]
        return CliRunner().invoke(cli, command, catch_exceptions=False).stdout

    said = run()
    assert "It can't be made so." in said and "--leave-out-refused" in said
    assert PRIVATE in said and "can't be decompressed" in said
    assert "Ready to be made." in run("--leave-out-refused")
    assert json.loads(run("--leave-out-refused", "--json"))["ready"]


def with_icon(number: int, *, compressed: bool) -> Dataset:
    """An RLE image with an Icon Image Sequence, whose pixels are compressed as well, or are not."""
    dataset = made.image(number, series=8)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    icon = Dataset()
    icon.Rows, icon.Columns, icon.SamplesPerPixel, icon.PhotometricInterpretation = 16, 16, 1, "MONOCHROME2"
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.PixelData = encapsulate([dataset.PixelData[16:80]]) if compressed else bytes(256)
    icon["PixelData"].VR, icon["PixelData"].is_undefined_length = "OB", compressed
    dataset.IconImageSequence = [icon]
    return dataset


def test_a_compressed_icon_that_goes_is_told_in_the_plan_and_with_the_disc(store: Store, tmp_path: Path) -> None:
    keep(store, [with_icon(70, compressed=True), with_icon(71, compressed=False)])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    lost, kept = (f"{made.ROOT}.1.8.{number}" for number in (70, 71))
    assert {note.SOPInstanceUID: "icon" in note.reason for note in plan.decompress} == {lost: True, kept: False}
    view = work_off(store, ordered(store))
    assert view["execution_status"] == "DONE"
    assert view["message"] == "The compressed icon of 1 image was left out when it was decompressed."
    told = {note["sop_instance_uid"]: "icon" in note["reason"] for note in view["plan"]["decompress"]}
    assert told == {lost: True, kept: False}
    read = on_the(view["volumes"][0]["image"], tmp_path)
    assert {each.SOPInstanceUID for each in read if "IconImageSequence" in each} == {kept}


def on_the(image: str, folder: Path) -> list[Dataset]:
    """The instances on an image, as others read it."""
    command = ["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/DICOM", folder / "DICOM"]
    subprocess.run(command, capture_output=True, check=True)
    return [dcmread(path) for path in (folder / "DICOM").rglob("*") if path.is_file()]


def test_a_compressed_icon_stays_where_its_image_stays_compressed(store: Store) -> None:
    keep(store, [with_icon(70, compressed=True)])
    choices = {"profile": "STD-GEN-ZIP-MAIL", "medium": "zip"}
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,)), choices=choices))
    assert plan.decompress == ()
    assert work_off(store, ordered(store, choices=choices))["message"] == ""


def in_jp2(number: int) -> Dataset:
    """A JPEG 2000 image whose frame still lies in its JP2 file, as some send it (ITU-T T.800 Annex I)."""
    dataset = made.image(number, rows=64, columns=64, series=8)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    start = dataset.PixelData.index(b"\xff\x4f\xff\x51")
    stream = dataset.PixelData[start : dataset.PixelData.index(b"\xff\xd9", start) + 2]
    header = box(b"ihdr", struct.pack(">LLHBBBB", 64, 64, 1, 11, 7, 0, 0)) + box(
        b"colr", b"\1\0\0" + bytes((0, 0, 0, 17))
    )
    boxes = (
        box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", header) + box(b"jp2c", stream)
    )
    dataset.PixelData = encapsulate([boxes])
    return dataset


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", 8 + len(content)) + kind + content


def test_an_image_in_a_jp2_file_is_decompressed_and_not_refused(store: Store, tmp_path: Path) -> None:
    keep(store, [in_jp2(70)])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    assert plan.refused == () and [note.SOPInstanceUID for note in plan.decompress] == [f"{made.ROOT}.1.8.70"]
    view = work_off(store, ordered(store))
    assert view["execution_status"] == "DONE", view["message"]
    (read,) = [each for each in on_the(view["volumes"][0]["image"], tmp_path) if each.SeriesNumber == 8]
    assert read.PixelData == made.image(70, rows=64, columns=64).PixelData
