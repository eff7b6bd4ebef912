"""A label drawn: as PDF for label and paper printers, as pixels (PNG, JPEG, BMP) for robots."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from appliance.errors import UsageError
from appliance.film.fonts import Fonts, default_fonts
from appliance.film.lettering import CAP_HEIGHT, directions, letter
from appliance.resources import shipped
from appliance.units import MILLIMETRES_PER_INCH, pixels, points
from appliance.words import say

from .label import RESOLUTION, Label, Logo, TextLine

FORMATS = {"png": "PNG", "jpeg": "JPEG", "bmp": "BMP"}
FONT = "NotoSans"
LARGEST_LOGO = 40_000_000
"""Pixels of a logo."""


def label_image(label: Label, resolution: int = RESOLUTION, fonts: Fonts | None = None) -> Image.Image:
    """The label as RGB pixels at `resolution` dpi, black on white."""
    fonts = fonts or default_fonts()
    size = pixels(label.width, resolution), pixels(label.height, resolution)
    image = Image.new("RGB", size, "white")
    if label.logo is not None:
        left, top, width, height = _placed(label.logo, logo := _logo(label.logo))
        logo = logo.resize((max(1, pixels(width, resolution)), max(1, pixels(height, resolution))))
        image.paste(logo, (pixels(left, resolution), pixels(top, resolution)))
    for bar in label.bars:
        # edges are rounded, not widths: bars must neither overlap nor drift
        left, top = pixels(bar.left, resolution), pixels(bar.top, resolution)
        right, bottom = pixels(bar.left + bar.width, resolution), pixels(bar.top + bar.height, resolution)
        image.paste("black", (left, top, right, bottom))
    for line in label.lines:
        drawn = letter(line.text, line.capital * resolution / MILLIMETRES_PER_INCH, fonts)
        at = pixels(line.left, resolution), pixels(line.baseline, resolution) - drawn.baseline
        image.paste("black", at, Image.fromarray(drawn.mask))
    return image


def label_file(label: Label, kind: str, resolution: int = RESOLUTION) -> bytes:
    """The label as a file of the given kind: pdf, png, jpeg or bmp."""
    if kind == "pdf":
        return label_pdf(label)
    if kind not in FORMATS:
        raise UsageError(
            say("Labels are made as pdf, %(formats)s, not as %(kind)s", formats=", ".join(FORMATS), kind=kind),
            field="label",
        )
    out = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "jpeg" else {}
    label_image(label, resolution).save(out, FORMATS[kind], dpi=(resolution, resolution), **options)
    return out.getvalue()


def label_pdf(label: Label, fonts: Fonts | None = None) -> bytes:
    """The label as a PDF of one page of its own size; text that Noto Sans has is text, any other script a picture."""
    fonts = fonts or default_fonts()
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(points(label.width), points(label.height)), pageCompression=1, invariant=1)
    canvas.setTitle("Disc label")
    if label.logo is not None:
        left, top, width, height = _placed(label.logo, logo := _logo(label.logo))
        bottom = points(label.height - top - height)
        canvas.drawImage(ImageReader(logo), points(left), bottom, points(width), points(height))
    for bar in label.bars:
        bottom = points(label.height - bar.top - bar.height)
        canvas.rect(points(bar.left), bottom, points(bar.width), points(bar.height), stroke=0, fill=1)
    for line in label.lines:
        _write(canvas, line, label.height, fonts)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _write(canvas: Canvas, line: TextLine, height: float, fonts: Fonts) -> None:
    if _is_plain(line.text, fonts):
        size = points(line.capital / CAP_HEIGHT)
        before, after = _bearings(line.text, fonts)
        ink = pdfmetrics.stringWidth(line.text, pdf_font(), size) - (before + after) * size
        stretch = points(line.width) / max(0.01, ink)  # the other output kerns
        text = canvas.beginText(points(line.left) - before * size * stretch, points(height - line.baseline))
        text.setFont(FONT, size)
        text.setHorizScale(100 * stretch)
        text.textOut(line.text)
        canvas.drawText(text)
        return
    drawn = letter(line.text, line.capital * RESOLUTION / MILLIMETRES_PER_INCH, fonts)
    scale = MILLIMETRES_PER_INCH / RESOLUTION
    rows, columns = drawn.mask.shape
    picture = Image.fromarray(np.asarray(255 - drawn.mask, np.uint8))
    bottom = points(height - line.baseline - (rows - drawn.baseline) * scale)
    canvas.drawImage(ImageReader(picture), points(line.left), bottom, points(columns * scale), points(rows * scale))


def _bearings(text: str, fonts: Fonts) -> tuple[float, float]:
    """Empty room before and after the ink, in ems."""
    found = fonts.font_for(text[0], text)
    if found is None:
        return 0.0, 0.0
    font = found.at(1000)
    ink = font.getmask(text).getbbox()
    return (ink[0] / 1000, (font.getlength(text) - ink[2]) / 1000) if ink else (0.0, 0.0)


def _is_plain(text: str, fonts: Fonts) -> bool:
    """Whether PDF text in the shipped font looks right: its glyphs are there, nothing is shaped or turned about."""
    shipped_font = shipped("layouts") / "fonts"
    found = [fonts.font_for(character, text) for character in text]
    simple = all(ord(character) < 0x0590 and not 0x0300 <= ord(character) < 0x0370 or 0x2010 <= ord(character) < 0x2100
                 for character in text)  # fmt: skip
    return (
        simple
        and all(one is not None and one.path.parent == shipped_font for one in found)
        and not any(directions(text))
    )


def pdf_font() -> str:
    """The shipped font's name in a PDF."""
    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont(FONT, str(shipped("layouts") / "fonts" / "NotoSans-Regular.ttf")))
    return FONT


def _logo(logo: Logo) -> Image.Image:
    try:
        with Image.open(logo.path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > LARGEST_LOGO:
                raise UsageError(
                    say(
                        "The logo %(path)s is larger than %(largest_logo)s pixels",
                        path=logo.path.name,
                        largest_logo=f"{LARGEST_LOGO:,}",
                    ),
                    field="logo",
                )
            turned = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(
            say("The logo %(path)s can't be read as PNG or JPEG", path=logo.path.name), field="logo"
        ) from error
    white = Image.new("RGB", turned.size, "white")
    white.paste(turned, mask=turned.getchannel("A"))
    return white


def _placed(logo: Logo, image: Image.Image) -> tuple[float, float, float, float]:
    """Left, top, width and height of the logo, in proportion in the middle of its box."""
    scale = min(logo.width / image.width, logo.height / image.height)
    width, height = image.width * scale, image.height * scale
    return logo.left + (logo.width - width) / 2, logo.top + (logo.height - height) / 2, width, height
