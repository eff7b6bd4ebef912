"""Film sizes and layouts, read from TOML: the shipped ones and a site's own, which win.

Tables read from every ``*.toml`` of a folder: ``film_sizes``, ``slides``, ``custom``. Others (annotations, labels) have
readers of their own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from appliance.errors import NotFoundError, SettingError
from appliance.resources import shipped
from appliance.words import say

SAME_MM = 1.0  # sheets this near to a film size are of that size
TOUCH = 1e-4  # boxes may overlap by this much: fractions are written with few digits

Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True)
class FilmSize:
    """A Film Size ID in millimetres, portrait."""

    width_mm: float
    height_mm: float
    aliases: tuple[str, ...] = ()  # other names peers send for it


@dataclass(frozen=True, kw_only=True)
class Slides:
    """Boxes the size of a slide."""

    width_mm: float
    height_mm: float
    pitch_mm: float  # from slide to slide, both ways
    grids: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # Film Size ID -> columns, rows in portrait


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box of a custom layout, from the top left corner of the printable area as the film is held."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class CustomLayout:
    """CUSTOM\\i: boxes in the order of their positions."""

    boxes: tuple[Box, ...]
    unit: str = "fraction"  # fraction (of the printable area), mm
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """All film sizes and layouts an appliance knows."""

    film_sizes: Mapping[str, FilmSize]  # by Film Size ID
    slides: Mapping[str, Slides]  # SLIDE, SUPERSLIDE
    custom: Mapping[int, CustomLayout]  # by the number after CUSTOM\

    def film_size_id(self, name: str) -> str | None:
        """The Film Size ID meant by `name` (itself, or an alias; spaces and small letters are forgiven), else None."""
        wanted = name.strip(" \0").upper().replace(" ", "")
        if wanted in self.film_sizes:
            return wanted
        return next((key for key, size in self.film_sizes.items() if wanted in size.aliases), None)

    def film_size(self, name: str) -> FilmSize:
        """The size meant by `name`. Raises NotFoundError that names those known."""
        key = self.film_size_id(name)
        if key is None:
            raise NotFoundError(
                say(
                    "film size %(name)s is not known; known are %(film_sizes)s",
                    name=repr(name),
                    film_sizes=", ".join(self.film_sizes),
                )
            )
        return self.film_sizes[key]

    def size_of_sheet(self, width_mm: float, height_mm: float) -> str | None:
        """The Film Size ID of a sheet that measures (about) this much, else None."""
        for key, size in self.film_sizes.items():
            if abs(size.width_mm - width_mm) <= SAME_MM and abs(size.height_mm - height_mm) <= SAME_MM:
                return key
        return None


@lru_cache(maxsize=1)
def shipped_catalog() -> Catalog:
    """The catalog of the shipped layouts alone."""
    return load()


def load(*sites: Path) -> Catalog:
    """The shipped layouts, and those in the folders `sites` over them. A site folder may be missing.

    Raises SettingError that names file and table.
    """
    tables: dict[str, dict[str, Any]] = {"film_sizes": {}, "slides": {}, "custom": {}}
    for path in (path for folder in (shipped("layouts"), *sites) for path in sorted(folder.glob("*.toml"))):
        _read_file(path, tables)
    return Catalog(
        film_sizes=MappingProxyType(tables["film_sizes"]),
        slides=MappingProxyType(tables["slides"]),
        custom=MappingProxyType({int(key): layout for key, layout in tables["custom"].items()}),
    )


def _read_file(path: Path, tables: dict[str, dict[str, Any]]) -> None:
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        for name, make in READERS.items():
            for key, values in read.get(name, {}).items():
                tables[name][key] = _named(f"[{name}.{key}]", make, key, values)
    except (SettingError, ValueError, AttributeError) as error:  # no TOML, no UTF-8, tables of another shape
        raise SettingError(say("layout file %(path)s: %(why)s", path=path, why=error)) from error


def _named(where: str, make: Any, key: str, values: Any) -> Any:
    try:
        return make(key, values)
    except (SettingError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise SettingError(f"{where}: {error}") from error


def _make(kind: type[Kind], values: Mapping[str, Any]) -> Kind:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in names:
            raise SettingError(
                say("%(key)s is not known; known are %(names)s", key=repr(key), names=", ".join(sorted(names)))
            )
    return kind(**values)


def _film_size(key: str, values: Mapping[str, Any]) -> FilmSize:
    aliases = tuple(name.upper() for name in values.get("aliases", ()))
    size = _make(FilmSize, {**values, "aliases": aliases})
    _positive(size.width_mm, size.height_mm)
    return size


def _slides(key: str, values: Mapping[str, Any]) -> Slides:
    grids = {name: (int(grid[0]), int(grid[1])) for name, grid in values.get("grids", {}).items()}
    slides = _make(Slides, {**values, "grids": grids})
    _positive(slides.width_mm, slides.height_mm, slides.pitch_mm, *(n for grid in grids.values() for n in grid))
    return slides


def _custom(key: str, values: Mapping[str, Any]) -> CustomLayout:
    if not key.isdecimal() or int(key) < 1:
        raise SettingError(say("the name of a custom layout is a number from 1"))
    layout = _make(CustomLayout, {**values, "boxes": tuple(_make(Box, box) for box in values["boxes"])})
    if layout.unit not in ("fraction", "mm") or not layout.boxes:
        raise SettingError(say('unit is "fraction" or "mm", and there is at least one box'))
    for number, box in enumerate(layout.boxes, 1):
        _check_box(layout, number, box)
    return layout


def _check_box(layout: CustomLayout, number: int, box: Box) -> None:
    _positive(box.width, box.height)
    outside = layout.unit == "fraction" and max(box.left + box.width, box.top + box.height) > 1 + TOUCH
    if outside or min(box.left, box.top) < 0:
        raise SettingError(say("box %(number)s lies outside the film", number=number))
    for other, earlier in enumerate(layout.boxes[: number - 1], 1):
        if _overlap(box, earlier):
            raise SettingError(say("boxes %(other)s and %(number)s overlap", other=other, number=number))


def _overlap(a: Box, b: Box) -> bool:
    across = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    down = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    return across > TOUCH and down > TOUCH


def _positive(*numbers: float) -> None:
    if any(number <= 0 for number in numbers):
        raise SettingError(say("sizes and numbers must be above 0"))


READERS = {"film_sizes": _film_size, "slides": _slides, "custom": _custom}
