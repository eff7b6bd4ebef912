"""A film layout as a drawing: the sheet, its printable part, the image boxes in the order of their positions."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from appliance.film import layout
from appliance.film.boxes import FilmBox, FilmSession
from appliance.film.catalog import Catalog
from appliance.film.display_format import parse
from appliance.printing.composing import sheet_of
from appliance.printing.printers import PrinterSettings

SHOWN = (
    "STANDARD\\1,1",
    "STANDARD\\1,2",
    "STANDARD\\2,2",
    "STANDARD\\3,4",
    "STANDARD\\4,5",
    "ROW\\1,2",
    "COL\\1,2",
    "CUSTOM\\1",
)
"""What the printer's page shows unasked."""

MOST_BOXES = 500
MM = 2.0  # units of the drawing for each millimetre


def draw(
    settings: PrinterSettings,
    catalog: Catalog,
    *,
    ImageDisplayFormat: str,
    FilmOrientation: str,
    FilmSizeID: str | None,
) -> str:
    """An SVG. Raises RefusedError for a layout that is none, MediaNeededError for a size the printer hasn't."""
    film = FilmBox(ImageDisplayFormat=ImageDisplayFormat, image_boxes=(), FilmSizeID=FilmSizeID)
    _, sheet = sheet_of(settings, FilmSession(film_boxes=(film,)), film, catalog)
    held = layout.page(sheet, FilmOrientation)
    places = layout.place(parse(ImageDisplayFormat), sheet, FilmOrientation, catalog)
    boxes = [_box(held, place, number) for number, place in enumerate(places[:MOST_BOXES], 1)]
    width, height = held.sheet_width_mm * MM, held.sheet_height_mm * MM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-4 -4 {width + 8:.1f} {height + 8:.1f}" role="img" '
        f"aria-label={quoteattr(ImageDisplayFormat)}>"
        f'<rect width="{width:.1f}" height="{height:.1f}" rx="6" fill="#1d252d" stroke="#7b8794" stroke-width="4"/>'
        + "".join(boxes)
        + "</svg>"
    )


def _box(held: layout.Page, place: layout.Place, number: int) -> str:
    x, y = (held.left_mm + place.left / held.across) * MM, (held.top_mm + place.top / held.down) * MM
    width, height = place.width / held.across * MM, place.height / held.down * MM
    text = min(width, height) * 0.35
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="#52606d"/>'
        f'<text x="{x + width / 2:.1f}" y="{y + height / 2 + text * 0.35:.1f}" font-size="{text:.1f}" '
        f'font-family="sans-serif" fill="#e4e7eb" text-anchor="middle">{number}</text>'
    )
