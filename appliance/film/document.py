"""What PDF and PostScript documents of a film have in common: which rasters they hold, and where the image lies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from appliance.errors import UsageError
from appliance.film.raster import FilmRaster
from appliance.units import MILLIMETRES_PER_INCH, POINTS_PER_INCH, pixels, points
from appliance.words import say

_INSET = 0.002  # points (0.7 um): an edge that ends just past a dot makes poppler stretch the image by a dot
_CLEAR_OF_HALF = 0.05  # dots


def check_bits(raster: FilmRaster, *, document: str, grey: Sequence[int], instead: str) -> None:
    """Raise UsageError unless the raster is grey of one of the `grey` bits, or RGB of 8."""
    allowed = (8,) if raster.color else grey
    if raster.bits not in allowed:
        raise UsageError(
            say(
                "%(document)s holds %(kind)s of %(allowed)s bits, not %(bits)s: set the printer's bits to "
                "one of these, or %(instead)s.",
                document=document,
                kind=say("colour") if raster.color else say("grey"),
                allowed=" or ".join(map(str, allowed)),
                bits=raster.bits,
                instead=instead,
            ),
            field="bits",
        )


def page_size(raster: FilmRaster) -> tuple[float, float]:
    """Width and height of the sheet as held, in points."""
    return points(raster.width_mm), _page_height_dots(raster) * POINTS_PER_INCH / raster.resolution


def image_box(raster: FilmRaster) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the image in points from the sheet's bottom left corner.

    One sample is one dot of the printer; the corner lies on the dot nearest to (left_mm, top_mm), for an image between
    dots would be resampled.
    """
    rows, columns = raster.pixels.shape[:2]
    dot = POINTS_PER_INCH / raster.resolution
    left = pixels(raster.left_mm, raster.resolution)
    bottom = _page_height_dots(raster) - pixels(raster.top_mm, raster.resolution) - rows
    return left * dot + _INSET, bottom * dot + _INSET, columns * dot - 2 * _INSET, rows * dot - 2 * _INSET


def _page_height_dots(raster: FilmRaster) -> float:
    """The sheet's height in dots, never just half past one.

    Some interpreters count dots from the top of the page, others from the bottom: half a dot between the two leaves
    each row of samples in the middle between two dots. The change is below a tenth of a dot.
    """
    height = raster.height_mm * raster.resolution / MILLIMETRES_PER_INCH
    half = math.floor(height) + 0.5
    return half + _CLEAR_OF_HALF if abs(height - half) < _CLEAR_OF_HALF else height
