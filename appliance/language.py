"""Messages in a reader's language: those of ``words.say``, and text kept in English, known again by its template.

Rows, logs and the wire hold plain English. Where a person reads it, the template it was made from is found among those
of the catalogs, and what stood in its places is put into the translation: in the reader's way where it is a day, a
moment or an amount, translated where it is a message itself. Text of no known template stays as it is.
"""

from __future__ import annotations

import datetime as dt
import gettext
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from babel.dates import LOCALTZ, format_date, format_datetime
from babel.messages.mofile import read_mo
from babel.numbers import format_decimal

from appliance.words import Words, say

CATALOGS = Path(__file__).parent / "web" / "translations"
LONGEST = 4000
"""Longer text is no message of ours."""
DEEPEST = 6
"""Messages within messages."""
PLACE = re.compile(r"%\((\w+)\)s")
BREAKS = (". ", "\n", "; ", ": ", ", ")
"""Where one message ends and the next begins, the widest first."""
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(?::\d\d)?(?: UTC|Z|\+00:00)")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
UNITS = (say("B"), say("kB"), say("MB"), say("GB"), say("TB"), say("MiB"), say("GiB"), say("mm"))
AMOUNT = re.compile(rf"(\d[\d,]*(?:\.\d+)?) ?({'|'.join(UNITS)})")
GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")
"""A number as English writes it; without a comma it may be one of anything."""

FOREIGN = (
    # the operating system, of a call that failed
    say("No space left on device"),
    say("Permission denied"),
    say("Read-only file system"),
    say("No such file or directory"),
    say("Not a directory"),
    say("Is a directory"),
    say("File exists"),
    say("Input/output error"),
    say("Disk quota exceeded"),
    say("Connection refused"),
    say("Connection reset by peer"),
    say("Connection timed out"),
    say("timed out"),
    say("Broken pipe"),
    say("No route to host"),
    say("Network is unreachable"),
    say("Name or service not known"),
    say("Temporary failure in name resolution"),
    say("No address associated with hostname"),
    say("Address already in use"),
    say("[Errno %(number)s] %(words)s"),
    # pydantic, of a value that does not fit
    say("Field required"),
    say("Input should be %(wanted)s"),
    say("Input should be greater than %(least)s"),
    say("Input should be greater than or equal to %(least)s"),
    say("Input should be less than %(most)s"),
    say("Input should be less than or equal to %(most)s"),
    say("Input should be a valid number, unable to parse string as a number"),
    say("Input should be a valid integer, unable to parse string as an integer"),
    say("Input should be a valid string"),
    say("String should have at most %(most)s characters"),
    say("String should have at least %(least)s characters"),
    say("String should match pattern '%(pattern)s'"),
)
"""Messages of others that stand within ours."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """What messages of one kind look like in English."""

    message: str  # the key of its translation
    several: bool  # whether it is the one for other numbers than one
    pieces: tuple[str, ...]  # what stands before, between and behind the places
    names: tuple[str, ...]  # of the places

    @property
    def weight(self) -> int:
        return sum(map(len, self.pieces))

    def values_in(self, text: str) -> dict[str, str] | None:
        """What stands in the places when `text` was made of this template; None when it was not. In linear time."""
        first, *between, last = self.pieces if self.names else (*self.pieces, "")
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < len(first):
            return None
        if not self.names:
            return {} if text == first else None
        values: dict[str, str] = {}
        position = len(first)
        for name, piece in zip(self.names, [*between, None], strict=True):
            found = end if piece is None else text.find(piece, position, end)
            if found < position or values.setdefault(name, text[position:found]) != text[position:found]:
                return None
            position = found + len(piece or "")
        return values


def in_language(message: object, language: str, locale: str = "") -> str:
    """`message`, a text or an exception, in `language`; days and amounts in the way of `locale`."""
    words = message.args[0] if isinstance(message, BaseException) and message.args else message
    if language == "en":
        return str(words)
    teller = partial(_told, language=language, locale=locale or language)
    if isinstance(words, Words):
        return _filled(words.template, words.several, words.values, language, teller)
    return _again(str(words), language, locale or language, 0)


def _told(value: Any, *, language: str, locale: str) -> str:
    """What stands in a place."""
    if isinstance(value, Words | BaseException):
        return in_language(value, language, locale)
    return _again(value, language, locale, 1) if isinstance(value, str) else str(value)


def _filled(one: str, several: str, values: Mapping[str, Any], language: str, tell: Callable[[Any], str]) -> str:
    catalog = _catalog(language)
    text = catalog.ngettext(one, several, _count(values)) if several else catalog.gettext(one)
    return text % {name: tell(value) for name, value in values.items()} if values else text


def _count(values: Mapping[str, Any]) -> int:
    digits = re.sub(r"\D", "", str(values.get("number", "")))
    return int(digits or 0)


@lru_cache(4096)
def _again(text: str, language: str, locale: str, depth: int) -> str:
    """A text that was kept: by its template, else by the messages it is made of."""
    if not text or len(text) > LONGEST or depth > DEEPEST:
        return text
    for sentences in (False, True):  # a place holds several sentences only where nothing else fits
        if found := _find(text, sentences=sentences):
            template, values = found
            one, several = _keys()[template.message]
            return _filled(one, several, values, language, lambda value: _again(value, language, locale, depth + 1))
        parts = _parts(text, language, locale, depth)
        if parts != text:
            return parts
    bare = text.removesuffix(".")
    told = _again(bare, language, locale, depth + 1) if bare != text else bare
    return f"{told}." if told != bare else text


def _parts(text: str, language: str, locale: str, depth: int) -> str:
    """Several messages in a row, each by itself."""
    if any(pattern.fullmatch(text) for pattern in (MOMENT, DAY, AMOUNT, GROUPED)):
        return _in_their_way(text, language, locale)
    for mark in BREAKS:
        head, found, tail = text.partition(mark)
        if found:
            kept = mark.rstrip() if mark == ". " else ""
            parts = [_again(part, language, locale, depth + 1) for part in (head + kept, tail)]
            if parts != [head + kept, tail]:
                return (mark[1:] if kept else mark).join(parts)
    return text


def _in_their_way(text: str, language: str, locale: str) -> str:
    """A day, a moment or an amount as a reader writes it."""
    if found := MOMENT.fullmatch(text):
        moment = dt.datetime.fromisoformat(f"{found[1]}T{found[2]}+00:00").astimezone(LOCALTZ)
        return format_datetime(moment, "short", locale=locale)
    if DAY.fullmatch(text):
        try:
            return format_date(dt.date.fromisoformat(text), "short", locale=locale)
        except ValueError:
            return text
    if GROUPED.fullmatch(text):
        return str(format_decimal(text.replace(",", ""), locale=locale))
    found = AMOUNT.fullmatch(text)
    if not found:
        return text
    number = format_decimal(found[1].replace(",", ""), locale=locale)
    return f"{number}\N{NO-BREAK SPACE}{_catalog(language).gettext(found[2])}"


def _find(text: str, *, sentences: bool) -> tuple[Template, dict[str, str]] | None:
    """The template with the most words that `text` can be made from, and what stands in its places."""
    for template in _templates():
        values = template.values_in(text)
        if values is not None and (sentences or not any(". " in value for value in values.values())):
            return template, values
    return None


@cache
def _templates() -> tuple[Template, ...]:
    """Every message of the catalogs, those with the most words first."""
    found = (
        _template(message, text.strip(), several)
        for message, (one, other) in _keys().items()
        for text, several in ((one, False), (other, True))
        if _says_something(text)
    )
    return tuple(sorted(found, key=lambda template: -template.weight))


def _says_something(text: str) -> bool:
    """Whether a template can be known again: it has two words, or one and a place."""
    words = re.findall(r"[^\W\d_]{2,}", PLACE.sub("", text))
    return len(words) > 1 or bool(words and len("".join(words)) > 3 and PLACE.search(text))


def _template(message: str, text: str, several: bool) -> Template:
    pieces = PLACE.split(text)
    bare = tuple(piece.replace("%%", "%") for piece in pieces[::2])
    return Template(message=message, several=several, pieces=bare, names=tuple(pieces[1::2]))


@cache
def _keys() -> dict[str, tuple[str, str]]:
    """Every message of ours: key -> English for one, English for several ("" where it does not count)."""
    return {one: (one, several) for one, several in _messages()}


def _messages() -> Iterator[tuple[str, str]]:
    path = next(iter(sorted(CATALOGS.glob("*/LC_MESSAGES/messages.mo"))))
    with path.open("rb") as file:
        catalog = read_mo(file)
    for message in catalog:
        if message.id:
            yield (message.id, "") if isinstance(message.id, str) else (message.id[0], message.id[1])


@cache
def _catalog(language: str) -> gettext.NullTranslations:
    return gettext.translation("messages", CATALOGS, [language], fallback=True)
