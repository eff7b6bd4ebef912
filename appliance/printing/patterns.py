"""A printer's own pages by name: what a test page job prints."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from appliance.film.pattern import calibration_page, smpte_page, test_page
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Sheet

PATTERNS: dict[str, Callable[[Sheet, str, str], FilmRaster]] = {
    "test-page": lambda sheet, name, date: test_page(sheet, printer_name=name, date=date),
    "steps": lambda sheet, name, date: calibration_page(sheet, printer_name=name, date=date),
    "smpte": lambda sheet, name, date: smpte_page(sheet),
}


def draw_pattern(pattern: str, sheet: Sheet, heading: str) -> FilmRaster:
    """The page of that name. `heading` is ``printer name, date`` as the job was given it, so that a page composed
    again is the same page."""
    name, _, date = heading.rpartition(", ")
    return PATTERNS[pattern](sheet, name, date)


def heading_for(printer_name: str, at: dt.datetime) -> str:
    """What a page says of its printer and its day."""
    return f"{printer_name}, {at.astimezone().date().isoformat()}"
