"""Messages a person may read in another language: English now, the template kept for a translator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Words(str):
    """A message in English that remembers what it was made of."""

    template: str
    several: str  # the template for another number than one; "" where there is only one template
    values: Mapping[str, str | int]


def say(template: str, /, **values: Any) -> Words:
    """A message from a template such as ``"There is no peer %(name)s."``; the page translates it."""
    return _words(template % values if values else template, template, "", values)


def say_many(one: str, several: str, /, number: int, **values: Any) -> Words:
    """A message that counts: ``say_many("%(number)s disc waits.", "%(number)s discs wait.", count)``."""
    values = {"number": number, **values}
    return _words((one if number == 1 else several) % values, one, several, values)


def _words(text: str, template: str, several: str, values: Mapping[str, Any]) -> Words:
    words = Words(text)
    words.template, words.several = template, several
    words.values = {name: _plain(value) for name, value in values.items()}
    return words


def _plain(value: Any) -> str | int:
    """A value that can be kept and sent to another process."""
    if isinstance(value, BaseException):
        value = value.args[0] if value.args and isinstance(value.args[0], Words) else str(value)
    return value if isinstance(value, str | int) else str(value)


def row(parts: Iterable[str], mark: str = ", ") -> Words:
    """Several messages in a row, each translated by itself."""
    values = {f"part_{number}": part for number, part in enumerate(parts)}
    return say(mark.replace("%", "%%").join(f"%({name})s" for name in values), **values)
