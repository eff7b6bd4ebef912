"""Text of any script as a mask of coverage, and the mask laid into driving levels.

Each stretch of text is drawn in the first font that has its glyphs; right-to-left stretches stand in their visual order
(UAX #9 without explicit embeddings). A character no font has becomes a box.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, features

from appliance.film.fonts import Font, Fonts

CAP_HEIGHT = 0.714  # of an em: capital letters of Noto Sans
ASCENT, DESCENT = 1.55, 0.65  # of a capital's height: room above and below the baseline for all but stacked marks
ELLIPSIS = "\u2026"
_BOX = 0.7  # of an em: width of the box for a missing glyph
_MOST_CHARACTERS = 1024  # none so long fits; a peer may send megabytes
_HAS_RAQM = features.check("raqm")
_SHAPERS = frozenset((0x200C, 0x200D, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))  # joiners, variation selectors
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, kw_only=True)
class Lettering:
    """A line of text, drawn."""

    mask: NDArray[np.uint8]  # coverage 0..255, (rows, columns)
    baseline: int  # row of the mask the letters stand on
    missing: tuple[str, ...] = ()  # code points no font has, e.g. U+1F600
    is_cut: bool = False  # ends in an ellipsis


@dataclass(frozen=True)
class _Stretch:
    text: str
    font: Font | None  # None: no font has it
    is_right_to_left: bool


def letter(text: str, cap_height: float, fonts: Fonts) -> Lettering:
    """Draw one line of text; `cap_height` is that of a capital letter in pixels."""
    text = printable(text)
    stretches = list(_in_visual_order(text, fonts))
    size = cap_height / CAP_HEIGHT
    widths = [_width(stretch, size) for stretch in stretches]
    above, below = round(ASCENT * cap_height), round(DESCENT * cap_height)
    margin = round(size / 4) + 1  # letters may lean out of their advance
    image = Image.new("L", (int(sum(widths)) + 2 * margin + 1, above + below))
    draw = ImageDraw.Draw(image)
    at = float(margin)
    for stretch, width in zip(stretches, widths, strict=True):
        _draw(draw, at, above, stretch, size)
        at += width
    missing = {f"U+{ord(character):04X}" for s in stretches if s.font is None for character in s.text}
    mask = np.asarray(image)
    used = np.flatnonzero(mask.any(axis=0))
    mask = mask[:, used[0] : used[-1] + 1] if used.size else mask[:, :0]
    return Lettering(mask=mask, baseline=above, missing=tuple(sorted(missing)))


def fit(text: str, width: int, cap_height: float, smallest: float, fonts: Fonts) -> Lettering:
    """Draw one line no wider than `width` pixels: smaller if need be, down to `smallest`, then cut with an ellipsis."""
    text = printable(text)[:_MOST_CHARACTERS]
    drawn = letter(text, cap_height, fonts)
    if drawn.mask.shape[1] <= width:
        return drawn
    smaller = max(smallest, cap_height * width / drawn.mask.shape[1] * 0.98)
    drawn = letter(text, smaller, fonts)
    return drawn if drawn.mask.shape[1] <= width else _cut(text, width, smaller, fonts)


def _cut(text: str, width: int, cap_height: float, fonts: Fonts) -> Lettering:
    """The longest beginning of `text` that fits with an ellipsis, found by halving."""
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if letter(text[:middle] + ELLIPSIS, cap_height, fonts).mask.shape[1] <= width:
            fits = middle
        else:
            too_long = middle
    drawn = letter(text[:fits].rstrip() + ELLIPSIS, cap_height, fonts)
    return Lettering(mask=drawn.mask[:, : max(0, width)], baseline=drawn.baseline, missing=drawn.missing, is_cut=True)


def lay(canvas: NDArray[Any], mask: NDArray[np.uint8], top: int, left: int, level: int) -> None:
    """Blend `level` into the canvas where the mask covers it; what lies outside the canvas is left out.

    canvas: driving levels, (rows, columns) or (rows, columns, 3), changed in place.
    """
    rows = slice(max(0, top), min(canvas.shape[0], top + mask.shape[0]))
    columns = slice(max(0, left), min(canvas.shape[1], left + mask.shape[1]))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    part = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left].astype(np.int64)
    part = part if canvas.ndim == 2 else part[:, :, None]
    behind = canvas[rows, columns]
    canvas[rows, columns] = (behind * (255 - part) + level * part + 127) // 255


def lay_legibly(canvas: NDArray[Any], mask: NDArray[np.uint8], top: int, left: int, black: int, white: int) -> None:
    """Blend letters in whichever of the levels `black` and `white` stands out, with a rim where the ground is mixed."""
    behind = canvas[max(0, top) : top + mask.shape[0], max(0, left) : left + mask.shape[1]]
    if not behind.size or not mask.size:
        return
    is_bright = behind > (black + white) / 2
    share = float(is_bright.mean())
    level, other = (black, white) if share > 0.5 else (white, black)
    if min(share, 1 - share) > 0.02:
        reach = max(1, mask.shape[0] // 16)
        rim = cv2.copyMakeBorder(mask, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        lay(canvas, np.asarray(cv2.dilate(rim, disc), np.uint8), top - reach, left - reach, other)
    lay(canvas, mask, top, left, level)


def printable(text: str) -> str:
    """Text on one line: control characters become spaces, invisible formatting goes."""
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in unicodedata.normalize("NFC", text))
    shown = (c for c in kept if unicodedata.category(c) != "Cf" or ord(c) in _SHAPERS)
    return " ".join("".join(shown).split())


def _in_visual_order(text: str, fonts: Fonts) -> Iterator[_Stretch]:
    levels = directions(text)
    stretches: list[tuple[int, _Stretch]] = []
    for character, level in zip(text, levels, strict=True):
        last = stretches[-1] if stretches else None
        font = _font_for(character, text, fonts, last[1].font if last else None)
        if last and last[0] == level and last[1].font == font:
            stretches[-1] = level, _Stretch(last[1].text + character, font, level % 2 == 1)
        else:
            stretches.append((level, _Stretch(character, font, level % 2 == 1)))
    return iter(_reordered(stretches))


def _font_for(character: str, text: str, fonts: Fonts, before: Font | None) -> Font | None:
    """Spaces and marks stay in the font of what they follow where it has them; what only shapes always does."""
    if before is not None:
        if ord(character) in _SHAPERS:
            return before
        if (character == " " or unicodedata.category(character).startswith("M")) and before.has(character):
            return before
    return fonts.font_for(character, text)


def _reordered(stretches: list[tuple[int, _Stretch]]) -> list[_Stretch]:
    """UAX #9 rule L2: reverse every sequence at each level and above, from the highest down."""
    for level in range(max((level for level, _ in stretches), default=0), 0, -1):
        ordered: list[tuple[int, _Stretch]] = []
        group: list[tuple[int, _Stretch]] = []
        for item in stretches:
            if item[0] >= level:
                group.append(item)
            else:
                ordered += [*reversed(group), item]
                group = []
        stretches = ordered + group[::-1]
    return [stretch for _, stretch in stretches]


def directions(text: str) -> list[int]:
    """Embedding level of each character (UAX #9): even is left to right; the first letter sets the line's direction."""
    kinds = _resolved(text)
    base = next((1 if kind == "R" else 0 for kind in kinds if kind in ("L", "R")), 0)
    if "R" not in kinds:
        return [0] * len(kinds)
    levels = {"L": 2 * base, "R": 1, "N": 2}
    result: list[int] = []
    for at, kind in enumerate(kinds):
        if kind:
            result.append(levels[kind])
            continue
        before = next((k for k in reversed(kinds[:at]) if k), None)
        after = next((k for k in kinds[at:] if k), None)
        sides = {"L" if side == "L" else "R" if side else "LR"[base] for side in (before, after)}
        result.append(levels[sides.pop()] if len(sides) == 1 else base)
    return result


def _resolved(text: str) -> list[str]:
    """L, R, N (a number among right-to-left text) or "" (neutral) for each character (UAX #9 rules W1 to W7)."""
    kinds: list[str] = []
    strong = ""
    dates = {at for date in _DATE.finditer(text) for at in range(*date.span())}
    for at, character in enumerate(text):
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            strong = kind
            kinds.append("L" if kind == "L" else "R")
        elif kind in ("EN", "AN"):
            kinds.append("L" if kind == "EN" and strong == "L" else "N")
        elif kind == "NSM":
            kinds.append(kinds[-1] if kinds else "")
        else:
            # behind an Arabic name 2026-02-01 would read 01-02-2026: a date is kept together (HL3)
            kinds.append(kinds[-1] if at in dates else _between_numbers(text, at, kind, kinds, strong))
    return kinds


def _between_numbers(text: str, at: int, kind: str, kinds: list[str], strong: str) -> str:
    """A single separator between digits belongs to the number; a hyphen does not among Arabic (rule W4)."""
    joins = kind == "CS" or (kind == "ES" and strong != "AL")
    is_inside = 0 < at < len(text) - 1 and all(
        unicodedata.bidirectional(text[side]) in ("EN", "AN") for side in (at - 1, at + 1)
    )
    return kinds[-1] if joins and is_inside else ""


def _width(stretch: _Stretch, size: float) -> float:
    if stretch.font is None:
        return len(stretch.text) * _BOX * size
    return stretch.font.at(size).getlength(*_shaped(stretch))


def _shaped(stretch: _Stretch) -> tuple[Any, ...]:
    """Text, mode and direction as Pillow takes them; without Raqm letters aren't joined, but they stand in order."""
    if not _HAS_RAQM:
        return (stretch.text[::-1] if stretch.is_right_to_left else stretch.text,)
    return stretch.text, "L", "rtl" if stretch.is_right_to_left else "ltr"


def _draw(draw: ImageDraw.ImageDraw, left: float, baseline: int, stretch: _Stretch, size: float) -> None:
    if stretch.font is not None:
        text, *rest = _shaped(stretch)
        direction = rest[1] if rest else None
        draw.text((left, baseline), text, fill=255, font=stretch.font.at(size), anchor="ls", direction=direction)
        return
    pen = max(1, round(size / 14))
    for number in range(len(stretch.text)):
        start = left + (number + 0.1) * _BOX * size
        box = (start, baseline - CAP_HEIGHT * size, start + 0.8 * _BOX * size, baseline)
        draw.rectangle(box, outline=255, width=pen)
