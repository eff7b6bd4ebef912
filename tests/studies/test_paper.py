"""Scanned paper in a study, judged by dicom3tools and DCMTK."""

from __future__ import annotations

import io
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from reportlab.pdfgen.canvas import Canvas

from appliance.errors import ConflictError, UsageError
from appliance.events import Actor
from appliance.store.store import Store
from appliance.studies import paper, search
from appliance.studies.intake import Intake
from appliance.studies.paper import attach
from appliance.studies.selection import selected
from tests.media import made
from tests.studies.arrivals import SCANNER, arrival

STUDY = f"{made.ROOT}.1"


@pytest.fixture
def study(store: Store) -> str:
    values = {"PatientName": "Иванов^Иван", "SpecificCharacterSet": "ISO_IR 144"}
    Intake(store).take(arrival(store, made.image(1, **values)), SCANNER)
    return STUDY


def pdf(folder: Path) -> Path:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(72, 700, "Referral")
    canvas.save()
    path = folder / "referral.pdf"
    path.write_bytes(buffer.getvalue())
    return path


def jpeg(folder: Path, mode: str = "RGB", orientation: int = 1) -> Path:
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:, :30] = (250, 10, 10)
    image = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / "scan.jpg"
    image.save(path, exif=exif, quality=95)
    return path


def errors_of(path: str) -> list[str]:
    result = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return [line for line in result.stderr.splitlines() if line.startswith("Error")]


def test_a_pdf_comes_out_as_it_went_in(store: Store, clerk: Actor, study: str, tmp_path: Path) -> None:
    path = pdf(tmp_path)
    taken = attach(store, path, study, clerk, patient_id="P-1", title="Überweisung")
    [found] = selected(store, instances=[taken.sop_instance_uid])
    assert errors_of(found.path) == []
    dataset = dcmread(found.path)
    assert dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength] == path.read_bytes()
    assert (str(dataset.PatientName), dataset.PatientID, dataset.DocumentTitle) == ("Иванов^Иван", "P-1", "Überweisung")
    out = tmp_path / "out.pdf"
    subprocess.run(["dcm2pdf", found.path, str(out)], check=True)
    assert out.read_bytes().startswith(b"%PDF")
    assert search.show_study(store, study)["modalities"] == ["CT", "DOC"]


def test_papers_are_taken_one_at_a_time(
    store: Store, clerk: Actor, study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may take more than a gigabyte for a moment: a handful at once ended the page's process."""
    path, inside, most = jpeg(tmp_path), [0], [0]
    keep = paper._keep

    def watched(*arguments: Any) -> Any:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.1)
        inside[0] -= 1
        return keep(*arguments)

    monkeypatch.setattr(paper, "_keep", watched)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: attach(store, path, study, clerk, patient_id="P-1"), range(4)))
    assert most == [1]


def test_a_jpeg_of_far_too_many_pixels_is_refused_in_words(
    store: Store, clerk: Actor, study: str, tmp_path: Path
) -> None:
    Image.new("L", (16, 16)).save(path := tmp_path / "bomb.jpg")
    content = bytearray(path.read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = b"\x70\x00" * 2  # 28,672 x 28,672, of which Pillow itself takes no more
    path.write_bytes(content)
    with pytest.raises(UsageError, match="more pixels than an image may have"):
        attach(store, path, study, clerk, patient_id="P-1")


@pytest.mark.parametrize(("mode", "photometric"), [("RGB", "RGB"), ("L", "MONOCHROME2"), ("CMYK", "RGB")])
def test_a_scan_becomes_a_valid_secondary_capture(
    store: Store, clerk: Actor, study: str, tmp_path: Path, mode: str, photometric: str
) -> None:
    taken = attach(store, jpeg(tmp_path, mode), study, clerk, patient_id="P-1")
    [found] = selected(store, instances=[taken.sop_instance_uid])
    assert errors_of(found.path) == []
    dataset = dcmread(found.path)
    assert (dataset.Rows, dataset.Columns, dataset.PhotometricInterpretation) == (40, 60, photometric)
    with Image.open(tmp_path / "scan.jpg") as image:
        assert np.array_equal(dataset.pixel_array, np.asarray(image.convert("L" if mode == "L" else "RGB")))


def test_a_scan_taken_sideways_stands_upright(store: Store, clerk: Actor, study: str, tmp_path: Path) -> None:
    taken = attach(store, jpeg(tmp_path, orientation=6), study, clerk, patient_id="P-1")
    dataset = dcmread(selected(store, instances=[taken.sop_instance_uid])[0].path)
    assert (dataset.Rows, dataset.Columns) == (60, 40)
    assert dataset.pixel_array[5, 20, 0] > 200 > dataset.pixel_array[55, 20, 0]


def test_paper_for_the_wrong_patient_or_of_the_wrong_kind_is_refused(
    store: Store, clerk: Actor, study: str, tmp_path: Path
) -> None:
    with pytest.raises(ConflictError, match="not of the patient"):
        attach(store, pdf(tmp_path), study, clerk, patient_id="P-2")
    odd = tmp_path / "odd.pdf"
    odd.write_bytes(b"MZ\x90 no paper")
    with pytest.raises(UsageError, match="neither a PDF nor a JPEG"):
        attach(store, odd, study, clerk, patient_id="P-1")
    Intake(store).take(arrival(store, made.image(2, PatientName="ROE^R", PatientID="P-1")), SCANNER)
    with pytest.raises(ConflictError, match="2 patients"):
        attach(store, pdf(tmp_path), study, clerk, patient_id="P-1")
    assert list(store.folder.spool.iterdir()) == []
