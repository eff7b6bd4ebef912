"""One film of a session, composed: boxes placed, images scaled and mapped to driving levels, the ground between them.

The canvas is made once; images of the canvas's depth are scaled straight into their place and mapped there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import RefusedError, UsageError
from appliance.film import scale, stored_pixels
from appliance.film.annotate import AnnotationFormats, annotate
from appliance.film.areas import Areas, areas, trim_line
from appliance.film.boxes import FilmBox, FilmSession, ImageBox
from appliance.film.catalog import Catalog
from appliance.film.densities import background_density
from appliance.film.layout import Place
from appliance.film.presentation import grey_table, is_inverted, level_of_density
from appliance.film.raster import FilmRaster
from appliance.film.sheet import GreyPolicy, Sheet
from appliance.film.sizing import PRINTED, TOO_LARGE, SizeVerdict, magnification_type, size_verdict
from appliance.words import say, say_many

DEFAULT_POLICY = GreyPolicy()


@dataclass
class _Film:
    """What the steps of one composition share."""

    film_box: FilmBox
    sheet: Sheet
    policy: GreyPolicy
    folder: Path
    areas: Areas
    canvas: NDArray[Any]
    border: int  # driving level around the images
    warnings: dict[str, list[int]]  # in words -> positions of the images it is about, none when about the film

    def warn(self, text: str, *positions: int) -> None:
        self.warnings.setdefault(text, []).extend(positions)


def compose(
    session: FilmSession,
    number: int,
    sheet: Sheet,
    folder: Path,
    *,
    policy: GreyPolicy = DEFAULT_POLICY,
    catalog: Catalog | None = None,
    formats: AnnotationFormats | None = None,
) -> FilmRaster:
    """Film `number` (from 1) of a session on a sheet, from the pixels that lie in `folder`.

    The raster is RGB (8 bits) when the sheet takes colour and the film has a colour image, else grey. What was not done
    as asked stands in its warnings. Raises UsageError for a film that isn't there, RefusedError where the format is
    unknown or an image that may not be cut or shrunk is too large, DamagedError where pixels are missing.
    """
    if not 1 <= number <= len(session.film_boxes):
        raise UsageError(
            say(
                "film %(number)s was asked for, the session has %(film_boxes)s",
                number=number,
                film_boxes=len(session.film_boxes),
            )
        )
    film_box = session.film_boxes[number - 1]
    in_color = sheet.color and any(box.image and box.image.SamplesPerPixel == 3 for box in film_box.image_boxes)
    if in_color:
        sheet = replace(sheet, bits=8)
    places = areas(film_box, sheet, session.FilmSessionLabel, catalog, formats)
    film = _blank(film_box, sheet, folder, policy, places, in_color)
    _draw_boxes(film)
    _draw_texts(film, session.FilmSessionLabel if sheet.label_session else "", formats)
    return _raster(film, in_color)


def _blank(film_box: FilmBox, sheet: Sheet, folder: Path, policy: GreyPolicy, places: Areas, in_color: bool) -> _Film:
    density, note = background_density(film_box.BorderDensity, sheet.border_density, sheet)
    border = level_of_density(density, sheet)
    shape = (places.page.height, places.page.width, *([3] if in_color else []))
    canvas = np.zeros(shape, np.uint8 if sheet.bits == 8 else np.uint16)
    if border:  # black costs nothing: pages come zeroed
        canvas.fill(border)
    film = _Film(film_box, sheet, policy, folder, places, canvas, border, {})
    if note:
        film.warn(say("Border Density: %(note)s", note=note))
    return film


def _draw_boxes(film: _Film) -> None:
    boxes = {box.ImageBoxPosition: box for box in film.film_box.image_boxes}
    for position, (whole, area) in enumerate(zip(film.areas.boxes, film.areas.images, strict=True), 1):
        box = boxes.pop(position, None)
        if box is None or box.image is None:
            _draw_empty(film, whole)
        else:
            _draw_image(film, box, area)
    if boxes:
        film.warn(say("the film has no such position, it is not printed"), *boxes)


def _draw_empty(film: _Film, area: Place) -> None:
    density, note = background_density(film.film_box.EmptyImageDensity, film.sheet.empty_image_density, film.sheet)
    film.canvas[area.rows, area.columns] = level_of_density(density, film.sheet)
    if note:
        film.warn(say("Empty Image Density: %(note)s", note=note))


def _draw_image(film: _Film, box: ImageBox, area: Place) -> None:
    verdict = size_verdict(box, film.film_box, area, film.areas.page, film.sheet)
    if verdict.status == TOO_LARGE:
        raise RefusedError(
            TOO_LARGE,
            say("image %(imageboxposition)s: %(why)s", imageboxposition=box.ImageBoxPosition, why=verdict.reason),
        )
    if verdict.status != PRINTED:
        film.warn(verdict.reason, box.ImageBoxPosition)
    target = area.centred(verdict.width, verdict.height)
    _draw_trim(film, target)
    _draw_pixels(film, box, verdict, film.canvas[target.rows, target.columns])


def _draw_trim(film: _Film, target: Place) -> None:
    """A line just outside the image, drawn as a filled rectangle that the image then covers."""
    line = trim_line(film.film_box, film.sheet)
    if line:
        contrast = film.sheet.min_density if film.border < 1 << (film.sheet.bits - 1) else film.sheet.max_density
        rows = slice(max(0, target.top - line), target.top + target.height + line)
        columns = slice(max(0, target.left - line), target.left + target.width + line)
        film.canvas[rows, columns] = level_of_density(contrast, film.sheet)


def _draw_pixels(film: _Film, box: ImageBox, verdict: SizeVerdict, out: NDArray[Any]) -> None:
    """Scale an image and map it to driving levels, into its place on the canvas."""
    assert box.image is not None
    pixels = _about_centre(stored_pixels.read(box.image, film.folder), verdict)
    kernel, steps = magnification_type(box, film.film_box, film.sheet), _smoothing(film, box)
    if box.image.SamplesPerPixel == 3 and out.ndim == 3:
        scale.resample(pixels, verdict.width, verdict.height, kernel, steps, out)
        if is_inverted("RGB", box.Polarity):
            cv2.bitwise_not(out, dst=out)
        return
    policy = film.policy
    if box.image.SamplesPerPixel == 3:
        film.warn(say("its colours were printed as grey"), box.ImageBoxPosition)
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
        box, policy = _as_grey(box), DEFAULT_POLICY  # luma is P-values, whatever the profile says of grey
    table, notes = grey_table(box, film.film_box, film.sheet, policy)
    for note in notes:
        film.warn(note, box.ImageBoxPosition)
    in_place = out if out.ndim == 2 and out.dtype == pixels.dtype and out.shape != pixels.shape else None
    scaled = scale.resample(pixels, verdict.width, verdict.height, kernel, steps, in_place)
    if out.ndim == 2:
        cv2.LUT(scaled, table, dst=out)
    else:
        cv2.cvtColor(cv2.LUT(scaled, table), cv2.COLOR_GRAY2RGB, dst=out)


def _as_grey(box: ImageBox) -> ImageBox:
    """A colour image box as that of its luma."""
    assert box.image is not None
    grey = replace(box.image, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", BitsStored=8, HighBit=7)
    return replace(box, image=grey)


def _about_centre(pixels: NDArray[Any], verdict: SizeVerdict) -> NDArray[Any]:
    top, left = (pixels.shape[0] - verdict.rows) // 2, (pixels.shape[1] - verdict.columns) // 2
    return pixels[top : top + verdict.rows, left : left + verdict.columns]


def _smoothing(film: _Film, box: ImageBox) -> int:
    asked = box.SmoothingType or film.film_box.SmoothingType
    steps = scale.smoothing(asked)
    if steps is None:
        film.warn(say("Smoothing Type %(asked)s is not known, none was used", asked=repr(asked)), box.ImageBoxPosition)
    return steps or 0


def _draw_texts(film: _Film, label: str, formats: AnnotationFormats | None) -> None:
    black, white = (level_of_density(od, film.sheet) for od in (film.sheet.max_density, film.sheet.min_density))
    said = annotate(
        film.canvas,
        film.film_box,
        film.sheet,
        black=black,
        white=white,
        areas=film.areas.boxes,
        session_label=label,
        formats=formats,
    )
    for text in said:
        film.warn(text)


def _raster(film: _Film, in_color: bool) -> FilmRaster:
    profile = film.film_box.icc_profile if in_color else None
    return FilmRaster(
        pixels=film.canvas,
        bits=film.sheet.bits,
        resolution=film.sheet.resolution,
        width_mm=film.areas.page.sheet_width_mm,
        height_mm=film.areas.page.sheet_height_mm,
        left_mm=film.areas.page.left_mm,
        top_mm=film.areas.page.top_mm,
        icc_profile=(film.folder / profile).read_bytes() if profile else None,
        warnings=tuple(_sentence(text, positions) for text, positions in film.warnings.items()),
    )


def _sentence(text: str, positions: list[int]) -> str:
    if not positions:
        return text
    places = ", ".join(map(str, positions))
    return say_many(
        "image %(places)s: %(text)s", "images %(places)s: %(text)s", len(positions), places=places, text=text
    )
