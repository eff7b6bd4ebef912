"""A film as PDF: complete, the size of the sheet, and each sample the one that was composed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from appliance.errors import UsageError
from appliance.film.pdf import pdf_document
from appliance.film.raster import FilmRaster
from tests.film.renderers import by_ghostscript, by_poppler, check_with_qpdf, image_stream_of, place_of

SHEETS = [  # width, height, left, top in mm, dpi; then why it is here
    pytest.param(60.0, 80.0, 0.0, 0.0, 320.0, id="sheet-that-ends-between-dots"),
    pytest.param(76.2, 50.8, 2.54, 5.08, 325.0, id="margins-half-way-between-dots"),
    pytest.param(50.8, 63.5, 3.3, 5.1, 508.0, id="odd-margins-and-half-a-line"),
    pytest.param(52.7, 28.3, 3.77, 0.47, 600.0, id="page-height-half-a-dot"),
    pytest.param(40.0, 30.0, 0.0, 0.0, 72.0, id="coarse"),
]


def noise(rows: int, columns: int, bits: int, *, color: bool = False, seed: int = 1) -> np.ndarray:
    shape = (rows, columns, 3) if color else (rows, columns)
    return np.random.default_rng(seed).integers(0, 1 << bits, shape).astype(np.uint8 if bits == 8 else np.uint16)


def film(width: float, height: float, left: float, top: float, resolution: float, bits: int = 8) -> FilmRaster:
    columns = int((width - 2 * left) * resolution / 25.4)
    rows = int((height - 2 * top) * resolution / 25.4)
    return FilmRaster(
        pixels=noise(rows, columns, bits),
        bits=bits,
        resolution=resolution,
        width_mm=width,
        height_mm=height,
        left_mm=left,
        top_mm=top,
    )


SMALL = film(30.0, 20.0, 1.0, 2.0, 320.0)
COLOR = replace(SMALL, pixels=noise(97, 131, 8, color=True))


@pytest.mark.parametrize(("width", "height", "left", "top", "resolution"), SHEETS)
def test_ghostscript_and_poppler_draw_each_pixel_as_composed(width, height, left, top, resolution, tmp_path):
    raster = film(width, height, left, top, resolution)
    document = pdf_document(raster, title="Film")
    for drawn in (by_ghostscript(document, resolution, tmp_path), by_poppler(document, resolution, tmp_path)):
        np.testing.assert_array_equal(drawn[place_of(raster)], raster.pixels)


def test_a_whole_17x17_film_is_drawn_as_composed(tmp_path):
    raster = film(431.8, 431.8, 0.0, 0.0, 320.0)
    assert raster.pixels.shape == (5440, 5440)
    drawn = by_poppler(pdf_document(raster, title="Film"), 320.0, tmp_path)
    np.testing.assert_array_equal(drawn, raster.pixels)


def test_colour_is_drawn_as_composed(tmp_path):
    document = pdf_document(COLOR, title="Film")
    for drawn in (
        by_ghostscript(document, 320.0, tmp_path, device="png16m"),
        by_poppler(document, 320.0, tmp_path, color=True),
    ):
        np.testing.assert_array_equal(drawn[place_of(COLOR)], COLOR.pixels)


@pytest.mark.parametrize("columns", [1, 2, 255, 300])
def test_16_bits_come_back_bit_for_bit(columns, tmp_path):
    pixels = noise(257, columns, 16)
    document = pdf_document(replace(SMALL, pixels=pixels, bits=16), title="Film")
    read = np.frombuffer(image_stream_of(document, tmp_path), ">u2").reshape(pixels.shape)
    np.testing.assert_array_equal(read, pixels)


def test_each_of_65536_greys_survives(tmp_path):
    pixels = np.arange(65536).astype(np.uint16).reshape(256, 256)
    document = pdf_document(replace(SMALL, pixels=pixels, bits=16), title="Film")
    assert image_stream_of(document, tmp_path) == pixels.astype(">u2").tobytes()


@pytest.mark.parametrize("raster", [SMALL, replace(SMALL, pixels=noise(9, 7, 16), bits=16), COLOR])
def test_qpdf_finds_no_fault(raster, tmp_path):
    said = check_with_qpdf(pdf_document(raster, title="Film (1) \\ é"), tmp_path)
    assert "No syntax or stream encoding errors found" in said
    assert "PDF Version: 1.5" in said


@pytest.mark.parametrize(("width", "height"), [(355.6, 431.8), (431.8, 355.6), (210.0, 297.0), (52.7, 28.3)])
def test_the_page_is_the_sheet_to_a_tenth_of_a_millimetre(width, height, tmp_path):
    said = poppler_info(pdf_document(replace(SMALL, width_mm=width, height_mm=height), title="Film"), tmp_path)
    sides = said["Page size"].split()
    assert float(sides[0]) * 25.4 / 72 == pytest.approx(width, abs=0.05)
    assert float(sides[2]) * 25.4 / 72 == pytest.approx(height, abs=0.05)


def test_the_document_says_what_it_is_and_asks_not_to_be_scaled(tmp_path):
    document = pdf_document(COLOR, title="job 12, film 1")
    info = poppler_info(document, tmp_path)
    assert info["Title"] == "job 12, film 1"
    assert info["Producer"] == "appliance"
    assert "sRGB assumed" in info["Subject"]
    assert info["Pages"] == "1"
    assert b"/PrintScaling /None" in document


def test_a_received_icc_profile_is_passed_on(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    document = pdf_document(replace(COLOR, icc_profile=profile), title="Film")
    assert profile in document
    assert "received" in poppler_info(document, tmp_path)["Subject"]
    assert b"/ICCBased" in pdf_document(COLOR, title="Film")
    assert b"/DeviceGray" in pdf_document(SMALL, title="Film")


def test_the_same_film_gives_the_same_bytes_in_another_process():
    program = (
        "import hashlib; from tests.film.test_pdf import COLOR, pdf_document;"
        "print(hashlib.sha256(pdf_document(COLOR, title='Film')).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    there = subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True, text=True)
    assert there.stdout.strip() == hashlib.sha256(pdf_document(COLOR, title="Film")).hexdigest()


def test_another_film_has_another_document_id():
    ids = {pdf_document(replace(SMALL, pixels=noise(50, 50, 8, seed=s)), title="F").split(b"/ID")[1] for s in (1, 2)}
    assert len(ids) == 2


@pytest.mark.parametrize(("color", "bits"), [(False, 12), (False, 10), (True, 16), (True, 12)])
def test_other_depths_are_refused_with_advice(color, bits):
    raster = replace(SMALL, pixels=noise(5, 5, 12, color=color), bits=bits)
    with pytest.raises(UsageError, match=f"not {bits}: set the printer's bits"):
        pdf_document(raster, title="Film")


def poppler_info(document: bytes, folder: Path) -> dict[str, str]:
    (folder / "info.pdf").write_bytes(document)
    command = ["pdfinfo", str(folder / "info.pdf")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {key: value.strip() for key, _, value in (line.partition(":") for line in said.splitlines())}
