"""The words of what stands on a disc, in the languages it can have (templates/disc/words.toml)."""

from __future__ import annotations

import tomllib
from functools import cache

from appliance.errors import UsageError
from appliance.resources import shipped
from appliance.words import say


@cache
def _all() -> dict[str, dict[str, str]]:
    return tomllib.loads((shipped("templates") / "disc" / "words.toml").read_text("utf-8"))


def languages() -> tuple[str, ...]:
    """The languages there are: en, ru and so on."""
    return tuple(_all())


def words(language: str) -> dict[str, str]:
    """All words in one language."""
    try:
        return _all()[language]
    except KeyError:
        raise UsageError(
            say(
                "Discs have no words in %(language)s; there are %(all)s", language=repr(language), all=", ".join(_all())
            ),
            field="language",
        ) from None
