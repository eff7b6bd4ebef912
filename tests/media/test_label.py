"""Disc labels: nothing outside the ring, barcodes a scanner reads, any script, and what had no room is told."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from appliance.config import DiscsSettings
from appliance.errors import UsageError
from appliance.media.description import Item, Site, VolumeDescription
from appliance.media.extras import label_facts, labelled
from appliance.media.label import label
from appliance.media.label_layout import Layout, layouts
from appliance.media.label_output import label_file, label_image, label_pdf
from appliance.media.words import words
from appliance.studies.keys import InstanceKeys

LONG = "Константинопольская-Рождественская^Анастасия Владимировна=安娜^例"
SERIAL = "D-2026-000123"


def volume(name: str = "Example^Ann", studies: int = 1, **changes: object) -> VolumeDescription:
    items = [
        Item(
            keys=InstanceKeys(
                TransferSyntaxUID="1", SOPClassUID="1", SOPInstanceUID=str(number), PatientName=name, PatientID="77",
                PatientBirthDate="19610203", StudyInstanceUID=str(number), SeriesInstanceUID=str(number), Modality="CT",
                StudyDate="20261120", StudyDescription="Abdomen and pelvis, three phases", AccessionNumber=f"A{number}",
            ),
            path=Path("/nowhere"), file_id=("DICOM", "I1"),
        )
        for number in range(studies)
    ]  # fmt: skip
    values = {"site": Site(institution="Made Up Hospital"), "serial": SERIAL, "number": 1, "count": 2}
    return VolumeDescription(items=tuple(items), created=date(2026, 11, 21), **{**values, **changes})  # type: ignore[arg-type]


def rendered(pdf: bytes, folder: Path, resolution: int) -> Image.Image:
    (folder / "label.pdf").write_bytes(pdf)
    command = ["pdftoppm", "-r", str(resolution), "-png", "-singlefile", folder / "label.pdf", folder / "label"]
    subprocess.run(command, check=True)
    return Image.open(folder / "label.png").convert("RGB")


def ink(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L")) < 128


@pytest.mark.parametrize("volume_of", [volume(), volume(LONG, 30), volume("m" * 300, 3, incomplete="why " * 60)])
@pytest.mark.parametrize("output", ["png", "pdf"])
def test_no_ink_leaves_the_printable_ring(volume_of: VolumeDescription, output: str, tmp_path: Path) -> None:
    layout = layouts()["disc"]
    made = label(volume_of, layout)
    image = label_image(made, 300) if output == "png" else rendered(label_pdf(made), tmp_path, 300)
    rows, columns = np.nonzero(ink(image))
    radius = np.hypot(rows + 0.5 - image.height / 2, columns + 0.5 - image.width / 2) * 25.4 / 300
    assert rows.size > 1000
    assert radius.max() <= 59 and radius.min() >= 11


@pytest.mark.parametrize(("name", "kind"), [("disc", "QRCode"), ("sleeve", "Code128")])
def test_a_scanner_reads_the_serial_number(name: str, kind: str, tmp_path: Path) -> None:
    made = label(volume(), layouts()[name])
    for image in (label_image(made, 600), rendered(label_pdf(made), tmp_path, 300)):
        (found,) = zxingcpp.read_barcodes(image)
        assert (found.text, found.format.name.replace(" ", "")) == (SERIAL, kind)


def test_the_barcode_is_as_large_as_the_layout_says() -> None:
    made = label(volume(), layouts()["sleeve"])
    widths = [round(bar.width, 4) for bar in made.bars]
    assert min(bar.left for bar in made.bars) >= 66 and max(bar.left + bar.width for bar in made.bars) <= 114
    assert {bar.height for bar in made.bars} == {11}
    assert min(widths) >= 0.25  # mm: a narrow bar any scanner resolves


def test_without_a_serial_number_there_is_no_barcode() -> None:
    assert label(volume(serial=""), layouts()["disc"]).bars == ()


def test_a_barcode_across_the_hole_is_refused() -> None:
    values = layouts()["disc"]
    moved = [type(values.barcode[0])(kind="qr", left=50, top=50, width=18, height=18)]
    with pytest.raises(UsageError, match="qr"):
        label(volume(), Layout(**{**vars(values), "barcode": tuple(moved)}))


def test_identity_and_kind_stand_on_the_label(tmp_path: Path) -> None:
    (tmp_path / "label.pdf").write_bytes(label_pdf(label(volume(), layouts()["disc"], web=True)))
    text = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "label.pdf", "-"], capture_output=True, check=True
    ).stdout.decode()
    wanted = [
        "Example, Ann",
        "1961-02-03",
        "77",
        "Made Up Hospital",
        "Disc 1 of 2",
        "2026-11-21",
        "DICOM PLUS WEB",
        SERIAL,
    ]
    assert [one for one in wanted if one not in text] == []
    (tmp_path / "label.pdf").write_bytes(label_pdf(label(volume(), layouts()["disc"], web=False)))
    text = subprocess.run(["pdftotext", tmp_path / "label.pdf", "-"], capture_output=True, check=True).stdout.decode()
    assert "DICOM ONLY" in text


def test_what_has_no_room_is_told_whole() -> None:
    made = label(volume("m" * 300, 30), layouts()["disc"])
    assert "m" * 300 in made.rest
    assert any("Abdomen and pelvis" in one for one in made.rest)
    shown = [line.text for line in made.lines]
    assert any(text.startswith("mmm") and text.endswith("…") for text in shown)
    assert label(volume(), layouts()["disc"]).rest == ()


@pytest.mark.parametrize("name", ["Приклад^Анна", "例^安娜", "예시^안나", "مثال^آنا", "उदाहरण^अन्ना", "Ναός^Άννα"])
def test_any_script_looks_the_same_in_both_outputs(name: str, tmp_path: Path) -> None:
    made = label(volume(name), layouts()["sleeve"])
    theirs = ink(rendered(label_pdf(made), tmp_path, 300))[:1417, :1417]
    ours = ink(label_image(made, 300))[:1417, :1417]
    band = slice(int(22 * 300 / 25.4), int(30 * 300 / 25.4))  # where the name stands
    assert ours[band].sum() > 500
    both = (ours[band] & theirs[band]).sum() / max(ours[band].sum(), theirs[band].sum())
    assert both > 0.75
    assert ours[band].sum() != ink(label_image(label(volume("□"), layouts()["sleeve"]), 300))[band].sum()


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp"])
def test_robots_get_pixels_at_600_dpi(kind: str) -> None:
    image = Image.open(io.BytesIO(label_file(label(volume(), layouts()["disc"]), kind)))
    assert image.format == kind.upper() and image.size == (2835, 2835) and image.mode == "RGB"
    assert image.info["dpi"][0] == pytest.approx(600, abs=1)


def test_the_pdf_is_the_size_of_the_disc_and_sound(tmp_path: Path) -> None:
    path = tmp_path / "label.pdf"
    path.write_bytes(label_pdf(label(volume(LONG), layouts()["disc"])))
    assert "340.158 x 340.158 pts" in subprocess.run(["pdfinfo", path], capture_output=True, check=True).stdout.decode()
    subprocess.run(["qpdf", "--check", path], check=True, capture_output=True)


def test_the_logo_keeps_its_proportions(tmp_path: Path) -> None:
    Image.new("RGBA", (400, 100), (255, 0, 0, 255)).save(tmp_path / "logo.png")
    site = Site(institution="X", logo=tmp_path / "logo.png")
    for image in (
        label_image(label(volume(site=site), layouts()["sleeve"]), 300),
        rendered(label_pdf(label(volume(site=site), layouts()["sleeve"])), tmp_path, 300),
    ):
        red = (np.asarray(image)[..., 0] > 200) & (np.asarray(image)[..., 1] < 50)
        rows, columns = np.nonzero(red)
        assert np.ptp(columns) / np.ptp(rows) == pytest.approx(4, rel=0.05)


def test_a_logo_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"%PDF")
    made = label(volume(site=Site(logo=tmp_path / "logo.png")), layouts()["disc"])
    with pytest.raises(UsageError, match=r"logo\.png"):
        label_pdf(made)


def test_a_sites_own_layout_goes_before_ours(tmp_path: Path) -> None:
    block = '[[disc.text]]\ntemplate = "patient.txt"\ntop = 3\nbottom = 27\n'
    own = '[disc]\nshape = "sheet"\nwidth = 50\nheight = 30\n' + block
    (tmp_path / "labels.toml").write_text(own)
    assert label(volume(), layouts(tmp_path)["disc"]).width == 50
    (tmp_path / "labels.toml").write_text('[disc]\nshapes = "sheet"\n')
    with pytest.raises(UsageError, match="shapes"):
        layouts(tmp_path)


def patients(count: int, name: str) -> VolumeDescription:
    """Several patients with a study each."""
    one = volume(name, count, label_text="For Dr. Made-Up, room 3")
    items = [replace(item, keys=replace(item.keys, PatientID=f"ID-{at:02}")) for at, item in enumerate(one.items)]
    return replace(one, items=tuple(items))


@pytest.mark.parametrize("name", ["disc", "sleeve"])
@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize(("who", "language"), [("Example^Ann", "en"), ("Примерова^Анна", "ru"), ("例^安娜", "zh")])
def test_every_patient_stands_on_the_label_or_is_counted_on_it(name: str, count: int, who: str, language: str) -> None:
    made = label(patients(count, who), layouts()[name], language=language)
    shown = [line.text for line in made.lines]
    named = [at for at in range(count) if any(text.endswith(f"ID-{at:02}") for text in shown)]
    told = [at for at in range(count) if any(text.endswith(f"ID-{at:02}") for text in made.rest)]
    assert sorted(named + told) == list(range(count))
    more = words(language)["more_on_disc"].format(count=len(told))
    assert (more in shown) == bool(told)
    assert not any(line.is_cut for line in made.lines)
    assert "For Dr. Made-Up, room 3" in shown


def test_each_study_on_a_disc_of_several_patients_says_whose_it_is() -> None:
    """By name, and by ID where two bear one name; a disc of one patient needs no such word."""
    alike = patients(2, "Example^Ann")
    shown = [line.text for line in label(alike, layouts()["disc"]).lines]
    assert [text for text in shown if text.startswith("Example, Ann · ID-00: 2026-11-20")], shown
    named = [replace(item, keys=replace(item.keys, PatientName=f"Example^{who}"))
             for item, who in zip(alike.items, ("Ann", "Bob"), strict=True)]  # fmt: skip
    shown = [line.text for line in label(replace(alike, items=tuple(named)), layouts()["disc"]).lines]
    assert [text for text in shown if text.startswith("Example, Bob: 2026-11-20")], shown
    assert not any("Example, Ann:" in line.text for line in label(patients(1, "Example^Ann"), layouts()["disc"]).lines)


def test_studies_that_have_no_room_are_counted_whole() -> None:
    made = label(volume("Example^Ann", 30), layouts()["sleeve"])
    shown = [line.text for line in made.lines]
    studies = sum(text.startswith("2026-11-20") for text in shown)
    assert studies == sum(text.startswith("Accession number") for text in shown)
    assert f"and {30 - studies} more: see README.TXT on the disc" in shown


def test_the_line_for_the_label_stands_on_it_at_the_burner_too() -> None:
    found = volume(label_text="For Dr. Made-Up, room 3")
    again = labelled(label_facts(found), DiscsSettings(), SERIAL)
    assert "For Dr. Made-Up, room 3" in [line.text for line in label(again, layouts()["disc"]).lines]
