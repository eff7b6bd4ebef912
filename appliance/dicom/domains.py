"""Value domains of film attributes: each reads a value as sent, or says what is wrong with it.

``read(value, can)`` gives the value as it is taken; ValueError carries words for the log and the Error Comment.
``words(can)`` describes the domain in the conformance statement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pydicom.multival import MultiValue

from appliance.dicom.capabilities import MEDIUM_TYPES, Capabilities
from appliance.film.display_format import parse


class Domain(Protocol):
    """The values one attribute may have."""

    def read(self, value: Any, can: Capabilities) -> Any: ...

    def words(self, can: Capabilities) -> str: ...


def term(value: Any) -> str:
    """A code string without the blanks and lower case that scanners send."""
    return str(value).strip(" \0").upper()


def joined(value: Any) -> str:
    """Text whose backslashes may have been taken for separators, whole again."""
    return "\\".join(str(part) for part in value) if isinstance(value, list | tuple | MultiValue) else str(value)


def one_of(value: Any, terms: Iterable[str]) -> str:
    """`value` as one of `terms`."""
    known = tuple(terms)
    if term(value) not in known:
        raise ValueError(f"{term(value)[:32]!r} is none of {', '.join(known)}")
    return term(value)


@dataclass(frozen=True)
class Terms:
    """Enumerated values of the standard."""

    terms: tuple[str, ...]

    def read(self, value: Any, can: Capabilities) -> str:
        return one_of(value, self.terms)

    def words(self, can: Capabilities) -> str:
        return ", ".join(self.terms)


@dataclass(frozen=True)
class Offered:
    """Terms the printer offers: the name of a field of :class:`Capabilities`."""

    field: str

    def read(self, value: Any, can: Capabilities) -> str:
        offered: tuple[str, ...] = getattr(can, self.field)
        if term(value) == "CURRENT":
            return offered[0]
        return one_of(value, offered)

    def words(self, can: Capabilities) -> str:
        return ", ".join((*getattr(can, self.field), "CURRENT"))


@dataclass(frozen=True)
class Medium:
    """Medium Type: the printer's own, or (tolerant) another of the standard's, whose film waits until it is loaded."""

    def read(self, value: Any, can: Capabilities) -> str:
        if term(value) == "CURRENT":
            return can.medium_types[0]
        return one_of(value, can.medium_types if can.strict else (*can.medium_types, *MEDIUM_TYPES))

    def words(self, can: Capabilities) -> str:
        return f"{', '.join(can.medium_types)}, CURRENT; tolerant: the standard's others too, held until loaded"


@dataclass(frozen=True)
class FilmSize:
    """Film Size ID or an alias: the printer's own, or (tolerant) another we know, whose film waits for it."""

    def read(self, value: Any, can: Capabilities) -> str:
        if term(value) == "CURRENT":
            return can.film_sizes[0]
        known = can.film_sizes if can.strict else (*can.film_sizes, *can.catalog.film_sizes)
        return one_of(can.catalog.film_size_id(str(value)) or value, dict.fromkeys(known))

    def words(self, can: Capabilities) -> str:
        return f"{', '.join(can.film_sizes)}, CURRENT; tolerant: others we know too, held until loaded"


@dataclass(frozen=True)
class Destination:
    """Film Destination: MAGAZINE, PROCESSOR, BIN_i."""

    def read(self, value: Any, can: Capabilities) -> str:
        if term(value) == "CURRENT":
            return can.film_destinations[0]
        if re.fullmatch(r"BIN_[1-9][0-9]{0,2}", term(value)):
            return term(value)
        return one_of(value, can.film_destinations)

    def words(self, can: Capabilities) -> str:
        return ", ".join((*can.film_destinations, "BIN_1 .. BIN_999", "CURRENT"))


@dataclass(frozen=True)
class Whole:
    """A whole number in a range; `high` may name a field of :class:`Capabilities`."""

    low: int
    high: int | str

    def read(self, value: Any, can: Capabilities) -> int:
        number = int(value)
        if not self.low <= number <= self._high(can):
            raise ValueError(f"{number} is not in {self.words(can)}")
        return number

    def _high(self, can: Capabilities) -> int:
        return getattr(can, self.high) if isinstance(self.high, str) else self.high

    def words(self, can: Capabilities) -> str:
        return f"{self.low} .. {self._high(can)}"


@dataclass(frozen=True)
class Density:
    """Min or Max Density; the medium's own range is applied afterwards (see densities.py)."""

    def read(self, value: Any, can: Capabilities) -> int:
        return Whole(0, 65535).read(value, can)

    def words(self, can: Capabilities) -> str:
        return "1/100 OD; beyond the medium's range B605 and its limit"


@dataclass(frozen=True)
class Paint:
    """A density to paint with: BLACK, WHITE, or hundredths of OD."""

    def read(self, value: Any, can: Capabilities) -> str:
        text = term(value)
        if re.fullmatch(r"[0-9]{1,3}", text):
            return str(int(text))
        return one_of(value, ("BLACK", "WHITE"))

    def words(self, can: Capabilities) -> str:
        return "BLACK, WHITE, 0 .. 999 (1/100 OD)"


@dataclass(frozen=True)
class Text:
    """Free text."""

    longest: int

    def read(self, value: Any, can: Capabilities) -> str:
        text = joined(value).strip(" \0")
        if len(text) > self.longest:
            raise ValueError(f"{len(text)} characters, at most {self.longest} are taken")
        return text

    def words(self, can: Capabilities) -> str:
        return f"text of up to {self.longest} characters"


@dataclass(frozen=True)
class AnnotationText(Text):
    """Text String, of which the first characters are printed (film_session)."""

    def words(self, can: Capabilities) -> str:
        return f"text, of which {can.annotation_length} characters are printed"


@dataclass(frozen=True)
class Table:
    """Configuration Information: the name of a table of the print profile."""

    def read(self, value: Any, can: Capabilities) -> str:
        text = joined(value).strip(" \0")
        if text and text not in can.configuration_names:
            raise ValueError(f"no table is called {text[:24]!r}")
        return text

    def words(self, can: Capabilities) -> str:
        return ", ".join(can.configuration_names) or "none configured"


@dataclass(frozen=True)
class Format:
    """Image Display Format; whether the layout exists is known when its boxes are counted."""

    def read(self, value: Any, can: Capabilities) -> str:
        text = joined(value)
        if not can.strict:
            # "STANDARD\\1,1" written without doubling the backslash in a program: \\1 became the character 1.
            text = re.sub("[\x01-\x07]", lambda found: f"\\{ord(found[0])}", text)
        return str(parse(text))

    def words(self, can: Capabilities) -> str:
        return "STANDARD\\C,R; ROW\\R1,R2,..; COL\\C1,C2,..; SLIDE; SUPERSLIDE; CUSTOM\\i"


@dataclass(frozen=True)
class Annotations:
    """Annotation Display Format ID."""

    def read(self, value: Any, can: Capabilities) -> str:
        if not can.annotations.knows(str(value)):
            raise ValueError(f"{term(value)[:32]!r} is none of {self.words(can)}")
        return term(value)

    def words(self, can: Capabilities) -> str:
        return ", ".join(can.annotations.by_id)


@dataclass(frozen=True)
class Millimetres:
    """A length in mm as a decimal string."""

    def read(self, value: Any, can: Capabilities) -> float:
        length = float(value)
        if not (math.isfinite(length) and 0 < length <= 2000):
            raise ValueError(f"{length:g} mm is not in 0 .. 2000")
        return length

    def words(self, can: Capabilities) -> str:
        return "more than 0, up to 2000 mm"


@dataclass(frozen=True)
class Elsewhere:
    """Read by code of its own (references, sequences, the character set)."""

    what: str
    tolerant: str = "-"  # status for another value, as the conformance statement tells it
    strict: str = "-"

    def read(self, value: Any, can: Capabilities) -> Any:
        return value

    def words(self, can: Capabilities) -> str:
        return self.what
