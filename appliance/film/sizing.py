"""How large an image is printed, and what is said of one too large for its box (PS3.3 C.13.5, PS3.4 H.4.3.1).

The front door asks when an image is set, the composer when it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.film.boxes import FilmBox, Image, ImageBox
from appliance.film.layout import Page, Place
from appliance.film.scale import KERNELS
from appliance.film.sheet import Sheet
from appliance.words import Words, say

PRINTED = 0x0000
DEMAGNIFIED = 0xB604
CROPPED = 0xB609
DECIMATED = 0xB60A
TOO_LARGE = 0xC603


@dataclass(frozen=True, kw_only=True)
class SizeVerdict:
    """What is printed of an image."""

    status: int  # PRINTED, DEMAGNIFIED, CROPPED, DECIMATED, TOO_LARGE (nothing is printed)
    width: int = 0  # on the film, pixels
    height: int = 0
    columns: int = 0  # of the image that are printed, about its centre
    rows: int = 0
    reason: str = ""  # in words, unless PRINTED


def magnification_type(image_box: ImageBox, film_box: FilmBox, sheet: Sheet) -> str:
    """Magnification Type of the image box, else the film box, else the sheet; words not known count as absent."""
    for word in (image_box.MagnificationType, film_box.MagnificationType, sheet.magnification_type):
        text = (word or "").strip(" \0").upper()
        if text in KERNELS:
            return text
    return "CUBIC"


def size_verdict(
    image_box: ImageBox, film_box: FilmBox, area: Place, held: Page, sheet: Sheet, *, strict: bool = False
) -> SizeVerdict:
    """How an image is printed in `area`: best fit, 1:1 for Magnification Type NONE, or at Requested Image Size.

    Too large means: at its requested size it is wider or higher than the area, or, with none requested, it has more
    rows or columns than the area has pixels. Then Requested Decimate/Crop Behavior decides. Where it is silent an image
    of requested size is cropped about its centre and others are demagnified; when strict, requested size and NONE fail.
    """
    image = image_box.image
    assert image is not None
    magnification = magnification_type(image_box, film_box, sheet)
    requested = (image_box.RequestedImageSize or 0) > 0
    fitted = _fitted(image, area, held)
    natural = _requested(image, image_box.RequestedImageSize or 0.0, held) if requested else _one_to_one(image, held)
    if natural[0] <= area.width and natural[1] <= area.height:
        width, height = natural if requested or magnification == "NONE" else fitted
        return SizeVerdict(status=PRINTED, width=width, height=height, columns=image.Columns, rows=image.Rows)
    status = _when_too_large(image_box, requested, magnification, strict)
    if status == TOO_LARGE:
        return SizeVerdict(status=status, reason=_reason(status, natural, area))
    if status == CROPPED:
        columns, width = _cropped(image.Columns, natural[0], area.width)
        rows, height = _cropped(image.Rows, natural[1], area.height)
    else:
        (width, height), columns, rows = fitted, image.Columns, image.Rows
    reason = _reason(status, natural, area)
    return SizeVerdict(status=status, width=width, height=height, columns=columns, rows=rows, reason=reason)


def _when_too_large(image_box: ImageBox, requested: bool, magnification: str, strict: bool) -> int:
    behaviour = (image_box.RequestedDecimateCropBehavior or "").strip(" \0").upper()
    if behaviour == "DECIMATE":
        return TOO_LARGE if magnification == "NONE" else DECIMATED
    if behaviour == "CROP":
        return CROPPED
    if behaviour == "FAIL" or (strict and (requested or magnification == "NONE")):
        return TOO_LARGE
    return CROPPED if requested else DEMAGNIFIED


def _shape(image: Image, held: Page) -> float:
    """Height over width of one image pixel, in pixels of the film."""
    vertical, horizontal = image.PixelAspectRatio
    ratio = vertical / horizontal if vertical > 0 and horizontal > 0 else 1.0
    return ratio * held.down / held.across


def _requested(image: Image, width_mm: float, held: Page) -> tuple[int, int]:
    width = width_mm * held.across
    height = width * image.Rows * _shape(image, held) / image.Columns
    return max(1, round(width)), max(1, round(height))


def _one_to_one(image: Image, held: Page) -> tuple[int, int]:
    """An image pixel is a film pixel; one that isn't square is stretched along its longer side."""
    vertical, horizontal = image.PixelAspectRatio
    shape = _shape(image, held) if vertical != horizontal else 1.0
    return round(image.Columns * max(1.0, 1 / shape)), round(image.Rows * max(1.0, shape))


def _fitted(image: Image, area: Place, held: Page) -> tuple[int, int]:
    height = area.width * image.Rows * _shape(image, held) / image.Columns
    if height <= area.height:
        return area.width, max(1, round(height))
    return max(1, min(area.width, round(area.width * area.height / height))), area.height


def _cropped(number: int, natural: int, available: int) -> tuple[int, int]:
    """How many of `number` rows or columns that take `natural` pixels go into `available`, and the pixels they take."""
    if natural <= available:
        return number, natural
    kept = max(1, number * available // natural)
    return kept, min(available, max(1, round(kept * natural / number)))


WHAT_WAS_DONE = {
    DEMAGNIFIED: say("demagnified to fit its box: %(image)s pixels, box %(box)s"),
    CROPPED: say("cropped about its centre: %(image)s pixels, box %(box)s"),
    DECIMATED: say("decimated to fit its box: %(image)s pixels, box %(box)s"),
    TOO_LARGE: say("can't be printed as asked: %(image)s pixels, box %(box)s"),
}
"""As short as an Error Comment: 64 characters."""


def _reason(status: int, natural: tuple[int, int], area: Place) -> Words:
    image, box = f"{natural[0]} x {natural[1]}", f"{area.width} x {area.height}"
    return say(WHAT_WAS_DONE[status], image=image, box=box)
