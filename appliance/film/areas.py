"""Where the images of a film may lie: its boxes, less the annotations' strips and the trim line.

The front door asks here whether an image fits as it is set; the composer draws by the same answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from appliance.errors import RefusedError
from appliance.film.annotate import AnnotationFormats, image_reserved_mm, reserved_mm
from appliance.film.boxes import FilmBox, ImageBox
from appliance.film.catalog import Catalog
from appliance.film.display_format import INVALID_ATTRIBUTE_VALUE, parse
from appliance.film.layout import Page, Place, page, place
from appliance.film.sheet import Margins, Sheet
from appliance.film.sizing import SizeVerdict, size_verdict
from appliance.units import pixels
from appliance.words import say

TRIM_MM = 0.25  # width of the line around each image


@dataclass(frozen=True, kw_only=True)
class Areas:
    """The places of one film, by position."""

    page: Page
    boxes: list[Place]  # the image boxes
    images: list[Place]  # what the image may take of each


def areas(
    film_box: FilmBox,
    sheet: Sheet,
    session_label: str = "",
    catalog: Catalog | None = None,
    formats: AnnotationFormats | None = None,
) -> Areas:
    """The places of a film. The session's label takes room only where the sheet prints it.

    Raises RefusedError (0106) when the film's format can't be laid out on this sheet.
    """
    label = session_label if sheet.label_session else ""
    held = page(sheet, film_box.FilmOrientation)
    display_format = parse(film_box.ImageDisplayFormat)
    edges = reserved_mm(film_box, sheet, label, formats)
    boxes = place(display_format, sheet, film_box.FilmOrientation, catalog, edges)
    strips, line = image_reserved_mm(film_box, formats), trim_line(film_box, sheet)
    return Areas(page=held, boxes=boxes, images=[_image_area(box, held, strips, line) for box in boxes])


def trim_line(film_box: FilmBox, sheet: Sheet) -> int:
    """Width of the line that Trim YES draws around each image, in pixels; 0 without."""
    asked = (film_box.Trim or "").strip(" \0").upper() == "YES"
    return max(1, pixels(TRIM_MM, sheet.resolution)) if asked else 0


def set_verdict(
    image_box: ImageBox,
    film_box: FilmBox,
    sheet: Sheet,
    session_label: str = "",
    *,
    strict: bool = False,
    catalog: Catalog | None = None,
    formats: AnnotationFormats | None = None,
) -> SizeVerdict:
    """The verdict on an image as it is set into its box: see :func:`appliance.film.sizing.size_verdict`.

    Annotations set later may still take room from it. Raises RefusedError (0106) for a position the film does not have.
    """
    found = areas(film_box, sheet, session_label, catalog, formats)
    position = image_box.ImageBoxPosition
    if not 1 <= position <= len(found.images):
        what = say(
            "Image Box Position %(position)s is not among the film's 1 to %(images)s",
            position=position,
            images=len(found.images),
        )
        raise RefusedError(INVALID_ATTRIBUTE_VALUE, what)
    return size_verdict(image_box, film_box, found.images[position - 1], found.page, sheet, strict=strict)


def _image_area(box: Place, held: Page, strips: Margins, line: int) -> Place:
    """A box without its strips and line; in a box too small for them text and line go over the image."""
    top, bottom = math.ceil(strips.top * held.down), math.ceil(strips.bottom * held.down)
    if top + bottom > box.height // 2:
        top = bottom = 0
    if 2 * line >= min(box.width, box.height - top - bottom):
        line = 0
    return Place(
        left=box.left + line,
        top=box.top + top + line,
        width=box.width - 2 * line,
        height=box.height - top - bottom - 2 * line,
    )
