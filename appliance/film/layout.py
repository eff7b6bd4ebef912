"""Where the image boxes of a film lie, in pixels of its raster (PS3.3 C.13.3 and C.13.5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.errors import RefusedError
from appliance.film.catalog import Box, Catalog, CustomLayout, Slides, shipped_catalog
from appliance.film.display_format import INVALID_ATTRIBUTE_VALUE, DisplayFormat
from appliance.film.sheet import Margins, Sheet
from appliance.units import MILLIMETRES_PER_INCH, pixels
from appliance.words import say

NO_MARGINS = Margins()


@dataclass(frozen=True, kw_only=True)
class Place:
    """A rectangle of the raster, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.left + self.width)

    def centred(self, width: int, height: int) -> Place:
        """A rectangle of this size in the middle, no larger than this one."""
        width, height = min(width, self.width), min(height, self.height)
        left, top = self.left + (self.width - width) // 2, self.top + (self.height - height) // 2
        return Place(left=left, top=top, width=width, height=height)


@dataclass(frozen=True, kw_only=True)
class Page:
    """The printable rectangle of a sheet as it is held (LANDSCAPE: the long side is horizontal)."""

    width: int  # of the raster, pixels
    height: int
    sheet_width_mm: float
    sheet_height_mm: float
    left_mm: float  # of the printable rectangle from the sheet's left edge
    top_mm: float
    across: float  # pixels per printed mm, the measured scale of the printer included
    down: float


def page(sheet: Sheet, FilmOrientation: str | None) -> Page:
    """The raster of a sheet in an orientation; None or empty is PORTRAIT.

    A landscape film is the portrait sheet turned so that its top lies along the sheet's left edge, as IPP turns it.
    Raises RefusedError (0106) for another word, or when the margins leave nothing.
    """
    landscape = is_landscape(FilmOrientation)
    margins = _turned(sheet.margins) if landscape else sheet.margins
    sides = (sheet.width_mm, sheet.height_mm)
    scales = (sheet.x_scale, sheet.y_scale)
    width_mm, height_mm = sides[::-1] if landscape else sides
    x_scale, y_scale = scales[::-1] if landscape else scales
    width = pixels(width_mm - margins.left - margins.right, sheet.resolution)
    height = pixels(height_mm - margins.top - margins.bottom, sheet.resolution)
    if width < 1 or height < 1:
        raise RefusedError(
            INVALID_ATTRIBUTE_VALUE,
            say(
                "the margins of a sheet of %(width_mm)s x %(height_mm)s mm leave nothing",
                width_mm=f"{width_mm:g}",
                height_mm=f"{height_mm:g}",
            ),
        )
    return Page(
        width=width,
        height=height,
        sheet_width_mm=width_mm,
        sheet_height_mm=height_mm,
        left_mm=margins.left,
        top_mm=margins.top,
        across=sheet.resolution / MILLIMETRES_PER_INCH * x_scale,
        down=sheet.resolution / MILLIMETRES_PER_INCH * y_scale,
    )


def is_landscape(FilmOrientation: str | None) -> bool:
    """Whether the long side is horizontal. Raises RefusedError (0106) for a word that is neither orientation."""
    word = (FilmOrientation or "").strip(" \0").upper()
    if word not in ("", "PORTRAIT", "LANDSCAPE"):
        raise RefusedError(
            INVALID_ATTRIBUTE_VALUE,
            say(
                "Film Orientation %(filmorientation)s is neither PORTRAIT nor LANDSCAPE",
                filmorientation=repr(FilmOrientation),
            ),
        )
    return word == "LANDSCAPE"


def _turned(margins: Margins) -> Margins:
    return Margins(top=margins.left, right=margins.top, bottom=margins.right, left=margins.bottom)


def number_of_boxes(
    display_format: DisplayFormat, sheet: Sheet, FilmOrientation: str | None, catalog: Catalog | None = None
) -> int:
    """How many image boxes a film box of this format has.

    Raises RefusedError (0106) for a CUSTOM layout that the catalog does not have or that does not fit on the film.
    """
    catalog = catalog or shipped_catalog()
    if display_format.kind == "STANDARD":
        return math.prod(display_format.numbers)
    if display_format.kind == "CUSTOM":
        return len(place(display_format, sheet, FilmOrientation, catalog))
    if display_format.numbers:
        return sum(display_format.numbers)
    return math.prod(_slide_grid(catalog.slides[display_format.kind], sheet, FilmOrientation, catalog))


def place(
    display_format: DisplayFormat,
    sheet: Sheet,
    FilmOrientation: str | None,
    catalog: Catalog | None = None,
    reserved: Margins = NO_MARGINS,
) -> list[Place]:
    """The image boxes in the order of their positions, in pixels of the raster.

    reserved: strips along the edges (mm, as the film is held) kept for annotations.
    Raises RefusedError (0106) when a box of a CUSTOM layout does not fit on the film.
    """
    catalog = catalog or shipped_catalog()
    held = page(sheet, FilmOrientation)
    area = _area(held, reserved)
    gaps = round(sheet.gap_mm * held.across), round(sheet.gap_mm * held.down)
    numbers = display_format.numbers
    if display_format.kind == "STANDARD":
        return _rows(area, [numbers[0]] * numbers[1], gaps)
    if display_format.kind == "ROW":
        return _rows(area, numbers, gaps)
    if display_format.kind == "COL":
        return _columns(area, numbers, gaps)
    if display_format.kind == "CUSTOM":
        layout = _custom(display_format, catalog)
        return [_custom_box(display_format, layout.unit, box, area, held, gaps) for box in layout.boxes]
    slides = catalog.slides[display_format.kind]
    columns, rows = _slide_grid(slides, sheet, FilmOrientation, catalog)
    size = round(slides.width_mm * held.across), round(slides.height_mm * held.down)
    return [cell.centred(*size) for cell in _rows(area, [columns] * rows, gaps)]


def _area(held: Page, reserved: Margins) -> Place:
    left, top = math.ceil(reserved.left * held.across), math.ceil(reserved.top * held.down)
    right, bottom = math.ceil(reserved.right * held.across), math.ceil(reserved.bottom * held.down)
    return Place(left=left, top=top, width=max(1, held.width - left - right), height=max(1, held.height - top - bottom))


def spans(length: int, number: int, gap: int) -> list[tuple[int, int]]:
    """Divide `length` pixels into `number` spans (start, size) with gaps between: equal within a pixel, none left over.

    Gaps shrink where they would take more than half of what there is.
    """
    gap = min(gap, length // (2 * number))
    edges = [k * (length + gap) // number for k in range(number + 1)]
    return [(start, end - start - gap) for start, end in zip(edges, edges[1:], strict=False)]


def _rows(area: Place, boxes_in_row: Sequence[int], gaps: tuple[int, int]) -> list[Place]:
    return [
        Place(left=area.left + left, top=area.top + top, width=width, height=height)
        for boxes, (top, height) in zip(boxes_in_row, spans(area.height, len(boxes_in_row), gaps[1]), strict=True)
        for left, width in spans(area.width, boxes, gaps[0])
    ]


def _columns(area: Place, boxes_in_column: Sequence[int], gaps: tuple[int, int]) -> list[Place]:
    return [
        Place(left=area.left + left, top=area.top + top, width=width, height=height)
        for boxes, (left, width) in zip(boxes_in_column, spans(area.width, len(boxes_in_column), gaps[0]), strict=True)
        for top, height in spans(area.height, boxes, gaps[1])
    ]


def _slide_grid(slides: Slides, sheet: Sheet, FilmOrientation: str | None, catalog: Catalog) -> tuple[int, int]:
    """Columns and rows of slides. The sheet counts, not its margins: a format has the same boxes on every printer."""
    film_size = catalog.size_of_sheet(sheet.width_mm, sheet.height_mm)
    by_pitch = (max(1, int(side / slides.pitch_mm + 1e-6)) for side in (sheet.width_mm, sheet.height_mm))
    columns, rows = slides.grids.get(film_size or "") or by_pitch
    return (rows, columns) if is_landscape(FilmOrientation) else (columns, rows)


def _custom(display_format: DisplayFormat, catalog: Catalog) -> CustomLayout:
    layout = catalog.custom.get(display_format.numbers[0])
    if layout is None:
        known = ", ".join(f"CUSTOM\\{number}" for number in sorted(catalog.custom))
        raise RefusedError(
            INVALID_ATTRIBUTE_VALUE,
            say(
                "there is no layout %(display_format)s; there are %(known)s",
                display_format=display_format,
                known=known or "none",
            ),
        )
    return layout


def _custom_box(
    display_format: DisplayFormat, unit: str, box: Box, area: Place, held: Page, gaps: tuple[int, int]
) -> Place:
    if unit == "mm":
        left, right = _interval(box.left * held.across, box.width * held.across)
        top, bottom = _interval(box.top * held.down, box.height * held.down)
    else:
        left, right = _inset(_interval(box.left * area.width, box.width * area.width), area.width, gaps[0])
        top, bottom = _inset(_interval(box.top * area.height, box.height * area.height), area.height, gaps[1])
    if right > area.width or bottom > area.height:
        room = f"{area.width / held.across:.0f} x {area.height / held.down:.0f} mm"
        raise RefusedError(
            INVALID_ATTRIBUTE_VALUE,
            say(
                "a box of layout %(display_format)s lies outside the film's %(room)s",
                display_format=display_format,
                room=room,
            ),
        )
    return Place(left=area.left + left, top=area.top + top, width=right - left, height=bottom - top)


def _interval(start: float, length: float) -> tuple[int, int]:
    """Start and end as whole pixels. Both ends are rounded, so that boxes that touch share an edge."""
    first = round(start)
    return first, max(first + 1, round(start + length))


def _inset(interval: tuple[int, int], length: int, gap: int) -> tuple[int, int]:
    """Leave half a gap at each end that isn't an edge of the film, without losing the box."""
    start, end = interval
    end = min(end, length)
    start = min(start, end - 1)
    near = gap // 2 if start > 0 else 0
    far = gap - gap // 2 if end < length else 0
    return (start, end) if near + far > (end - start) // 2 else (start + near, end - far)
