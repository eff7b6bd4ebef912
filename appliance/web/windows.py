"""Windows an image may be looked at through: its own, its whole range, and those people know by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

HOUNSFIELD: tuple[tuple[LazyString, int, int], ...] = (
    (_("Soft tissue"), 40, 400),
    (_("Lung"), -600, 1500),
    (_("Bone"), 400, 1800),
    (_("Brain"), 40, 80),
    (_("Liver"), 60, 160),
)
"""Center and width in Hounsfield units, as usual for CT."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A window by name, in modality units."""

    name: str
    center: float
    width: float


def as_sent(windows: Mapping[str, Any]) -> Choice | None:
    """The window an image is shown in where nobody chose one; None for color."""
    own = _own(windows)
    return own[0] if own else _whole(windows)


def choices(windows: Mapping[str, Any], modality: str) -> list[Choice]:
    """What a person may pick from besides the window as sent: the image's further ones, its kind's, its range."""
    named = [Choice(name=str(name), center=center, width=width) for name, center, width in HOUNSFIELD]
    whole = _whole(windows)
    if whole is None:
        return []
    own = _own(windows)
    of_its_kind = named if modality == "CT" or windows.get("unit") == "HU" else []
    return [*own[1:], *of_its_kind, *([whole] if own else [])]


def chosen(center: float | None, width: float | None, windows: Mapping[str, Any]) -> Choice | None:
    """What a person asked for; None where that is nothing, or what the image is shown in anyway."""
    if center is None or width is None or width <= 0:
        return None
    usual = as_sent(windows)
    same = usual is not None and (shown(usual.center), shown(usual.width)) == (shown(center), shown(width))
    return None if same else Choice(name="", center=center, width=width)


def shown(value: float) -> float:
    """A number as it stands in a field: whole where that is near enough."""
    return round(value) if abs(value) >= 100 or value == round(value) else round(value, 2)


def _own(windows: Mapping[str, Any]) -> list[Choice]:
    told = windows.get("tones") or []
    return [
        Choice(
            name=tone["name"] or gettext("Window %(number)s", number=number),
            center=tone["center"],
            width=tone["width"],
        )
        for number, tone in enumerate(told, start=1)
    ]


def _whole(windows: Mapping[str, Any]) -> Choice | None:
    span = windows.get("range")
    return Choice(name=gettext("Whole range"), center=span["center"], width=span["width"]) if span else None
