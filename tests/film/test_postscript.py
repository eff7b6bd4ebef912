"""A film as PostScript: follows the conventions, asks for its sheet, and each sample is the one that was composed."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest

from appliance.errors import UsageError
from appliance.film.postscript import postscript_document
from tests.film.renderers import by_ghostscript, place_of
from tests.film.test_pdf import COLOR, SHEETS, SMALL, film, noise

TWELVE = replace(SMALL, pixels=noise(61, 83, 12), bits=12)


def samples_of(document: bytes, *, ascii85: bool = False) -> bytes:
    """The packed rows, decoded here from the bytes that DSC says are data: filter and prediction undone."""
    begin = re.search(rb"%%BeginData: (\d+) (?:ASCII|Binary) Bytes\n", document)
    assert begin is not None
    data = document[begin.end() : begin.end() + int(begin[1])]
    assert document[begin.end() + int(begin[1]) :].startswith(b"\n%%EndData")
    assert data.startswith(b"film\n")
    encoded = data[len(b"film\n") :]
    if ascii85:
        assert max(map(len, encoded.splitlines())) <= 255
        encoded = base64.a85decode(encoded.rstrip().removesuffix(b"~>"))
    width = int(re.search(rb"/Columns (\d+)", document)[1])
    lines = np.frombuffer(zlib.decompress(encoded), np.uint8).reshape(-1, 1 + width)
    assert set(lines[:, 0]) == {2}  # PNG filter type Up
    return np.cumsum(lines[:, 1:], axis=0, dtype=np.uint8).tobytes()


def unpacked(data: bytes, rows: int, columns: int) -> np.ndarray:
    """12-bit samples, read as a string of bits."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).reshape(rows, -1)[:, : columns * 12].reshape(rows, columns, 12)
    return bits @ (1 << np.arange(11, -1, -1))


@pytest.mark.parametrize("ascii85", [False, True])
@pytest.mark.parametrize(("width", "height", "left", "top", "resolution"), SHEETS)
def test_ghostscript_draws_each_pixel_as_composed(width, height, left, top, resolution, ascii85, tmp_path):
    raster = film(width, height, left, top, resolution)
    drawn = by_ghostscript(postscript_document(raster, title="Film", ascii85=ascii85), resolution, tmp_path)
    np.testing.assert_array_equal(drawn[place_of(raster)], raster.pixels)


def test_colour_is_drawn_as_composed(tmp_path):
    drawn = by_ghostscript(postscript_document(COLOR, title="Film"), 320.0, tmp_path, device="png16m")
    np.testing.assert_array_equal(drawn[place_of(COLOR)], COLOR.pixels)


@pytest.mark.parametrize("ascii85", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 2), (129, 257), (300, 128)])
def test_12_bits_are_in_the_document_bit_for_bit(rows, columns, ascii85):
    pixels = noise(rows, columns, 12)
    document = postscript_document(replace(SMALL, pixels=pixels, bits=12), title="Film", ascii85=ascii85)
    np.testing.assert_array_equal(unpacked(samples_of(document, ascii85=ascii85), rows, columns), pixels)


def test_ghostscript_reads_all_4096_greys(tmp_path):
    pixels = np.arange(4096).astype(np.uint16).reshape(64, 64)
    raster = replace(SMALL, pixels=pixels, bits=12)
    drawn = by_ghostscript(postscript_document(raster, title="Film"), 320.0, tmp_path, device="tiff48nc")
    read = drawn[place_of(raster)][:, :, 0].ravel() / 65535 * 4095
    assert np.abs(read - np.arange(4096)).max() < 0.6  # Ghostscript's own levels are a little coarser than 1/65535
    assert (np.diff(read) > 0).all()


def test_the_comments_follow_dsc():
    lines = postscript_document(SMALL, title="job 12 (film 1)", ascii85=True).decode("ascii").splitlines()
    assert lines[0] == "%!PS-Adobe-3.0"
    comments = [line.split(":")[0] for line in lines if line.startswith("%%")]
    order = ["%%Title", "%%BoundingBox", "%%LanguageLevel", "%%Pages", "%%EndComments", "%%BeginProlog", "%%EndProlog"]
    order += ["%%BeginSetup", "%%EndSetup", "%%Page", "%%BeginData", "%%EndData", "%%PageTrailer", "%%Trailer", "%%EOF"]
    assert [comment for comment in comments if comment in order] == order
    assert r"%%Title: (job 12 \(film 1\))" in lines
    assert "%%LanguageLevel: 3" in lines
    assert "%%DocumentData: Clean7Bit" in lines
    assert lines[-1] == "%%EOF"


def test_the_bounding_box_is_the_image_on_the_sheet():
    raster = film(254.0, 254.0, 25.4, 50.8, 72.0)
    document = postscript_document(raster, title="Film")
    assert b"%%BoundingBox: 72 144 648 576\n" in document


def test_the_page_device_is_asked_for_size_copies_medium_and_tray(tmp_path):
    """Ghostscript runs the set-up and reports what it took."""
    document = postscript_document(SMALL, title="F", copies=3, media_type="Blue (clear) Film", media_position=2)
    report = b"currentpagedevice /PageSize get == currentpagedevice /NumCopies get ==\n%%EndSetup"
    asked = document.split(b"%%BeginSetup")[1].split(b"%%EndSetup")[0]
    assert b"/NumCopies 3\n" in asked
    assert b"/MediaType (Blue \\(clear\\) Film)\n" in asked
    assert b"/MediaPosition 2\n" in asked
    assert b"/Duplex false" in asked
    with pytest.raises(AssertionError, match=r"(?s)\[85\.0\d+ 56\.\d+\]\n3"):  # 30 by 20 mm
        by_ghostscript(document.replace(b"%%EndSetup", report), 320.0, tmp_path)


def test_a_sheet_that_is_not_loaded_is_asked_for_and_never_scaled_to():
    asked = postscript_document(SMALL, title="F").decode("latin-1").split("%%BeginSetup")[1].split("%%EndSetup")[0]
    policy = re.search(r"/PageSize (\d)", asked.split("/Policies")[1])
    assert policy is not None
    assert policy[1] == "2"  # PLRM 6.2, Policies: 3 and 4 scale the page to the nearest medium
    assert "/MediaType" not in asked.split(">>")[1]  # none asked for unless given


def test_a_document_in_the_middle_of_a_stream_leaves_the_next_one_whole(tmp_path):
    """A raw socket may carry films one after another: nothing of one is left for the next."""
    first, second = (film(20.0, 20.0, 0.0, 0.0, resolution) for resolution in (300.0, 320.0))
    both = postscript_document(first, title="F") + postscript_document(second, title="F")
    drawn = by_ghostscript(both, 320.0, tmp_path)  # the last page is what stays
    np.testing.assert_array_equal(drawn[place_of(second)], second.pixels)


def test_the_same_film_gives_the_same_bytes():
    assert postscript_document(TWELVE, title="F") == postscript_document(TWELVE, title="F")


@pytest.mark.parametrize(("color", "bits"), [(False, 16), (False, 10), (True, 12)])
def test_other_depths_are_refused_with_advice(color, bits):
    raster = replace(SMALL, pixels=noise(5, 5, 12, color=color), bits=bits)
    with pytest.raises(UsageError, match=f"not {bits}: set the printer's bits"):
        postscript_document(raster, title="Film")


def test_a_film_is_printed_at_least_once():
    with pytest.raises(UsageError, match="at least once"):
        postscript_document(SMALL, title="Film", copies=0)


def test_a_title_of_any_script_stays_ascii():
    document = postscript_document(SMALL, title="Снимок\n%%EOF", ascii85=True)
    assert b"%%Title: (???????%%EOF)" in document
    document.decode("ascii")
