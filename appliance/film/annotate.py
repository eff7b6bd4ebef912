"""Text on a film: annotation boxes by their format, and the film session's label (PS3.3 C.13.7, C.13.1).

What prints stands in strips: along the film's edge, or inside each image box. The composer leaves room for them
(:func:`reserved_mm`, :func:`image_reserved_mm`), then has the text drawn into its canvas (:func:`annotate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from appliance.film.annotation_format import ALIGN, WHERE, AnnotationFormats, TextPlace, shipped_formats
from appliance.film.boxes import FilmBox
from appliance.film.fonts import Fonts, default_fonts
from appliance.film.layout import Place, page
from appliance.film.lettering import ASCENT, DESCENT, fit, lay_legibly, printable
from appliance.film.sheet import Margins, Sheet
from appliance.words import say

PADDING_MM = 0.8  # between a strip's text and the film's edge or the image
LINES = 4  # texts above one another; more stand side by side


@dataclass(frozen=True)
class _Text:
    text: str
    place: TextPlace
    position: int | None = None  # Annotation Position; None: the film session's label
    image: int = 0  # position of its image box; 0: it stands at the film's edge

    @property
    def what(self) -> str:
        """Which text it is, for warnings: never the text itself."""
        return (
            say("film session label")
            if self.position is None
            else say("annotation %(position)s", position=self.position)
        )


def annotate(
    canvas: NDArray[Any],
    film_box: FilmBox,
    sheet: Sheet,
    *,
    black: int,
    white: int,
    areas: Sequence[Place] = (),
    session_label: str = "",
    formats: AnnotationFormats | None = None,
    fonts: Fonts | None = None,
) -> list[str]:
    """Draw a film's texts into its canvas, and say in words what was not done as asked (never a text itself).

    canvas: driving levels of the printable rectangle, (rows, columns) or (rows, columns, 3), changed in place.
    black and white: driving levels of Max and Min Density; letters take the one that stands out.
    areas: the image boxes by position, the strips of :func:`image_reserved_mm` still in them.
    session_label: empty prints none.
    """
    held = page(sheet, film_box.FilmOrientation)
    whole = Place(left=0, top=0, width=canvas.shape[1], height=canvas.shape[0])
    brush = _Brush(canvas, black, white, held.across, held.down, fonts or default_fonts(), [])
    formats = formats or shipped_formats()
    texts = _texts(film_box, session_label, formats)
    if any(text.position is not None for text in texts) and not formats.knows(film_box.AnnotationDisplayFormatID):
        asked = (film_box.AnnotationDisplayFormatID or "")[:32]
        brush.warnings.append(
            say("Annotation Display Format ID %(asked)s is not known, the default one was used", asked=repr(asked))
        )
    for where in WHERE:
        there = [text for text in texts if text.place.where == where]
        for image in sorted({text.image for text in there}):
            strip = [text for text in there if text.image == image]
            if image <= len(areas):
                _draw_strip(brush, areas[image - 1] if image else whole, strip)
            else:
                brush.warnings.extend(say("%(what)s: the film has no such image box", what=text.what) for text in strip)
    return brush.warnings


def reserved_mm(
    film_box: FilmBox, sheet: Sheet, session_label: str = "", formats: AnnotationFormats | None = None
) -> Margins:
    """Room the film's own texts take at its edges as it is held, for the layout to leave; none without text."""
    texts = [text for text in _texts(film_box, session_label, formats or shipped_formats()) if not text.image]
    return Margins(top=_strip_mm(texts, "top"), bottom=_strip_mm(texts, "bottom"))


def image_reserved_mm(film_box: FilmBox, formats: AnnotationFormats | None = None) -> Margins:
    """Room taken in every image box by texts of images: the same in all, so that images stay one size."""
    texts = [text for text in _texts(film_box, "", formats or shipped_formats()) if text.image]
    heights = [
        max((_strip_mm([text], where) for text in texts), default=0.0) for where in ("image-top", "image-bottom")
    ]
    return Margins(top=heights[0], bottom=heights[1])


def _texts(film_box: FilmBox, session_label: str, formats: AnnotationFormats) -> list[_Text]:
    """Every text that prints and its place, by Annotation Position, the session's label last."""
    places = formats.chosen(film_box.AnnotationDisplayFormatID).places
    texts = []
    for box in sorted(film_box.annotation_boxes, key=lambda box: box.AnnotationPosition):
        place = next((p for p in places if _takes(p, box.AnnotationPosition, len(film_box.image_boxes))), None)
        if place and printable(box.TextString):
            image = box.AnnotationPosition if place.where.startswith("image") else 0
            texts.append(_Text(box.TextString, place, box.AnnotationPosition, image))
    if printable(session_label):
        texts.append(_Text(session_label, formats.session_label))
    return texts


def _takes(place: TextPlace, position: int, images: int) -> bool:
    if place.positions == "images":
        return 1 <= position <= images
    return place.positions == "any" or position in place.positions


@dataclass(frozen=True)
class _Column:
    """Texts of one alignment above one another."""

    align: str
    texts: tuple[_Text, ...]


def _columns(texts: Sequence[_Text]) -> list[_Column]:
    columns = []
    for align in ALIGN:
        same = [text for text in texts if text.place.align == align]
        columns += [_Column(align, tuple(same[at : at + LINES])) for at in range(0, len(same), LINES)]
    return columns


def _strip_mm(texts: Sequence[_Text], where: str) -> float:
    """Height of a strip with these of the texts that stand `where`; 0 when there is none."""
    there = [text for text in texts if text.place.where == where]
    if not there:
        return 0.0
    return max(len(column.texts) for column in _columns(there)) * _line_mm(there) + 2 * PADDING_MM


def _line_mm(texts: Sequence[_Text]) -> float:
    return max(text.place.text_mm for text in texts) * (ASCENT + DESCENT)


@dataclass(frozen=True)
class _Brush:
    """What drawing a text takes."""

    canvas: NDArray[Any]
    black: int
    white: int
    across: float  # pixels per mm
    down: float
    fonts: Fonts
    warnings: list[str]


def _draw_strip(brush: _Brush, area: Place, texts: Sequence[_Text]) -> None:
    """The texts of one strip at the top or bottom of `area`, column beside column."""
    where = texts[0].place.where
    columns, line = _columns(texts), _line_mm(texts)
    top = area.top
    if where.endswith("bottom"):
        top += area.height - math.ceil(_strip_mm(texts, where) * brush.down)
    padding = round(PADDING_MM * brush.across)
    width = area.width // len(columns)
    for number, column in enumerate(columns):
        slot_left = area.left + number * width + padding
        for row, text in enumerate(column.texts):
            slot_top = top + round((PADDING_MM + row * line) * brush.down)
            slot = Place(left=slot_left, top=slot_top, width=width - 2 * padding, height=round(line * brush.down))
            _draw_text(brush, slot, text)


def _draw_text(brush: _Brush, slot: Place, text: _Text) -> None:
    place = text.place
    drawn = fit(text.text, slot.width, place.text_mm * brush.down, place.smallest_mm * brush.down, brush.fonts)
    spare = slot.width - drawn.mask.shape[1]
    left = slot.left + {"left": 0, "center": spare // 2, "right": spare}[place.align]
    baseline = slot.top + round(slot.height * ASCENT / (ASCENT + DESCENT))
    lay_legibly(brush.canvas, drawn.mask, baseline - drawn.baseline, left, brush.black, brush.white)
    if drawn.is_cut:
        brush.warnings.append(say("%(what)s: too long for its place, its end is not printed", what=text.what))
    if drawn.missing:
        brush.warnings.append(
            say("%(what)s: no font has %(missing)s, printed as a box", what=text.what, missing=", ".join(drawn.missing))
        )
