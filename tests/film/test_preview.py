import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from appliance.film.compose import compose
from appliance.film.preview import preview
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Characteristic, Sheet
from tests.film.films import SMALL, film, keep, session

KINDS = ["p-values", "assumed-film", "assumed-paper"]


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def raster_of(rows: int, columns: int, *planes: int, bits: int = 8) -> FilmRaster:
    pixels = np.zeros((rows, columns, *planes), np.uint8 if bits == 8 else np.uint16)
    return FilmRaster(pixels=pixels, bits=bits, resolution=320, width_mm=100, height_mm=100)


SIZES = [(5440, 4480, (1318, 1600)), (400, 300, (300, 400)), (1, 4000, (1600, 1))]


@pytest.mark.parametrize(("rows", "columns", "size"), SIZES)
def test_a_preview_is_at_most_1600_pixels_and_never_enlarged(rows: int, columns: int, size: tuple[int, int]) -> None:
    assert opened(preview(raster_of(rows, columns))).size == size


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_every_depth_is_shown_dark_where_dense(bits: int) -> None:
    raster = raster_of(10, 10, bits=bits)
    raster.pixels[:, 5:] = 2**bits - 1
    shown = np.asarray(opened(preview(raster)))
    assert (shown[0, 0], shown[0, 9]) == (0, 255)


def test_colour_keeps_its_order() -> None:
    raster = raster_of(10, 10, 3)
    raster.pixels[:] = (200, 30, 10)
    shown = opened(preview(raster, SMALL))
    assert shown.mode == "RGB" and shown.getpixel((5, 5)) == (200, 30, 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_screen_shows_the_greys_that_were_sent_to_any_printer(kind: str, bits: int, tmp_path: Path) -> None:
    sheet: Sheet = replace(SMALL, bits=bits, characteristic=Characteristic(kind=kind))
    ramp = np.repeat(np.linspace(0, 255, 16).astype(np.uint8)[None], 16, 0).repeat(25, 0).repeat(25, 1)
    raster = compose(session(film(r"STANDARD\1,1", keep(tmp_path, ramp))), 1, sheet, tmp_path)
    shown = np.asarray(opened(preview(raster, sheet))).astype(int)
    assert np.abs(shown[250, 12::25] - np.linspace(0, 255, 16)).max() <= 2
