"""Resampling by Magnification Type (2010,0060) and Smoothing Type (2010,0080).

Values are resampled as stored, before any table, at their full depth.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]  # uint8 or uint16

KERNELS = {  # Magnification Type -> how pixels are made between pixels
    "REPLICATE": cv2.INTER_NEAREST_EXACT,
    "BILINEAR": cv2.INTER_LINEAR,
    "CUBIC": cv2.INTER_CUBIC,
    "NONE": cv2.INTER_NEAREST_EXACT,
}
SMOOTHEST = 15
SMOOTHING_NAMES = {"NONE": 0, "SHARP": 0, "NORMAL": 0, "MEDIUM": 5, "SMOOTH": 10}
BLUR_PER_STEP = 0.1  # standard deviation in image pixels, for each step of Smoothing Type


def smoothing(SmoothingType: str | None) -> int | None:
    """Steps of smoothing, 0 (sharp) to 15 (smoothest); None for a word that is not known."""
    text = (SmoothingType or "NONE").strip(" \0").upper()
    if text in SMOOTHING_NAMES:
        return SMOOTHING_NAMES[text]
    return int(text) if text.isascii() and text.isdigit() and int(text) <= SMOOTHEST else None


def resample(
    pixels: Pixels, width: int, height: int, magnification: str, smoothing_steps: int = 0, out: Pixels | None = None
) -> Pixels:
    """`pixels` as `height` rows and `width` columns; into `out` when given, which must be of that shape and dtype.

    Each axis that shrinks is averaged by area whatever the magnification: the others drop or alias detail. CUBIC may
    overshoot the image's range (uint8 and uint16 saturate): clip, or use a table that does. Smoothing goes with CUBIC.
    """
    rows, columns = pixels.shape[:2]
    if (height, width) == (rows, columns) and not smoothing_steps:
        return _copied(pixels, out)
    if magnification == "CUBIC" and smoothing_steps:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), smoothing_steps * BLUR_PER_STEP))
    least = min(width, columns), min(height, rows)
    if least == (width, height):
        return _resize(pixels, width, height, cv2.INTER_AREA, out)
    if least != (columns, rows):
        pixels = _resize(pixels, *least, cv2.INTER_AREA, None)
    return _resize(pixels, width, height, KERNELS[magnification], out)


def _resize(pixels: Pixels, width: int, height: int, kernel: int, out: Pixels | None) -> Pixels:
    result = cv2.resize(pixels, (width, height), dst=out, interpolation=kernel)
    return np.asarray(result) if out is None else out


def _copied(pixels: Pixels, out: Pixels | None) -> Pixels:
    if out is None:
        return pixels
    np.copyto(out, pixels)
    return out
