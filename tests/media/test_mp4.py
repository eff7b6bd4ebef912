"""Video the profile does not take, as MP4 files beside the file-set: made by ffmpeg, judged by ffprobe and Chromium."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from appliance.cli import cli
from appliance.media import discs as verbs
from appliance.media.check import examine
from appliance.media.copy_types import get_copy_type
from appliance.media.ordering import DiscOrder
from appliance.media.plan import Plan
from appliance.media.selection import Selection
from appliance.store.store import Store
from tests.media import made
from tests.media.disc_helpers import CLERK, PLAIN, STUDY, fresh, keep, ordered, work_off
from tests.media.test_video import VIDEO_ENDOSCOPY

MPEG2, H264, HEVC = (f"1.2.840.10008.1.2.4.{number}" for number in (100, 102, 107))
FRAMES = 40
WHOLE = {"video": "mp4", "viewer": True, "web_content": True}
MP4 = {"video": "mp4"}
NO_B = ["-bf", "0"]
X265 = ["-x265-params", "log-level=none"]
# name -> transfer syntax, encoder and options, container
STREAMS: dict[str, tuple[str, list[str], str]] = {
    "mpeg2-bare": (MPEG2, ["mpeg2video", "-bf", "2"], "mpeg2video"),
    "mpeg2-program": (MPEG2, ["mpeg2video"], "vob"),
    "mpeg2-transport": (MPEG2, ["mpeg2video"], "mpegts"),
    "h264-bare": (H264, ["libx264", *NO_B], "h264"),
    "h264-transport": (H264, ["libx264"], "mpegts"),
    "h264-mp4": (H264, ["libx264"], "mp4"),
    "hevc-transport": (HEVC, ["libx265", *X265], "mpegts"),
    "h264-bare-reordered": (H264, ["libx264", "-bf", "2"], "h264"),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = fresh(tmp_path / "data")
    yield found
    found.close()


@cache
def stream(name: str, sound: bool = False) -> bytes:
    """A test picture that changes in every frame, coded."""
    _, (encoder, *options), container = STREAMS[name]
    picture = ["-f", "lavfi", "-i", f"testsrc2=size=160x120:rate=20:duration={FRAMES / 20}"]
    tone = ["-f", "lavfi", "-i", f"sine=duration={FRAMES / 20}", "-c:a", "aac"] if sound else []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        coding = ["-pix_fmt", "yuv420p", "-c:v", encoder, *options, "-metadata", "title=DOE JANE"]
        subprocess.run(["ffmpeg", "-v", "error", "-y", *picture, *tone, *coding, "-f", container, path], check=True)
        return path.read_bytes()


def video(name: str, *, number: int = 60, data: bytes | None = None, pieces: int = 1, **values: Any) -> Dataset:
    """A video endoscopy."""
    data = stream(name) if data is None else data
    dataset = made.common(number, VIDEO_ENDOSCOPY, series=6, Modality="ES", SeriesDescription="Colon")
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 120, 160, FRAMES
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "YBR_PARTIAL_420", 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation, dataset.FrameTime = 7, 0, "50"
    data += bytes(len(data) % 2)
    step = -(-len(data) // pieces // 2) * 2
    dataset.PixelData = encapsulate([data[at : at + step] for at in range(0, len(data), step)], has_bot=False)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = STREAMS[name][0]
    return made.changed(dataset, **values)


def planned(store: Store, **choices: Any) -> Plan:
    return verbs.plan_disc(store, DiscOrder(selection=Selection(studies=(STUDY,)), choices=choices))[0]


def extracted(image: str, out: Path) -> Path:
    command = ["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", str(out)]
    subprocess.run(command, capture_output=True, check=True)
    return out


def told(path: Path, *entries: str) -> list[str]:
    """What ffprobe says of the streams."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [",".join(str(each[name]) for name in entries) for each in json.loads(said)["streams"]]


def pictures(path: Path, *options: str) -> list[str]:
    """Checksums of the decoded pictures in the order they are shown."""
    command = ["ffmpeg", "-v", "error", *options, "-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    said = subprocess.run([*command, "-f", "framemd5", "-"], capture_output=True, text=True, check=True).stdout
    return [line.split(",")[-1].strip() for line in said.splitlines() if not line.startswith("#")]


def times(path: Path) -> list[float]:
    """When each picture is shown, in seconds, in the order the decoder gives them out."""
    command = ["ffprobe", "-v", "error", "-show_entries", "frame=pts_time", "-of", "csv=p=0", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(line.strip(",")) for line in said.split()]


@pytest.mark.parametrize("name", [name for name in STREAMS if "reordered" not in name])
def test_a_video_lies_beside_the_file_set_with_the_very_pictures_that_were_sent(
    store: Store, tmp_path: Path, name: str
) -> None:
    keep(store, [video(name)])
    plan = planned(store, **PLAIN, **MP4)
    view = work_off(store, ordered(store, choices=MP4))
    assert view["execution_status"] == "DONE", view["message"]
    assert plan.ready and view["volumes"][0]["bytes"] <= plan.volumes[0].size
    out = extracted(view["volumes"][0]["image"], tmp_path / "out")
    mp4 = out / "VIDEO" / "V0000000.MP4"
    codec = {MPEG2: "mpeg2video", H264: "h264", HEVC: "hevc"}[STREAMS[name][0]]
    assert told(mp4, "codec_name", "width", "height", "nb_read_packets") == [f"{codec},160,120,{FRAMES}"]
    sent = tmp_path / "sent"
    sent.write_bytes(stream(name))
    assert pictures(mp4) == pictures(sent, *(["-f", "mpegvideo"] if name == "mpeg2-bare" else []))
    shown = times(mp4)
    assert all(0.049 < later - before < 0.051 for before, later in zip(shown, shown[1:], strict=False))
    assert mp4.stat().st_size <= plan.volumes[0].videos[0].size


def test_it_is_told_in_plan_record_readme_and_checksums_and_not_in_the_directory(store: Store, tmp_path: Path) -> None:
    sent = video("h264-mp4")
    keep(store, [sent])
    uid = sent.SOPInstanceUID
    plan = planned(store, **WHOLE).to_json()
    assert [note["sop_instance_uid"] for note in plan["mp4"]] == [uid] and plan["instances"] == 3
    assert [video["path"] for video in plan["volumes"][0]["videos"]] == ["VIDEO/V0000000.MP4"]
    view = work_off(store, ordered(store, choices=WHOLE))
    assert view["message"].startswith("1 video is not among the DICOM files")
    assert view["plan"]["mp4"][0]["sop_instance_uid"] == uid and view["volumes"][0]["instances"] == 3
    assert not view["volumes"][0]["findings"] and not examine(view["volumes"][0]["image"]).findings
    out = extracted(view["volumes"][0]["image"], tmp_path / "out")
    directory = dcmread(out / "DICOMDIR")
    assert uid not in [each.get("ReferencedSOPInstanceUIDInFile") for each in directory.DirectoryRecordSequence]
    text = " ".join((out / "README.TXT").read_text("utf-8-sig").split())
    assert f"VIDEO/V0000000.MP4: ES 6 Colon; {uid}" in text and "not among the DICOM files" in text
    assert 'src="VIDEO/V0000000.MP4"' in (out / "INDEX.HTM").read_text("utf-8")
    assert "VIDEO/V0000000.MP4" in (out / "SHA256.TXT").read_text("ascii")
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256.TXT"], cwd=out, check=True, capture_output=True)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


ENDED = "video => video.ended && video.videoWidth === 160"


def test_chromium_plays_it_from_file_on_the_overview_and_in_the_viewer(
    store: Store, tmp_path: Path, page: Page
) -> None:
    keep(store, [video("h264-transport"), video("mpeg2-program", number=61)])
    view = work_off(store, ordered(store, choices=WHOLE))
    out = extracted(view["volumes"][0]["image"], tmp_path / "out")
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    page.goto(f"file://{out}/INDEX.HTM")
    assert page.locator("video").count() == 1  # browsers play no MPEG-2: that one has a link and a word
    expect(page.get_by_text("open it with a video player")).to_be_visible()
    page.locator("video").evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_function(f"() => ({ENDED})(document.querySelector('video'))")
    page.get_by_role("link", name="Open the viewer").click()
    page.get_by_role("button", name="ES 6 / 60 MP4 Colon").click()
    page.locator("#video").evaluate("video => { video.muted = true; }")
    page.keyboard.press("Space")
    page.wait_for_function(f"() => ({ENDED})(document.querySelector('#video'))")
    assert not troubles
    page.get_by_role("button", name="ES 6 / 61 MP4 Colon").click()
    expect(page.locator("#message")).to_contain_text("VIDEO/V0000001.MP4")
    page.get_by_role("button", name="CT 1").click()
    expect(page.locator("#bottom-left")).to_contain_text("1 / 3")
    expect(page.locator("#video")).to_be_hidden()


def test_a_study_of_nothing_but_video_makes_a_disc_with_an_empty_directory(store: Store, tmp_path: Path) -> None:
    keep(store, [video("h264-mp4", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1")])
    view = work_off(store, ordered(store, selection=Selection(studies=("1.2.3",)), choices=WHOLE))
    assert view["execution_status"] == "DONE" and view["patient_name"] == "DOE^JANE"
    out = extracted(view["volumes"][0]["image"], tmp_path / "out")
    assert not dcmread(out / "DICOMDIR").DirectoryRecordSequence
    subprocess.run(["dcdirdmp", out / "DICOMDIR"], capture_output=True, check=True)
    assert "DOE, JANE" in (out / "README.TXT").read_text("utf-8-sig")


def test_discs_are_split_with_room_for_the_mp4_files(store: Store) -> None:
    keep(store, [video("h264-mp4", number=number) for number in range(60, 63)])
    size = planned(store, **PLAIN, **MP4).volumes[0].size
    medium = f"cd:{size * 4 // 5}"
    view = work_off(store, ordered(store, medium=medium, choices=MP4))
    assert view["execution_status"] == "DONE", view["message"]
    assert [len(volume["videos"]) for volume in view["plan"]["volumes"]] == [2, 1]
    assert all(volume["bytes"] <= size * 4 // 5 for volume in view["volumes"])


def test_a_stream_in_several_fragments_is_put_together(store: Store, tmp_path: Path) -> None:
    sent = video("h264-transport", pieces=3)
    sent.file_meta.TransferSyntaxUID = H264 + ".1"
    keep(store, [sent])
    view = work_off(store, ordered(store, choices=MP4))
    assert view["execution_status"] == "DONE", view["message"]
    mp4 = extracted(view["volumes"][0]["image"], tmp_path / "out") / "VIDEO" / "V0000000.MP4"
    assert told(mp4, "nb_read_packets") == [str(FRAMES)]


def test_sound_goes_along_and_what_a_container_says_of_the_patient_does_not(store: Store, tmp_path: Path) -> None:
    data = stream("h264-mp4", sound=True)
    assert b"DOE JANE" in data
    keep(store, [video("h264-mp4", data=data)])
    view = work_off(store, ordered(store, choices=MP4))
    mp4 = extracted(view["volumes"][0]["image"], tmp_path / "out") / "VIDEO" / "V0000000.MP4"
    assert told(mp4, "codec_type") == ["video", "audio"]
    assert b"DOE JANE" not in mp4.read_bytes()


def test_an_anonymous_copy_leaves_it_out_until_a_person_looked_and_has_no_sound(store: Store, tmp_path: Path) -> None:
    sent = video("h264-mp4", data=stream("h264-mp4", sound=True))
    keep(store, [sent])
    view = work_off(store, ordered(store, copy_type="anonymous", choices=MP4))
    assert view["execution_status"] == "DONE" and view["volumes"][0]["instances"] == 3
    assert "looked:" in view["plan"]["left_out"][0]["reason"] and not view["plan"]["mp4"]
    looked = (f"looked:{sent.SOPInstanceUID}",)
    view = work_off(store, ordered(store, copy_type="anonymous", choices=MP4, decisions=looked))
    out = extracted(view["volumes"][0]["image"], tmp_path / "out")
    assert told(out / "VIDEO" / "V0000000.MP4", "codec_type") == ["video"]
    readme = (out / "README.TXT").read_text("utf-8-sig")
    assert sent.SOPInstanceUID not in readme and "VIDEO/V0000000.MP4" in readme


# what can't be is said before anything is built
UNFIT = {
    "a bare stream whose times nobody knows": ("h264-bare-reordered", None, "without times"),
    "no video": ("h264-mp4", b"plain text, no video" * 100, "no form that is known"),
    "nothing": ("h264-mp4", b"\0\0", "no form that is known"),
    "a head and nothing behind it": ("h264-transport", bytes([0x47, *bytes(187)]) * 20, "ffprobe says|coded as"),
    "a playlist that names files of ours": ("h264-mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "no form"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_the_plan_says_why_a_video_can_not_become_an_mp4_file(store: Store, case: str) -> None:
    name, data, words = UNFIT[case]
    sent = video(name, data=data)
    keep(store, [sent])
    (refused,) = planned(store, **MP4).refused
    assert refused.SOPInstanceUID == sent.SOPInstanceUID
    assert any(each in refused.reason for each in words.split("|")), refused.reason


def test_one_found_bad_only_when_it_is_made_waits_for_a_person_who_leaves_it_out(store: Store) -> None:
    keep(store, [video("h264-bare-reordered"), video("h264-bare", number=61)])
    view = work_off(store, disc := ordered(store, choices=MP4))
    assert view["held"] and ".6.60: it can't become an MP4 file" in view["message"], view["message"]
    verbs.decide(store, disc, CLERK, leave_out_refused=True)
    view = work_off(store, disc)
    assert view["execution_status"] == "DONE" and len(view["plan"]["volumes"][0]["videos"]) == 1


def run(store: Store, *arguments: str) -> str:
    """What ``appliance disc`` prints."""
    given = ["disc", *arguments, "--data", str(store.folder.root)]
    result = CliRunner().invoke(cli, given, catch_exceptions=False, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def test_the_command_proposes_it_and_says_when_this_machine_has_no_ffmpeg(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, [video("h264-mp4")])
    create = ("create", "--study", STUDY, "--plan")
    said = run(store, *create)
    assert "--video mp4" in said and "It can't be made so." in said
    said = run(store, *create, "--video", "mp4")
    assert "VIDEO/V0000000.MP4" in said and "Ready to be made." in said
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "this machine lacks ffmpeg, ffprobe (apt install ffmpeg)" in run(store, *create, "--video", "mp4")


def test_a_disc_that_waits_because_of_a_video_goes_on_by_one_command(store: Store) -> None:
    keep(store, [video("h264-mp4")])
    disc = ordered(store)
    view = work_off(store, disc)
    assert view["held"] and "video as MP4 files (--video mp4)" in view["message"]
    view = json.loads(run(store, "decide", str(disc), "--video", "mp4", "--wait", "--json"))
    assert view["execution_status"] == "DONE"
    assert view["plan"]["volumes"][0]["videos"][0]["path"] == "VIDEO/V0000000.MP4"


def test_no_copy_type_makes_mp4_files_of_its_own_accord(store: Store) -> None:
    names: Sequence[str] = ("patient", "physician", "legal", "anonymous")
    assert {get_copy_type(store, name).video for name in names} == {"refuse"}
