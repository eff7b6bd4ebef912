"""The label of a disc: what stands where, in mm. layouts/labels.toml says the places, templates/label/ the words.

A line never leaves its block or the printable ring: it is drawn smaller, then cut. Patients and studies that have no
room are counted on the label ("and 8 more"); what was cut or had no room is told, for README.TXT.
:mod:`appliance.media.label_output` draws it as PDF and as pixels.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from reportlab.graphics.barcode import code128, qr

from appliance.errors import SettingError, UsageError
from appliance.film.fonts import Fonts, default_fonts
from appliance.film.lettering import fit
from appliance.legible import finalized
from appliance.resources import shipped
from appliance.units import MILLIMETRES_PER_INCH
from appliance.words import say

from .description import VolumeDescription, clock, day, line, person
from .words import words

RESOLUTION = 600
"""Dots per inch the text is measured at."""
GAP = 0.6
"""mm kept free of the ring's edges: printers are not exact."""
CAPITALS = {"!": (4.2, 1.9), "*": (2.5, 1.5), "": (2.5, 1.5), "-": (1.9, 1.3)}
"""Height of a capital letter by the line's mark, mm: wanted, smallest."""
HEADS = ("!", "*")
"""Marks of the first line of a patient or study, which stands whole on the label or is counted."""
LINE = 1.75
"""Distance of lines, in capital heights."""
QUIET = 10
"""Modules kept free on each side of Code 128 (ISO/IEC 15417); a QR code has four."""


@dataclass(frozen=True, kw_only=True)
class TextLine:
    """A line of text; `left` and `baseline` are those of its ink."""

    text: str
    left: float
    baseline: float
    width: float
    capital: float  # height of a capital letter
    is_cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """A bar or module of a barcode, black."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Logo:
    """The site's picture, kept in proportion in its box."""

    path: Path
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Label:
    """All that is printed on one label."""

    width: float
    height: float
    lines: tuple[TextLine, ...]
    bars: tuple[Rectangle, ...] = ()
    logo: Logo | None = None
    rest: tuple[str, ...] = ()  # lines that were cut or had no room


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A place for lines."""

    template: str
    top: float
    bottom: float
    left: float = 0.0  # mm kept free at the left, in addition to the shape's edge
    right: float = 0.0
    side: str = "full"
    align: str = "left"


@dataclass(frozen=True, kw_only=True)
class _Barcode:
    kind: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One layout of labels.toml."""

    shape: str
    width: float
    height: float
    inner: float = 0.0
    outer: float = 0.0
    margin: float = 3.0
    logo: dict[str, float] | None = None
    text: tuple[_Block, ...] = ()
    barcode: tuple[_Barcode, ...] = field(default=())

    def span(self, block: _Block, top: float, bottom: float) -> tuple[float, float]:
        """From where to where a line between `top` and `bottom` may reach."""
        if self.shape == "disc":
            left, right = self._ring(block.side, top, bottom)
        else:
            middle = self.width / 2
            left = middle if block.side == "right" else self.margin
            right = middle if block.side == "left" else self.width - self.margin
        return left + block.left, right - block.right

    def _ring(self, side: str, top: float, bottom: float) -> tuple[float, float]:
        middle = self.width / 2
        above, below = top - self.height / 2, bottom - self.height / 2
        half = _chord(self.outer / 2 - GAP, max(abs(above), abs(below)))
        nearest = 0.0 if above < 0 < below else min(abs(above), abs(below))
        hole = _chord(self.inner / 2 + GAP, nearest)
        if side == "left" or (side == "full" and hole > 0):
            return middle - half, middle - hole
        return (middle + hole if side == "right" else middle - half), middle + half

    def holds(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether a rectangle lies wholly where may be printed."""
        if self.shape != "disc":
            return left >= 0 and right <= self.width and top >= 0 and bottom <= self.height
        x, y = self.width / 2, self.height / 2
        far = max(math.hypot(a - x, b - y) for a in (left, right) for b in (top, bottom))
        near = math.hypot(max(left - x, 0, x - right), max(top - y, 0, y - bottom))
        return far <= self.outer / 2 and near >= self.inner / 2


def _chord(radius: float, height: float) -> float:
    return math.sqrt(max(0.0, radius * radius - height * height))


def layouts(folder: Path | None = None) -> dict[str, Layout]:
    """Layouts by name: the shipped ones, and a site's ``labels.toml`` in `folder` before them."""
    found: dict[str, Any] = {}
    for path in (shipped("layouts") / "labels.toml", *([folder / "labels.toml"] if folder else [])):
        if path.is_file():
            found |= _read(path)
    return {name: _layout(name, values) for name, values in found.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingError(say("layout file %(path)s: %(why)s", path=path, why=error)) from error


def _layout(name: str, values: dict[str, Any]) -> Layout:
    try:
        text = tuple(_Block(**block) for block in values.pop("text", ()))
        barcode = tuple(_Barcode(**one) for one in values.pop("barcode", ()))
        return Layout(**values, text=text, barcode=barcode)
    except (TypeError, AttributeError) as error:
        raise UsageError(say("Label layout %(name)s: %(why)s", name=name, why=error), field="layout") from None


def label(
    volume: VolumeDescription, layout: Layout, *, language: str = "en", web: bool = True, fonts: Fonts | None = None
) -> Label:
    """Lay out the label of a disc. Raises UsageError when the layout's barcode lies where nothing can be printed."""
    fonts = fonts or default_fonts()
    lines: list[TextLine] = []
    rest: list[str] = []
    context = {"volume": volume, "site": volume.site, "patients": volume.patients, "words": words(language), "web": web}
    for block in layout.text:
        more = words(language)["more_on_disc"]
        wanted, left_over = _chosen(_lines(block.template, context), (block.bottom - block.top) / LINE, more)
        _set(block, layout, wanted, fonts, lines, rest)
        rest += left_over
    bars = tuple(bar for one in layout.barcode for bar in _bars(one, layout, line(volume.serial)))
    logo = Logo(path=volume.site.logo, **layout.logo) if volume.site.logo and layout.logo else None
    return Label(width=layout.width, height=layout.height, lines=tuple(lines), bars=bars, logo=logo, rest=tuple(rest))


def _lines(template: str, context: dict[str, Any]) -> list[tuple[str, str]]:
    """(mark, text) of each line that has text."""
    rendered = _environment().get_template(template).render(context).splitlines()
    parted = [(one[0], one[2:]) if one[:2] in ("! ", "* ", "- ") else ("", one) for one in map(str.strip, rendered)]
    return [(mark, text.strip()) for mark, text in parted if text.strip(" -!*")]


def _chosen(wanted: list[tuple[str, str]], room: float, more: str) -> tuple[list[tuple[str, str]], list[str]]:
    """The lines for `room` mm of capitals, whole patients and studies, and what is left over, counted in a line."""
    if _least(wanted) <= room:
        return wanted, []
    room -= CAPITALS["-"][1]
    ends = [at for at, (mark, _) in enumerate(wanted) if mark in HEADS]
    end = max((at for at in ends if _least(wanted[:at]) <= room), default=0)
    if not ends or not end and ends[0]:
        return wanted, []  # nothing to be counted: lines go as far as they go
    count = sum(mark in HEADS for mark, _ in wanted[end:])
    return [*wanted[:end], ("-", more.format(count=count))], [text for _, text in wanted[end:]]


def _least(wanted: list[tuple[str, str]]) -> float:
    return sum(CAPITALS[mark][1] for mark, _ in wanted)


def _set(
    block: _Block,
    layout: Layout,
    wanted: list[tuple[str, str]],
    fonts: Fonts,
    lines: list[TextLine],
    rest: list[str],
) -> None:
    """Set a block's lines from its top down; all of them smaller when they are too many."""
    least_of_all = _least(wanted)
    slack = sum(CAPITALS[mark][0] for mark, _ in wanted) - least_of_all
    room = (block.bottom - block.top) / LINE - least_of_all
    ease = min(1.0, max(0.0, room / slack)) if slack else 1.0
    top = block.top
    for mark, text in wanted:
        most, least = CAPITALS[mark]
        capital = least + (most - least) * ease
        if top + capital * LINE > block.bottom + 0.01:
            rest.append(text)
            continue
        made = _fitted(text, capital, least, top, block, layout, fonts)
        top += capital * LINE
        if made is None or made.is_cut:
            rest.append(text)
        if made is not None:
            lines.append(made)


def _fitted(
    text: str, capital: float, least: float, top: float, block: _Block, layout: Layout, fonts: Fonts
) -> TextLine | None:
    scale = RESOLUTION / MILLIMETRES_PER_INCH
    left, right = layout.span(block, top, top + capital * LINE)
    if right - left < 4 * least:
        return None
    made = fit(text, int((right - left) * scale), capital * scale, least * scale, fonts)
    # the line may have become smaller: the baseline tells how much
    used = min(capital, made.baseline / 1.55 / scale)
    width = made.mask.shape[1] / scale
    slack = {"left": 0.0, "center": 0.5, "right": 1.0}[block.align] * (right - left - width)
    shown = _as_cut(text, made.is_cut, made.mask.shape[1], used * scale, fonts)
    return TextLine(
        text=shown, left=left + slack, baseline=top + capital * 1.25, width=width, capital=used, is_cut=made.is_cut
    )


def _as_cut(text: str, is_cut: bool, width: int, capital: float, fonts: Fonts) -> str:
    """The text as `fit` cut it, so that both outputs draw the same letters."""
    if not is_cut:
        return text
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        cut = fit(text[:middle].rstrip() + "…", width + 2, capital, capital, fonts).is_cut
        low, high = (low, middle) if cut else (middle, high)
    return text[:low].rstrip() + "…"


def _bars(one: _Barcode, layout: Layout, value: str) -> Iterator[Rectangle]:
    if not value:
        return
    if not layout.holds(one.left, one.top, one.left + one.width, one.top + one.height):
        raise UsageError(
            say("The %(kind)s barcode of the label lies where nothing can be printed", kind=one.kind), field="layout"
        )
    if one.kind == "qr":
        yield from _qr(one, value)
    elif one.kind == "code128":
        yield from _code128(one, value)
    else:
        raise UsageError(say("Labels have barcodes qr and code128, not %(kind)s", kind=one.kind), field="layout")


def _qr(one: _Barcode, value: str) -> Iterator[Rectangle]:
    """QR code (ISO/IEC 18004), level M, runs of dark modules as one rectangle."""
    code = qr.QrCodeWidget(value, barLevel="M").qr
    code.make()
    count = code.getModuleCount()
    module = min(one.width, one.height) / (count + 8)
    for row in range(count):
        start = None
        for column in range(count + 1):
            dark = column < count and bool(code.modules[row][column])
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                left, top = one.left + (start + 4) * module, one.top + (row + 4) * module
                yield Rectangle(left=left, top=top, width=(column - start) * module, height=module)
                start = None


def _code128(one: _Barcode, value: str) -> Iterator[Rectangle]:
    """Code 128 (ISO/IEC 15417)."""
    code = code128.Code128(value, quiet=0)
    code.validate()
    code.encode()
    code.decompose()
    # a letter is an element: its case tells bar from space, its place in the alphabet the width in modules
    widths = [(each.isupper(), ord(each.lower()) - ord("a") + 1) for each in code.decomposed]
    module = one.width / (sum(width for _, width in widths) + 2 * QUIET)
    at = one.left + QUIET * module
    for is_bar, width in widths:
        if is_bar:
            yield Rectangle(left=at, top=one.top, width=width * module, height=one.height)
        at += width * module


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped("templates") / "label"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalized,
    )
    environment.filters.update(line=line, person=person, day=day, clock=clock)
    return environment
