"""Icons in the directory by choice: small, grey, one an image, as PS3.3 F.7 asks; read by strangers; off by default."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from appliance.media import build
from appliance.media.check import verify
from appliance.media.source import SourceInstance
from tests.media import made
from tests.media.disc_helpers import fresh, ordered, work_off
from tests.media.made import kept, planned
from tests.pixels.conftest import SHIPPED

SHOWN = ["CT_small.dcm", "examples_ybr_color.dcm", "examples_palette.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[SourceInstance]:
    """Grey, colour, palette, compressed, a report, and an image whose half is white."""
    folder = tmp_path_factory.mktemp("in")
    half = made.image(1, rows=100, columns=50, WindowCenter=1024, WindowWidth=4000)
    pixels = np.zeros((100, 50), np.uint16)
    pixels[:50] = 4095
    half.PixelData = pixels.tobytes()
    return [kept(folder, half), kept(folder, made.report(2)), *(made.source(SHIPPED / name) for name in SHOWN)]


def built(sources: list[SourceInstance], folder: Path, profile: str = "STD-GEN-CD", medium: str = "cd-700") -> Path:
    plan = planned(sources, profile, medium, icons=True, several_patients=True)
    return build.build(plan, folder)[0].path


def directory(image: Path, folder: Path) -> Path:
    command = ["xorriso", "-osirrox", "on", "-indev", image, "-extract", "/DICOMDIR", folder / "DICOMDIR"]
    subprocess.run(command, capture_output=True, check=True)
    return folder / "DICOMDIR"


def icon_of(record: Dataset) -> np.ndarray:
    (icon,) = record.IconImageSequence
    return np.frombuffer(icon.PixelData, np.uint8).reshape(icon.Rows, icon.Columns)


@pytest.mark.parametrize(("profile", "medium"), [("STD-GEN-CD", "cd-700"), ("STD-GEN-DVD-J2K", "dvd")])
def test_every_image_has_an_icon_strangers_read(
    sources: list[SourceInstance], tmp_path: Path, profile: str, medium: str
) -> None:
    image = built(sources, tmp_path / "out", profile, medium)
    assert verify(image) == []
    path = directory(image, tmp_path)
    records = dcmread(path).DirectoryRecordSequence
    images = [each for each in records if each.DirectoryRecordType == "IMAGE"]
    assert len(images) == 6 and all(icon_of(each).shape == (64, 64) for each in images)
    assert all(len(np.unique(icon_of(each))) > 1 for each in images), "something is seen"
    assert not any("IconImageSequence" in each for each in records if each.DirectoryRecordType != "IMAGE")
    dumped = subprocess.run(["dcmdump", path], capture_output=True, text=True, check=True)
    assert dumped.stdout.count("IconImageSequence") == 6 and "W:" not in dumped.stderr and "E:" not in dumped.stderr
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []


def test_an_icon_is_the_picture_small_and_in_proportion(sources: list[SourceInstance], tmp_path: Path) -> None:
    records = dcmread(directory(built(sources[:1], tmp_path / "out"), tmp_path)).DirectoryRecordSequence
    icon = icon_of(next(each for each in records if each.DirectoryRecordType == "IMAGE"))
    assert not icon[:, :15].any() and not icon[:, -15:].any(), "twice as high as wide: black beside it"
    assert icon[:31, 17:47].min() > 250 and icon[33:, 17:47].max() < 5


def test_the_plan_knows_the_size_to_the_byte(sources: list[SourceInstance], tmp_path: Path) -> None:
    plan = planned(sources[:2], icons=True)
    assert build.build(plan, tmp_path)[0].bytes == plan.volumes[0].size


def test_an_image_that_cannot_be_shown_has_none_and_harms_no_other(tmp_path: Path) -> None:
    bad = made.image(2)
    bad.PixelData = bad.PixelData[:100]
    image = built([kept(tmp_path / "in", made.image(1)), kept(tmp_path / "in", bad)], tmp_path / "out")
    records = dcmread(directory(image, tmp_path)).DirectoryRecordSequence
    images = [each for each in records if each.DirectoryRecordType == "IMAGE"]
    assert ["IconImageSequence" in each for each in images] == [True, False]


def test_icons_are_a_choice_of_the_order(tmp_path: Path) -> None:
    store = fresh(tmp_path / "data")
    for choices, count in (({}, 0), ({"icons": True}, 3)):
        view = work_off(store, ordered(store, choices=choices))
        assert view["execution_status"] == "DONE", view["message"]
        target = tmp_path / str(count)
        target.mkdir()
        found = dcmread(directory(Path(view["volumes"][0]["image"]), target))
        assert sum("IconImageSequence" in each for each in found.DirectoryRecordSequence) == count
    store.close()


FAULTS: dict[str, Callable[[Dataset], None]] = {
    "not grey or palette": lambda icon: setattr(icon, "PhotometricInterpretation", "RGB"),
    "cut short": lambda icon: setattr(icon, "PixelData", icon.PixelData[:-2]),
    "larger than 128": lambda icon: setattr(icon, "Rows", 200),
    "1 or 8 bits": lambda icon: setattr(icon, "BitsAllocated", 16),
    "one sample": lambda icon: setattr(icon, "SamplesPerPixel", 3),
    "signed": lambda icon: setattr(icon, "PixelRepresentation", 1),
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_faulty_icon_is_noticed(tmp_path: Path, text: str) -> None:
    folder = built([kept(tmp_path / "in", made.image(1))], tmp_path / "out", "STD-GEN-USB-JPEG", "usb")
    assert verify(folder) == []
    found = dcmread(folder / "DICOMDIR")
    icon = next(each for each in found.DirectoryRecordSequence if "IconImageSequence" in each).IconImageSequence[0]
    FAULTS[text](icon)
    found.save_as(folder / "DICOMDIR")
    assert [each for each in verify(folder) if each.code == "icon" and text in each.text]
