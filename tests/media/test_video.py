"""Real videos (by ffmpeg) on augmented discs: as they were sent, in the directory, played again from the image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames

from appliance.media import discs as verbs
from appliance.media.check import examine
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.store.store import Store
from appliance.studies.record_tables import STORAGE
from tests.media import made
from tests.media.disc_helpers import STUDY, fresh, keep, ordered, work_off

FRAMES = 5
# transfer syntax -> ffmpeg's encoder, its options, the format of a bare stream
SYNTAXES = {
    "1.2.840.10008.1.2.4.100": ("mpeg2video", [], "mpeg2video"),
    "1.2.840.10008.1.2.4.102": ("libx264", ["-profile:v", "high", "-level", "4.1"], "h264"),
    "1.2.840.10008.1.2.4.107": ("libx265", ["-x265-params", "log-level=none"], "hevc"),
}
VIDEO_ENDOSCOPY = STORAGE + "77.1.1.1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


def stream(folder: Path, syntax: str) -> bytes:
    """A few frames of a test picture, encoded."""
    encoder, options, kind = SYNTAXES[syntax]
    path = folder / "video"
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-frames:v", str(FRAMES), "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, "-c:v", encoder, *options, "-f", kind, path], check=True)
    return path.read_bytes()


def video(folder: Path, syntax: str) -> Dataset:
    """A video endoscopy of one fragment, as PS3.5 8.2.5 and on ask."""
    dataset = made.common(60, VIDEO_ENDOSCOPY, series=6, Modality="ES")
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 240, 320, FRAMES
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "YBR_PARTIAL_420", 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.FrameTime = 7, 0, "40"
    dataset.LossyImageCompression = "01"
    data = stream(folder, syntax)
    dataset.PixelData = encapsulate([data + bytes(len(data) % 2)])
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_video_goes_on_an_augmented_disc_as_it_was_sent_and_plays(store: Store, tmp_path: Path, syntax: str) -> None:
    sent = video(tmp_path, syntax)
    keep(store, [sent])
    view = work_off(store, ordered(store, medium="dvd", profile="AUG-GEN-DVD-VIDEO"))
    assert view["execution_status"] == "DONE", view["message"]
    assert (view["profile"], view["volumes"][0]["instances"]) == ("AUG-GEN-DVD-VIDEO", 4)
    image = view["volumes"][0]["image"]
    assert not [each for each in examine(image).findings if each.severity == "error"]
    out = tmp_path / "out"
    subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", out], capture_output=True, check=True
    )
    listed = subprocess.run(["dcdirdmp", out / "DICOMDIR"], capture_output=True, text=True, check=True)
    assert (listed.stdout + listed.stderr).count(" -> ") == 4
    directory = dcmread(out / "DICOMDIR").DirectoryRecordSequence
    (record,) = [each for each in directory if each.get("ReferencedTransferSyntaxUIDInFile") == syntax]
    assert (record.DirectoryRecordType, record.Rows, record.Columns, record.NumberOfFrames) == (
        "IMAGE",
        240,
        320,
        FRAMES,
    )
    instance = dcmread(out.joinpath(*record.ReferencedFileID))
    assert instance.PixelData == sent.PixelData
    (tmp_path / "played").write_bytes(next(generate_frames(instance.PixelData, number_of_frames=1)))
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    counted = subprocess.run([*command, tmp_path / "played"], capture_output=True, text=True, check=True).stdout
    assert counted.strip().strip(",") == str(FRAMES)


def test_a_standard_disc_refuses_a_video_and_names_the_augmented_profiles(store: Store, tmp_path: Path) -> None:
    keep(store, [video(tmp_path, "1.2.840.10008.1.2.4.102")])
    plan, _ = verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,))))
    (refused,) = plan.refused
    assert "video" in refused.reason and "AUG-GEN-CD-VIDEO" in refused.proposal
    view = work_off(store, ordered(store))
    assert view["held"] and "AUG-GEN-CD-VIDEO" in view["message"]


@pytest.mark.parametrize("medium", ["cd-700", "usb"])
def test_other_media_have_an_augmented_profile_too(store: Store, tmp_path: Path, medium: str) -> None:
    keep(store, [video(tmp_path, "1.2.840.10008.1.2.4.102")])
    profile = {"cd-700": "AUG-GEN-CD-VIDEO", "usb": "AUG-GEN-USB-VIDEO"}[medium]
    view = work_off(store, ordered(store, medium=medium, profile=profile))
    assert view["execution_status"] == "DONE" and view["volumes"][0]["instances"] == 4
