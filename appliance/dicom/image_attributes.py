"""The image of an image box: its item checked against what arrived, before anything is allocated (PS3.3 C.13.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydicom.dataset import Dataset

from appliance.dicom.answering import INVALID_VALUE, MISSING_ATTRIBUTE, MISSING_VALUE, VALUE_OUT_OF_RANGE, StatusError
from appliance.dicom.capabilities import Capabilities
from appliance.dicom.domains import joined, term
from appliance.dicom.film_attributes import Reading, sent_value
from appliance.film.boxes import Image, PixelReference

NARROWEST_PIXEL = 100
"""Pixel Aspect Ratios beyond 1:100 are no ratio of an imager."""

STRICT_GRAY = {(8, 8, 7), (16, 12, 11)}
"""(Bits Allocated, Bits Stored, High Bit) by tables H.4-11 and C.13.5."""

COLOR_BITS = {(8, 8, 7)}


@dataclass(frozen=True)
class Rule:
    """What one attribute of the image item may be."""

    good: Callable[[int], bool]
    words: str


# PS3.3 C.13.5, sizes; the bits are checked together afterwards.
SIZES = {
    "Rows": Rule(lambda value: 1 <= value <= 65535, "1 .. 65535"),
    "Columns": Rule(lambda value: 1 <= value <= 65535, "1 .. 65535"),
    "BitsAllocated": Rule(lambda value: value in (8, 16), "8 or 16"),
    "BitsStored": Rule(lambda value: 8 <= value <= 16, "8 .. 16"),
    "HighBit": Rule(lambda value: 7 <= value <= 15, "7 .. 15"),
    "PixelRepresentation": Rule(lambda value: value in (0, 1), "0 or 1"),
}


# PS3.3 C.13.5, for the conformance statement: keyword -> grayscale, colour
IMAGE_VALUES = {
    "SamplesPerPixel": ("1", "3"),
    "PhotometricInterpretation": ("MONOCHROME1, MONOCHROME2", "RGB"),
    "PlanarConfiguration": ("not read", "0, 1"),
    **{keyword: (rule.words, rule.words) for keyword, rule in SIZES.items()},
    "BitsAllocated": ("8, 16", "8"),
    "BitsStored": ("8 .. 16; strict: 8 in 8, 12 in 16", "8"),
    "HighBit": ("Bits Stored - 1 .. Bits Allocated - 1; strict: Bits Stored - 1", "7"),
    "PixelRepresentation": ("0, 1; strict: 0", "0"),
    "PixelAspectRatio": ("1:100 .. 100:1; else 0116 and 1:1, strict: 0106", "the same"),
    "PixelData": ("uncompressed, as long as Rows, Columns and bits ask, one pad byte more at odd lengths", "the same"),
}


def read_image(item: Dataset, pixels: PixelReference | None, color: bool, can: Capabilities, reading: Reading) -> Image:
    """One item of the image sequence as an Image. Raises StatusError (0106, 0120, 0121)."""
    _whole(item, "SamplesPerPixel", Rule(lambda value: value == (3 if color else 1), "3" if color else "1"))
    photometric = _photometric(item, color)
    size = {keyword: _whole(item, keyword, rule) for keyword, rule in SIZES.items()}
    planar = _whole(item, "PlanarConfiguration", Rule(lambda value: value in (0, 1), "0 or 1")) if color else 0
    if pixels is None:
        raise StatusError(MISSING_ATTRIBUTE, "PixelData is missing", ("PixelData",))
    image = Image(
        SamplesPerPixel=3 if color else 1,
        PhotometricInterpretation=photometric,
        PlanarConfiguration=planar,
        PixelAspectRatio=_aspect_ratio(item, can, reading),
        pixels=pixels,
        **size,
    )
    _check_bits(image, can)
    _check_length(image)
    return image


def _required(item: Dataset, keyword: str) -> object:
    value = sent_value(item, keyword)
    if value is None:
        raise StatusError(MISSING_ATTRIBUTE, f"{keyword} is missing", (keyword,))
    if value == "":
        raise StatusError(MISSING_VALUE, f"{keyword} is empty", (keyword,))
    return value


def _whole(item: Dataset, keyword: str, rule: Rule) -> int:
    value = _required(item, keyword)
    if not isinstance(value, int) or not rule.good(value):
        raise StatusError(INVALID_VALUE, f"{keyword} is {str(value)[:20]}, not {rule.words}", (keyword,))
    return int(value)


def _photometric(item: Dataset, color: bool) -> str:
    known = ("RGB",) if color else ("MONOCHROME1", "MONOCHROME2")
    value = term(_required(item, "PhotometricInterpretation"))
    if value not in known:
        words = f"Photometric Interpretation is {value[:20]!r}, not {' or '.join(known)}"
        raise StatusError(INVALID_VALUE, words, ("PhotometricInterpretation",))
    return value


def _aspect_ratio(item: Dataset, can: Capabilities, reading: Reading) -> tuple[int, int]:
    value = sent_value(item, "PixelAspectRatio")
    if value in (None, ""):
        return (1, 1)
    try:
        vertical, horizontal = (int(part) for part in joined(value).split("\\"))
        if not 1 / NARROWEST_PIXEL <= vertical / horizontal <= NARROWEST_PIXEL or horizontal < 1:
            raise ValueError
    except (ValueError, ZeroDivisionError):
        words = f"PixelAspectRatio is {joined(value)[:20]!r}"
        if can.strict:
            raise StatusError(INVALID_VALUE, words, ("PixelAspectRatio",)) from None
        reading.warn(VALUE_OUT_OF_RANGE, "PixelAspectRatio", words + ", 1:1 used")
        return (1, 1)
    return vertical, horizontal


def _check_bits(image: Image, can: Capabilities) -> None:
    bits = (image.BitsAllocated, image.BitsStored, image.HighBit)
    words = f"{image.BitsStored} bits in {image.BitsAllocated}, high bit {image.HighBit}"
    if image.BitsStored > image.BitsAllocated:
        raise StatusError(INVALID_VALUE, words, ("BitsStored",))
    if not image.BitsStored - 1 <= image.HighBit < image.BitsAllocated:
        raise StatusError(INVALID_VALUE, words, ("HighBit",))
    if image.SamplesPerPixel == 3 and bits not in COLOR_BITS:
        raise StatusError(INVALID_VALUE, f"{words}; colour is 8 in 8", ("BitsStored",))
    if can.strict and image.SamplesPerPixel == 1 and bits not in STRICT_GRAY:
        raise StatusError(INVALID_VALUE, f"{words}; 8 in 8 or 12 in 16 by the standard", ("BitsStored",))
    if image.PixelRepresentation and (can.strict or image.SamplesPerPixel == 3):
        raise StatusError(INVALID_VALUE, "signed pixels", ("PixelRepresentation",))


def _check_length(image: Image) -> None:
    wanted = image.Rows * image.Columns * image.SamplesPerPixel * (image.BitsAllocated // 8)
    sent = image.pixels.length
    if sent == 0:
        raise StatusError(MISSING_VALUE, "PixelData is empty", ("PixelData",))
    if not wanted <= sent <= wanted + wanted % 2:
        raise StatusError(INVALID_VALUE, f"PixelData has {sent} bytes, {wanted} are needed", ("PixelData",))
