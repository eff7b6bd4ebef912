"""A film as a small picture for the page: dark where the film is dense, as on a light box."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.film import characteristic, gsdf
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Sheet

LONGEST_SIDE = 1600  # pixels
LEAST_EFFORT = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def preview(raster: FilmRaster, sheet: Sheet | None = None, longest_side: int = LONGEST_SIDE) -> bytes:
    """A PNG, grey or RGB of 8 bits, neither side above `longest_side` pixels.

    With the sheet it was composed for, greys are its P-values, which a screen shows as the film looks; without,
    driving levels as they are.
    """
    rows, columns = raster.pixels.shape[:2]
    share = min(1.0, longest_side / max(rows, columns))
    size = max(1, round(columns * share)), max(1, round(rows * share))
    small = raster.pixels if share == 1.0 else cv2.resize(raster.pixels, size, interpolation=cv2.INTER_AREA)
    shown = cv2.LUT(np.asarray(small), _screen_table(raster, sheet))
    if raster.color:
        shown = cv2.cvtColor(shown, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", shown, LEAST_EFFORT)[1].tobytes()


def _screen_table(raster: FilmRaster, sheet: Sheet | None) -> NDArray[Any]:
    """Driving levels to screen values 0 .. 255. Colour is shown as it is."""
    levels = np.arange(1 << raster.bits) / ((1 << raster.bits) - 1)
    if sheet is not None and not raster.color:
        levels = gsdf.p_value(characteristic.densities(levels, sheet), characteristic.own_viewing(sheet))
    table = np.rint(levels * 255).astype(np.uint8)
    size = 256 if raster.bits == 8 else 65536
    return np.concatenate([table, np.full(size - table.size, 255, np.uint8)])
