"""Curves as SVG: plain shapes with classes that app.css colours, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve, or dots."""

    x: Any  # numbers, as many as y
    y: Any
    kind: str  # class in app.css: line-1, line-2, line-3, dots


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What the axes say, and their ends."""

    x_title: str
    y_title: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_format: str = ".0f"
    y_format: str = ".1f"
    x_ticks: int = 5
    y_ticks: int = 4


def draw(axes: Axes, lines: Iterable[Line], title: str) -> Markup:
    """An SVG element to stand in a page."""
    parts = [Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, title)]
    parts += _grid(axes)
    parts += [_line(axes, line) for line in lines]
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def _grid(axes: Axes) -> list[Markup]:
    parts = []
    for x in _steps(axes.x, axes.x_ticks):
        px, _ = _place(axes, x, axes.y[0])
        parts.append(Markup('<path class="grid" d="M{:.1f} {}V{}"/>').format(px, TOP, HEIGHT - BOTTOM))
        parts.append(_text(px, HEIGHT - BOTTOM + 15, format(x, axes.x_format), "middle"))
    for y in _steps(axes.y, axes.y_ticks):
        _, py = _place(axes, axes.x[0], y)
        parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, py, WIDTH - RIGHT))
        parts.append(_text(LEFT - 6, py + 4, format(y, axes.y_format), "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, axes.x_title, "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = Markup('<text transform="translate(13 {:.0f}) rotate(-90)" text-anchor="middle">{}</text>')
    return [*parts, turned.format(middle, axes.y_title)]


def _steps(ends: tuple[float, float], ticks: int) -> list[float]:
    return [ends[0] + (ends[1] - ends[0]) * step / ticks for step in range(ticks + 1)]


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _line(axes: Axes, line: Line) -> Markup:
    places = [_place(axes, float(x), float(y)) for x, y in zip(line.x, line.y, strict=True)]
    if line.kind == "dots":
        dots = [Markup('<circle class="dots" cx="{:.1f}" cy="{:.1f}" r="3.2"/>').format(x, y) for x, y in places]
        return Markup("").join(dots)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return Markup('<polyline class="{}" points="{}"/>').format(line.kind, points)


def _place(axes: Axes, x: float, y: float) -> tuple[float, float]:
    across = (x - axes.x[0]) / (axes.x[1] - axes.x[0])
    up = (y - axes.y[0]) / (axes.y[1] - axes.y[0])
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - min(1.02, max(-0.02, up)) * (HEIGHT - TOP - BOTTOM)
