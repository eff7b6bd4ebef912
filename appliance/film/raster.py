"""The composed pixels of one film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class FilmRaster:
    """One film, ready to be written into a document.

    pixels: (rows, columns) for grey or (rows, columns, 3) for RGB; uint8 when bits is 8, else uint16. Values are
    driving levels 0 .. 2**bits - 1, 0 black (densest), row 0 at the top of the sheet as it is held. The raster covers
    the printable rectangle, whose top left corner lies (left_mm, top_mm) from the sheet's.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    bits: int  # 8, 12 or 16
    resolution: float  # dpi, both axes
    width_mm: float  # sheet, as held (LANDSCAPE: the long side)
    height_mm: float
    left_mm: float = 0.0
    top_mm: float = 0.0
    icc_profile: bytes | None = None  # colour only; None: sRGB is assumed
    warnings: tuple[str, ...] = ()  # what was not done as asked, in words

    @property
    def color(self) -> bool:
        return self.pixels.ndim == 3
