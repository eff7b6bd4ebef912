"""The label of a disc: what stands where, in mm. layouts/labels.toml says the places, templates/label/ the words.

A line never leaves its block or the printable ring: it is drawn smaller, then cut. Patients and studies that have no
room are counted on the label ("and 8 more"); what was cut or had no room is told, for README.TXT.
:mod:`appliance.media.label_output` draws it as PDF and as pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from appliance.film.fonts import Fonts, default_fonts
from appliance.film.lettering import fit
from appliance.legible import finalized
from appliance.resources import shipped
from appliance.units import MILLIMETRES_PER_INCH

from .description import VolumeDescription, clock, day, line, person
from .label_barcode import Rectangle, bars
from .label_layout import Block, Layout
from .words import words

RESOLUTION = 600
"""Dots per inch the text is measured at."""
CAPITALS = {"!": (4.2, 1.9), "*": (2.5, 1.5), "": (2.5, 1.5), "-": (1.9, 1.3)}
"""Height of a capital letter by the line's mark, mm: wanted, smallest."""
HEADS = ("!", "*")
"""Marks of the first line of a patient or study, which stands whole on the label or is counted."""
LINE = 1.75
"""Distance of lines, in capital heights."""


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
    drawn = tuple(bar for one in layout.barcode for bar in bars(one, layout, line(volume.serial)))
    logo = Logo(path=volume.site.logo, **layout.logo) if volume.site.logo and layout.logo else None
    return Label(width=layout.width, height=layout.height, lines=tuple(lines), bars=drawn, logo=logo, rest=tuple(rest))


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
    block: Block,
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
    text: str, capital: float, least: float, top: float, block: Block, layout: Layout, fonts: Fonts
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
