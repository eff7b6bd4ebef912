"""Annotation formats: which text of a film prints where. Tables of TOML: the shipped, and a site's over them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from appliance.errors import SettingError
from appliance.resources import shipped
from appliance.words import say

DEFAULT = "DEFAULT"
WHERE = ("top", "bottom", "image-top", "image-bottom")
ALIGN = ("left", "center", "right")


@dataclass(frozen=True, kw_only=True)
class TextPlace:
    """Where texts print and how large."""

    where: str  # one of WHERE
    align: str = "left"  # one of ALIGN
    text_mm: float = 2.5  # height of a capital letter
    smallest_mm: float = 1.4  # a long text shrinks to this before it is cut
    positions: str | tuple[int, ...] = "any"  # Annotation Positions; "images": one for each image box


@dataclass(frozen=True, kw_only=True)
class AnnotationFormat:
    """One Annotation Display Format ID (2010,0030)."""

    places: tuple[TextPlace, ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class AnnotationFormats:
    """All formats an appliance knows."""

    by_id: Mapping[str, AnnotationFormat]
    session_label: TextPlace = field(default_factory=lambda: TextPlace(where="bottom", align="right"))

    def knows(self, AnnotationDisplayFormatID: str | None) -> bool:
        """Whether there is a format of that ID, in any case and spacing; none named is the default one."""
        return _key(AnnotationDisplayFormatID or "") in self.by_id

    def chosen(self, AnnotationDisplayFormatID: str | None) -> AnnotationFormat:
        """The format of that ID, or the default one when that is unknown."""
        return self.by_id.get(_key(AnnotationDisplayFormatID or ""), self.by_id[DEFAULT])


@lru_cache(maxsize=1)
def shipped_formats() -> AnnotationFormats:
    """The shipped formats alone."""
    return load_formats()


NO_LAYOUT = (ValueError, TypeError, AttributeError)
"""What a file raises that is no TOML or no UTF-8 (ValueError), or whose tables are of another shape than ours."""


def load_formats(*sites: Path) -> AnnotationFormats:
    """The shipped formats, and those of the folders `sites` over them. A site folder may be missing.

    Raises SettingError that names file and table.
    """
    by_id: dict[str, AnnotationFormat] = {}
    label = TextPlace(where="bottom", align="right")
    for path in (path for folder in (shipped("layouts"), *sites) for path in sorted(folder.glob("*.toml"))):
        try:
            read = tomllib.loads(path.read_text(encoding="utf-8"))
            by_id |= {_key(name): _format(name, table) for name, table in read.get("annotations", {}).items()}
            label = _place("[session_label]", read["session_label"]) if "session_label" in read else label
        except (SettingError, *NO_LAYOUT) as error:
            raise SettingError(say("layout file %(path)s: %(why)s", path=path, why=error)) from error
    return AnnotationFormats(by_id=MappingProxyType(by_id), session_label=label)


def _key(name: str) -> str:
    return "".join(name.replace("\0", "").upper().split()) or DEFAULT


def _format(name: str, table: Mapping[str, Any]) -> AnnotationFormat:
    where = f"[annotations.{name}]"
    unknown = set(table) - {"title", "places"}
    if unknown or "places" not in table:
        raise SettingError(
            say(
                "%(where)s: title and places are known, places is needed; not %(unknown)s",
                where=where,
                unknown=", ".join(sorted(unknown)),
            )
        )
    return AnnotationFormat(title=table.get("title", ""), places=tuple(_place(where, p) for p in table["places"]))


def _place(where: str, table: Mapping[str, Any]) -> TextPlace:
    known = [f.name for f in fields(TextPlace)]
    unknown = set(table) - set(known)
    if unknown:
        raise SettingError(
            say(
                "%(where)s: %(unknown)s not known; known are %(known)s",
                where=where,
                unknown=", ".join(sorted(unknown)),
                known=", ".join(known),
            )
        )
    positions = table.get("positions", "any")
    place = TextPlace(**{**table, "positions": positions if isinstance(positions, str) else tuple(positions)})
    if place.where not in WHERE or place.align not in ALIGN:
        raise SettingError(
            say(
                "%(where)s: where is one of %(where_2)s, align one of %(align)s",
                where=where,
                where_2=", ".join(WHERE),
                align=", ".join(ALIGN),
            )
        )
    if isinstance(place.positions, str) and place.positions not in ("any", "images"):
        raise SettingError(say('%(where)s: positions is a list of numbers, "images" or "any"', where=where))
    if place.where.startswith("image") and place.positions != "images":
        raise SettingError(say('%(where)s: %(where_2)s takes positions = "images"', where=where, where_2=place.where))
    if not 0 < place.smallest_mm <= place.text_mm:
        raise SettingError(
            say("%(where)s: text_mm and smallest_mm are above 0, and smallest_mm is the smaller", where=where)
        )
    return place
