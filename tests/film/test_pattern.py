"""Test page, calibration page and SMPTE pattern, measured on the raster as one would on the film."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from appliance.film.characteristic import densities
from appliance.film.pattern import calibration_levels, calibration_page, smpte_page, statement
from appliance.film.pattern import test_page as page_of_tests
from appliance.film.pdf import pdf_document
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Characteristic, Margins, Sheet
from appliance.film.smpte import smpte
from tests.film.renderers import by_ghostscript, place_of

SHEET = Sheet(width_mm=203.2, height_mm=254.0, resolution=300, margins=Margins(top=3, right=4, bottom=5, left=6))
MEASURED = Characteristic(
    kind="measured", driving_levels=(0.0, 0.4, 1.0), densities=(3.1, 1.0, 0.18), name="densitometer, 2026-11-20"
)


def printed(sheet: Sheet) -> FilmRaster:
    return page_of_tests(sheet, printer_name="film", date="2026-11-21 10:00")


def row_at(raster: FilmRaster, mm: float) -> np.ndarray:
    return raster.pixels[round(mm * raster.resolution / 25.4)]


def runs(line: np.ndarray) -> list[tuple[int, int, int]]:
    """(value, start, length) of equal neighbours."""
    edges = np.flatnonzero(np.diff(line)) + 1
    starts = [0, *edges.tolist()]
    ends = [*edges.tolist(), len(line)]
    return [(int(line[start]), start, end - start) for start, end in zip(starts, ends, strict=True)]


def grey_steps(raster: FilmRaster) -> list[int]:
    """Levels of the row of 21 equally wide patches."""
    for row in range(round(30 * raster.resolution / 25.4), raster.pixels.shape[0], 20):
        wide = [run for run in runs(raster.pixels[row].astype(int)) if 70 < run[2] < 110]
        if len(wide) == 21:
            return [value for value, _, _ in wide]
    raise AssertionError("no row of 21 steps")


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(
    "sheet",
    [
        SHEET,
        replace(SHEET, characteristic=MEASURED),
        replace(SHEET, characteristic=Characteristic(kind="p-values")),
        replace(
            SHEET,
            reflective=True,
            min_density=0.05,
            max_density=2.0,
            characteristic=Characteristic(kind="assumed-paper"),
        ),
    ],
    ids=["film", "measured", "p-values", "paper"],
)
def test_the_grey_steps_have_the_densities_printed_beside_them(sheet, bits):
    sheet = replace(sheet, bits=bits)
    levels = np.array(grey_steps(printed(sheet)))
    targets = np.linspace(sheet.min_density, sheet.max_density, 21)
    full = (1 << bits) - 1
    got = densities(levels / full, sheet)
    one_level = np.abs(densities((levels + 1) / full, sheet) - densities((levels - 1) / full, sheet))
    assert (np.abs(got - targets) <= one_level + 0.002).all()
    assert levels[0] > levels[-1]


@pytest.mark.parametrize(("x_scale", "y_scale"), [(1.0, 1.0), (1.01, 0.985)])
def test_both_rulers_are_100_mm_on_a_printer_of_that_scale(x_scale, y_scale):
    raster = printed(replace(SHEET, x_scale=x_scale, y_scale=y_scale))
    dots = 100 * raster.resolution / 25.4
    across = ticks(raster.pixels[-round(6.5 * raster.resolution / 25.4 * y_scale)])
    down = ticks(raster.pixels[:, round(6.8 * raster.resolution / 25.4 * x_scale)])
    assert len(across) == len(down) == 101
    assert across[-1] - across[0] == pytest.approx(dots * x_scale, abs=1)
    assert down[-1] - down[0] == pytest.approx(dots * y_scale, abs=1)
    assert np.diff(across).max() - np.diff(across).min() <= 1


def ticks(line: np.ndarray) -> list[float]:
    """Middles of the ruler's ticks along a line that crosses them all (thinner than a corner mark or a frame)."""
    return [start + (length - 1) / 2 for value, start, length in runs(line.astype(int)) if value == 255 and length <= 2]


def test_the_rulers_still_have_their_length_on_the_printed_page(tmp_path):
    raster = printed(SHEET)
    drawn = by_ghostscript(pdf_document(raster, title="Test page"), raster.resolution, tmp_path)
    np.testing.assert_array_equal(drawn[place_of(raster)], raster.pixels)


def test_the_corners_of_the_printable_rectangle_are_marked():
    pixels = printed(SHEET).pixels
    legs = round(10 * 300 / 25.4)
    for view in (pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1]):
        assert (view[0, :legs] == 255).all()
        assert (view[:legs, 0] == 255).all()
        assert view[0, legs + 2] == 0
        assert view[legs + 2, 0] == 0


def test_the_page_shows_which_side_is_up_and_which_is_left():
    pixels = printed(SHEET).pixels.astype(int)
    for other in (pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1]):
        assert (np.abs(pixels - other) > 128).mean() > 0.01


def test_the_resolution_bars_are_1_to_4_dots_wide_both_ways():
    pixels = printed(SHEET).pixels.astype(int)
    for lines in (pixels, pixels.T):
        found = {length for line in lines[::7] for length in repeated(line)}
        assert {1, 2, 3, 4} <= found


def repeated(line: np.ndarray) -> set[int]:
    """Widths that twelve or more neighbouring lines share, black and white in turn."""
    widths = [length if value in (0, 255) else 0 for value, _, length in runs(line)]
    return {w for at, w in enumerate(widths) if w and widths[at : at + 12] == [w] * 12}


@pytest.mark.parametrize(
    ("characteristic", "said"),
    [
        (Characteristic(), "NOT MEASURED"),
        (Characteristic(kind="assumed-paper"), "NOT MEASURED"),
        (Characteristic(kind="p-values"), "Not measured"),
        (MEASURED, "measured, densitometer, 2026-11-20 (3 steps)"),
    ],
)
def test_the_page_says_which_characteristic_is_in_force(characteristic, said):
    sheet = replace(SHEET, characteristic=characteristic)
    assert said in statement(sheet)
    assert ("measured" in statement(sheet).lower().replace("not measured", "")) == (characteristic.kind == "measured")


def test_name_and_date_are_on_the_page():
    pages = [
        page_of_tests(SHEET, printer_name=name, date=date).pixels.astype(int)
        for name, date in (("film", "2026-11-21"), ("other", "2026-11-21"), ("film", "2027-11-21"))
    ]
    for other in pages[1:]:
        rows = np.flatnonzero((pages[0] != other).any(axis=1))
        assert rows.size
        assert rows.max() < 40 * 300 / 25.4  # all else is the same


@pytest.mark.parametrize(("width", "height", "ruler"), [(60.0, 60.0, 20), (100.0, 150.0, 50), (127.0, 178.0, 50)])
def test_small_sheets_get_a_shorter_ruler(width, height, ruler):
    raster = printed(replace(SHEET, width_mm=width, height_mm=height))
    across = ticks(raster.pixels[-round(6.5 * raster.resolution / 25.4)])
    assert len(across) == ruler + 1
    assert across[-1] - across[0] == pytest.approx(ruler * raster.resolution / 25.4, abs=1)


@pytest.mark.parametrize(("steps", "bits"), [(2, 8), (11, 12), (18, 8), (32, 16)])
def test_calibration_patches_have_the_levels_that_are_told(steps, bits):
    sheet = replace(SHEET, bits=bits, resolution=100)
    levels = [round(share * ((1 << bits) - 1)) for share in calibration_levels(sheet, steps)]
    assert levels == sorted(set(levels))
    assert (levels[0], levels[-1]) == (0, (1 << bits) - 1)
    raster = calibration_page(sheet, printer_name="film", date="2026-11-21", steps=steps)
    across = round(10 * 100 / 25.4)  # a densitometer wants a centimetre
    values, counts = np.unique(raster.pixels, return_counts=True)
    assert set(levels) <= set(values[counts >= across**2].tolist())


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_smpte_has_11_steps_and_the_5_and_95_percent_patches(bits):
    pattern = smpte(1024, bits)
    top = (1 << bits) - 1
    values, counts = np.unique(pattern, return_counts=True)
    areas = dict(zip(values.tolist(), counts.tolist(), strict=True))
    for step in range(11):
        assert areas[round(step / 10 * top)] >= 90 * 90
    for share in (0.05, 0.95):
        assert areas[round(share * top)] == 64 * 64
    inset = np.argwhere(pattern == round(0.05 * top))
    assert pattern[inset[0][0] - 5, inset[0][1]] == 0
    assert pattern.dtype == (np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("size", [512, 777, 2000])
def test_smpte_line_pairs_are_1_to_3_pixels_wide_at_any_size(size):
    pattern = smpte(size, 8).astype(int)
    assert pattern.shape == (size, size)
    for lines in (pattern, pattern.T):
        for width in (1, 2, 3):
            assert any(has_pairs(line, [width] * 4) for line in lines)


def has_pairs(line: np.ndarray, wanted: list[int]) -> bool:
    widths = [length if value in (0, 255) else 0 for value, _, length in runs(line)]
    return any(widths[at : at + len(wanted)] == wanted for at in range(len(widths)))


def test_the_smpte_page_goes_through_the_gsdf():
    plain = smpte_page(replace(SHEET, characteristic=Characteristic(kind="p-values"))).pixels
    film = smpte_page(SHEET).pixels
    size = min(plain.shape)
    offset = (plain.shape[0] - size) // 2
    np.testing.assert_array_equal(plain[offset : offset + size, :size], smpte(size, 8))
    middle = film[offset : offset + size, :size][plain[offset : offset + size, :size] == 128]
    assert len(np.unique(middle)) == 1
    assert 160 < middle[0] < 200  # P-value 128 is 1.122 OD (PS3.14 table D.2-1), 171 of 255 on a linear film
