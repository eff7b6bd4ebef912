"""What stands where on a label, in mm: layouts/labels.toml, and a site's own before it."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.errors import SettingError, UsageError
from appliance.resources import shipped
from appliance.words import say

GAP = 0.6
"""mm kept free of the ring's edges: printers are not exact."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A place for lines."""

    template: str
    top: float
    bottom: float
    left: float = 0.0  # mm kept free at the left, in addition to the shape's edge
    right: float = 0.0
    side: str = "full"
    align: str = "left"


@dataclass(frozen=True, kw_only=True)
class Barcode:
    """A place for a barcode: qr or code128."""

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
    text: tuple[Block, ...] = ()
    barcode: tuple[Barcode, ...] = field(default=())

    def span(self, block: Block, top: float, bottom: float) -> tuple[float, float]:
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


def layout_named(name: str, folder: Path | None = None) -> Layout:
    """One of them. Raises UsageError."""
    found = layouts(folder)
    if name not in found:
        text = say("There is no label layout %(name)s; there are %(known)s.", name=name, known=", ".join(found))
        raise UsageError(text, field="label_layout")
    return found[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingError(say("layout file %(path)s: %(why)s", path=path, why=error)) from error


def _layout(name: str, values: dict[str, Any]) -> Layout:
    try:
        text = tuple(Block(**block) for block in values.pop("text", ()))
        barcode = tuple(Barcode(**one) for one in values.pop("barcode", ()))
        return Layout(**values, text=text, barcode=barcode)
    except (TypeError, AttributeError) as error:
        raise UsageError(say("Label layout %(name)s: %(why)s", name=name, why=error), field="layout") from None
