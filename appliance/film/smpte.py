"""The SMPTE RP 133 test pattern: a picture whose faults the eye finds on any display or film.

Grid for geometry, a ring of grey steps, 5 % and 95 % patches inside 0 % and 100 % ones, line pairs at the centre and
the corners, windows between black and white.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = 16  # the picture's grid
GROUND, GRID = 0.50, 0.75
STEPS = tuple(tenth / 10 for tenth in range(11))
# Top left corner of each step's square, in cells: up the left side, over the top, down the right side.
_RING = ((9, 3), (7, 3), (5, 3), (3, 3), (3, 5), (3, 7.25), (3, 9.5), (3, 11.5), (5, 11.5), (7, 11.5), (9, 11.5))
_STEP = 1.5  # cells, a square's side
_FRAME = 0.03  # around each, for the one that is as grey as the ground
_PATCHES = ((11.25, 5.0, 0.00, 0.05), (11.25, 9.0, 1.00, 0.95))  # top, left, patch, inset
_PATCH, _INSET = 2.0, 1.0
_WINDOWS = ((1.1, 0.0, 1.0), (14.1, 1.0, 0.0))  # top of the bar, bar, window in it
_LINES = ((0.5, 0.5), (0.5, 13.5), (13.5, 0.5), (13.5, 13.5), (7.0, 7.0))  # blocks of line pairs: top, left
_CONTRASTS = (0.01, 0.03, 0.05)  # of the faint line pairs, about the ground


def smpte(size: int, bits: int) -> NDArray[Any]:
    """The pattern as a square of P-values, (size, size): 0 .. 2**bits - 1, uint8 when bits is 8, else uint16.

    Line pairs are 1, 2 and 3 pixels wide: print it without magnification. size: at least 512.
    """
    picture = _Picture(size)
    picture.grid()
    for top, bar, window in _WINDOWS:
        picture.fill(top, 3, 0.8, 10, bar)
        picture.fill(top + 0.1, 6, 0.6, 4, window)
    for (top, left), step in zip(_RING, STEPS, strict=True):
        picture.fill(top - _FRAME, left - _FRAME, _STEP + 2 * _FRAME, _STEP + 2 * _FRAME, GRID)
        picture.fill(top, left, _STEP, _STEP, step)
    for top, left, patch, inset in _PATCHES:
        picture.fill(top, left, _PATCH, _PATCH, patch)
        picture.fill(top + 0.5, left + 0.5, _INSET, _INSET, inset)
    for top, left in _LINES:
        picture.line_pairs(top, left)
    return np.rint(picture.values * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)


class _Picture:
    """Fractions 0 black .. 1 white, drawn by cells."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values = np.full((size, size), GROUND, np.float32)

    def at(self, cells: float) -> int:
        return round(cells * self.size / CELLS)

    def fill(self, top: float, left: float, height: float, width: float, value: float) -> None:
        self.values[self.at(top) : self.at(top + height), self.at(left) : self.at(left + width)] = value

    def grid(self) -> None:
        """Lines between the cells, and a frame that shows whether an edge is cut off."""
        pen = max(1, self.size // 1024)
        for cell in range(CELLS + 1):
            start = min(self.at(cell), self.size - pen)
            self.values[start : start + pen] = GRID
            self.values[:, start : start + pen] = GRID
        self.values[:pen], self.values[-pen:], self.values[:, :pen], self.values[:, -pen:] = 1, 1, 1, 1

    def line_pairs(self, top: float, left: float) -> None:
        """Upright and level pairs 1, 2, 3 pixels wide from black to white, and faint ones 2 pixels wide."""
        self.fill(top, left, 2, 2, GROUND)
        side = self.at(0.62)
        for number, contrast in enumerate(_CONTRASTS):
            column = self.at(left) + number * self.at(0.67)
            sharp = _lines(side, number + 1)
            faint = GROUND + contrast * (_lines(side, 2) - 0.5)
            for row, block in enumerate((sharp, sharp.T, faint)):
                start = self.at(top) + row * self.at(0.67)
                self.values[start : start + side, column : column + side] = block


def _lines(side: int, width: int) -> NDArray[np.float32]:
    """(side, side) of upright lines `width` pixels wide, white first."""
    white = (np.arange(side) // width) % 2 == 0
    return np.broadcast_to(white, (side, side)).astype(np.float32)
