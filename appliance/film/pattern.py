"""Pages that show what a printer does: test page, calibration page, SMPTE pattern; composed rasters like any film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.film.characteristic import driving_levels, own_viewing
from appliance.film.fonts import default_fonts
from appliance.film.gsdf import density
from appliance.film.layout import Page, Place, page
from appliance.film.lettering import fit, lay
from appliance.film.presentation import level_of_density, quantised
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Sheet
from appliance.film.smpte import smpte

GREY_STEPS = 21
RULER_MM = 100.0
_MARGIN = 6.0  # mm from the printable rectangle's edge to what must be read
_HAIR = 0.15  # mm: ruler ticks
_CORNER = 10.0  # mm: legs of the corner marks
_RULER_ROOM = 15.0  # mm: a ruler with its numbers
_TICKS = {10: 5.0, 5: 3.5, 1: 2.0}  # mm between ticks -> their length
IN_FORCE = {
    "p-values": "Characteristic in force: P-values are sent, the printer applies the GSDF itself. Not measured.",
    "assumed-film": "Characteristic in force: the assumed one for film, density linear in driving level. NOT MEASURED.",
    "assumed-paper": "Characteristic in force: the assumed one for paper, reflectance as in sRGB. NOT MEASURED.",
}


def test_page(sheet: Sheet, *, printer_name: str, date: str) -> FilmRaster:
    """The printer's test page: grey steps with their target densities, resolution bars, rulers, corners, SMPTE pattern.

    date: as it shall be read. Rulers take in the sheet's measured scale: on a corrected printer 100 mm measure 100 mm.
    """
    canvas = _Canvas.blank(sheet)
    _draw_corners(canvas)
    _draw_rulers(canvas)
    top = _draw_heading(canvas, printer_name, date)
    for draw in (_draw_grey_steps, _draw_resolution_bars, _draw_smpte):  # a small sheet takes the first ones only
        if top + 21 <= canvas.floor:
            top = draw(canvas, top)
    return canvas.raster()


def calibration_page(sheet: Sheet, *, printer_name: str, date: str, steps: int = 18) -> FilmRaster:
    """Large patches of evenly spaced driving levels (see :func:`calibration_levels`), numbered, for a densitometer."""
    canvas = _Canvas.blank(sheet)
    _draw_corners(canvas)
    lines = (printer_name, f"Calibration page, {date}: read each patch, type in its density by number.")
    top = _draw_lines(canvas, _MARGIN, lines)
    width, height = canvas.width - 2 * _MARGIN, canvas.height - top - _MARGIN
    columns = min(steps, max(1, round(math.sqrt(steps * width / height))))
    pitch = width / columns, height / math.ceil(steps / columns)
    for number, share in enumerate(calibration_levels(sheet, steps)):
        left, up = _MARGIN + number % columns * pitch[0], top + number // columns * pitch[1]
        level = round(share * canvas.top_level)
        canvas.fill(left, up, pitch[0] - 3, pitch[1] - 7, level)
        _draw_frame(canvas, left, up, pitch[0] - 3, pitch[1] - 7)
        canvas.write(left, up + pitch[1] - 6.5, pitch[0] - 3, f"{number + 1}:  level {level}", 2.0, "left")
    return canvas.raster()


def calibration_levels(sheet: Sheet, steps: int = 18) -> tuple[float, ...]:
    """The driving levels of the calibration page as fractions of full scale, exactly as printed: 0 .. 1, ascending."""
    top = (1 << sheet.bits) - 1
    return tuple(round(number * top / (steps - 1)) / top for number in range(steps))


def smpte_page(sheet: Sheet) -> FilmRaster:
    """The SMPTE pattern alone, as large as the sheet allows, through GSDF and characteristic like any image."""
    canvas = _Canvas.blank(sheet)
    size = min(canvas.levels.shape)
    top, left = ((side - size) // 2 for side in canvas.levels.shape)
    canvas.levels[top : top + size, left : left + size] = _p_value_table(sheet)[smpte(size, sheet.bits)]
    return canvas.raster()


def _p_value_table(sheet: Sheet) -> NDArray[Any]:
    """Driving level of each P-value 0 .. 2**bits - 1."""
    wanted = density(np.linspace(0, 1, 1 << sheet.bits), own_viewing(sheet))
    return quantised(driving_levels(wanted, sheet), sheet.bits)


@dataclass(frozen=True)
class _Canvas:
    """A printable rectangle drawn on in millimetres from its top left corner."""

    levels: NDArray[Any]
    held: Page
    sheet: Sheet
    ground: int
    ink: int

    @classmethod
    def blank(cls, sheet: Sheet) -> _Canvas:
        """Black with white marks as films are, or white with black ones on paper."""
        held = page(sheet, None)
        ends = level_of_density(sheet.max_density, sheet), level_of_density(sheet.min_density, sheet)
        ground, ink = ends[::-1] if sheet.reflective else ends
        levels = np.full((held.height, held.width), ground, np.uint8 if sheet.bits == 8 else np.uint16)
        return cls(levels, held, sheet, ground, ink)

    @property
    def width(self) -> float:
        return self.held.width / self.held.across

    @property
    def height(self) -> float:
        return self.held.height / self.held.down

    @property
    def floor(self) -> float:
        """Where the ruler along the bottom begins."""
        return self.height - _MARGIN - 12

    @property
    def top_level(self) -> int:
        return (1 << self.sheet.bits) - 1

    def place(self, left: float, top: float, width: float, height: float) -> Place:
        """Millimetres as pixels: both ends are rounded, at least one pixel either way."""
        x, y = round(left * self.held.across), round(top * self.held.down)
        right, bottom = round((left + width) * self.held.across), round((top + height) * self.held.down)
        return Place(left=x, top=y, width=max(1, right - x), height=max(1, bottom - y))

    def fill(self, left: float, top: float, width: float, height: float, level: int) -> None:
        where = self.place(left, top, width, height)
        self.levels[where.rows, where.columns] = level

    def write(self, left: float, top: float, width: float, text: str, text_mm: float, align: str = "center") -> None:
        """One line in the ink, `text_mm` high, smaller where it would be wider than `width`."""
        where = self.place(left, top, width, 1)
        drawn = fit(text, where.width, text_mm * self.held.down, 0.6 * self.held.down, default_fonts())
        spare = {"left": 0, "center": 0.5, "right": 1}[align] * (where.width - drawn.mask.shape[1])
        lay(self.levels, drawn.mask, where.top, where.left + round(spare), self.ink)

    def raster(self) -> FilmRaster:
        return FilmRaster(
            pixels=self.levels,
            bits=self.sheet.bits,
            resolution=self.sheet.resolution,
            width_mm=self.held.sheet_width_mm,
            height_mm=self.held.sheet_height_mm,
            left_mm=self.held.left_mm,
            top_mm=self.held.top_mm,
        )


def _draw_corners(canvas: _Canvas) -> None:
    """An angle in each corner of the printable rectangle: a leg that is missing or thin shows a wrong margin."""
    pen = 0.5
    for right in (False, True):
        for bottom in (False, True):
            x, y = (canvas.width - _CORNER) * right, (canvas.height - _CORNER) * bottom
            canvas.fill(x, (canvas.height - pen) * bottom, _CORNER, pen, canvas.ink)
            canvas.fill((canvas.width - pen) * right, y, pen, _CORNER, canvas.ink)


def _draw_heading(canvas: _Canvas, printer_name: str, date: str) -> float:
    """What was printed where and how, and which side is up; gives the mm below it."""
    sheet = canvas.sheet
    mark = 5.0
    rows = round(mark * canvas.held.down)
    for row in range(rows):
        half = mark / 2 * row / rows
        canvas.fill(canvas.width / 2 - half, 1 + mark * row / rows, 2 * half, mark / rows, canvas.ink)
    canvas.write(canvas.width / 2 + mark, 2.0, 15, "TOP", 2.5, "left")
    margins = sheet.margins
    lines = (
        printer_name,
        f"Test page, {date}",
        f"Sheet {sheet.width_mm:g} x {sheet.height_mm:g} mm, margins: top {margins.top:g}, right {margins.right:g}, "
        f"bottom {margins.bottom:g}, left {margins.left:g} mm; scale x {sheet.x_scale:g}, y {sheet.y_scale:g}",
        f"{sheet.resolution:g} dpi, {sheet.bits} bits, density {sheet.min_density:.2f} to {sheet.max_density:.2f}, "
        f"L0 {sheet.illumination:g} cd/m\u00b2, La {own_viewing(sheet).reflected_ambient_light:g} cd/m\u00b2",
        statement(sheet),
    )
    return _draw_lines(canvas, 8.0, lines)


def statement(sheet: Sheet) -> str:
    """Which characteristic is in force, and whether it was measured."""
    used = sheet.characteristic
    if used.kind == "measured":
        return f"Characteristic in force: measured, {used.name or 'unnamed'} ({len(used.densities)} steps)."
    return IN_FORCE.get(used.kind, f"Characteristic in force: {used.kind}. NOT MEASURED.")


def _draw_lines(canvas: _Canvas, top: float, lines: tuple[str, ...]) -> float:
    """Lines in the middle of the page, the first one larger; gives the mm below them."""
    left = _RULER_ROOM + _MARGIN
    for number, line in enumerate(lines):
        text_mm = 2.2 if number else 4.0
        canvas.write(left, top, canvas.width - 2 * left, line, text_mm)
        top += 2.4 * text_mm
    return top + 2


def _draw_grey_steps(canvas: _Canvas, top: float) -> float:
    """Steps of equal density from the clearest to the densest, each with its target; gives the mm below them."""
    sheet = canvas.sheet
    left = _RULER_ROOM + _MARGIN
    width = (canvas.width - left - _MARGIN) / GREY_STEPS
    for number, target in enumerate(np.linspace(sheet.min_density, sheet.max_density, GREY_STEPS)):
        canvas.fill(left + number * width, top, width, 14, level_of_density(float(target), sheet))
        canvas.write(left + number * width + 0.3, top + 14.5, width - 0.6, f"{target:.2f}", 1.6)
    _draw_frame(canvas, left, top, width * GREY_STEPS, 14)
    return top + 21


def _draw_frame(canvas: _Canvas, left: float, top: float, width: float, height: float) -> None:
    """A hair line around, for what is as dark or as clear as the ground."""
    canvas.fill(left - _HAIR, top - _HAIR, width + 2 * _HAIR, _HAIR, canvas.ink)
    canvas.fill(left - _HAIR, top + height, width + 2 * _HAIR, _HAIR, canvas.ink)
    canvas.fill(left - _HAIR, top - _HAIR, _HAIR, height + 2 * _HAIR, canvas.ink)
    canvas.fill(left + width, top - _HAIR, _HAIR, height + 2 * _HAIR, canvas.ink)


def _draw_resolution_bars(canvas: _Canvas, top: float) -> float:
    """Lines 1 to 4 dots wide, upright and level; gives the mm below them."""
    left = _RULER_ROOM + _MARGIN
    side = min(12.0, (canvas.width - left - _MARGIN) / 8 - 2)
    for number in range(8):
        dots = number % 4 + 1
        where = canvas.place(left + number * (side + 2), top, side, side)
        block = canvas.levels[where.rows, where.columns]
        along = np.arange(block.shape[1]) if number < 4 else np.arange(block.shape[0])[:, None]
        block[:] = np.where(along // dots % 2 == 0, canvas.ink, canvas.ground)
        text = f"{dots} dot{'s' if dots > 1 else ''}"
        canvas.write(left + number * (side + 2), top + side + 0.5, side, text, 1.6)
    return top + side + 6


def _draw_rulers(canvas: _Canvas) -> None:
    """A ruler along the bottom and one along the left, from the middle of the first tick to that of the last."""
    for upright in (False, True):
        room = (canvas.height if upright else canvas.width) - 2 * _CORNER - 2
        length = next((mm for mm in (RULER_MM, 50.0, 20.0) if mm <= room), 0.0)
        start = ((canvas.height if upright else canvas.width) - length) / 2
        for mm in range(round(length) + 1):
            tick = next(height for every, height in _TICKS.items() if mm % every == 0)
            at = start + mm - _HAIR / 2
            if upright:
                canvas.fill(_MARGIN, at, tick, _HAIR, canvas.ink)
            else:
                canvas.fill(at, canvas.height - _MARGIN - tick, _HAIR, tick, canvas.ink)
            if mm % 10 == 0:
                _draw_number(canvas, upright, at, f"{mm} mm" if mm == length else str(mm))


def _draw_number(canvas: _Canvas, upright: bool, at: float, text: str) -> None:
    if upright:
        canvas.write(_MARGIN + 5.5, at - 2.4, 9, text, 1.6, "left")
    else:
        canvas.write(at - 4, canvas.height - _MARGIN - 9.5, 8, text, 1.6)


def _draw_smpte(canvas: _Canvas, top: float) -> float:
    """The pattern in the room that is left, where that is enough to see its lines; gives the mm below it."""
    left = _RULER_ROOM + _MARGIN
    width = canvas.width - left - _MARGIN
    side = min(width, canvas.floor - top)
    where = canvas.place(left + (width - side) / 2, top, side, side)
    size = min(where.width, where.height)
    if size >= 512:
        pattern = _p_value_table(canvas.sheet)[smpte(size, canvas.sheet.bits)]
        canvas.levels[where.top : where.top + size, where.left : where.left + size] = pattern
    return top + side
