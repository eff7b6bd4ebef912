"""Which language a person reads, and their dates and numbers."""

from __future__ import annotations

from babel import localedata
from babel.dates import LOCALTZ
from flask import Flask, g, request, session
from flask_babel import Babel

from appliance.language import CATALOGS, in_language
from appliance.security.users import LANGUAGES

NAMES = {"en": "English", "ru": "Русский", "uk": "Українська", "pt": "Português", "zh_Hans": "简体中文"}
"""Each language as its readers call it."""

REGIONS = frozenset(name for name in localedata.locale_identifiers() if name.count("_") == 1 and name[:2] in LANGUAGES)
"""Locales of a language in a region, such as en_GB."""

HOME = {"en": "en_GB"}
"""Where a language is at home when the browser does not say."""


def install(app: Flask) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(CATALOGS)
    Babel(app, locale_selector=locale, timezone_selector=lambda: LOCALTZ)


def choose() -> str:
    """The user's choice, else this browser's choice, else what the browser asks for, else English; of LANGUAGES."""
    visitor = g.get("visitor")
    chosen = (visitor.language if visitor else "") or session.get("language", "")
    asked = (_spoken(tag) for tag in request.accept_languages.values())
    return chosen if chosen in LANGUAGES else next((language for language in asked if language), "en")


def locale() -> str:
    """The language chosen, with the region the browser names for it: dates and numbers differ by region."""
    language = choose()
    for tag in request.accept_languages.values():
        name = f"{language}_{tag.replace('_', '-').rpartition('-')[2].upper()}"
        if _spoken(tag) == language and name in REGIONS:
            return name
    return HOME.get(language, language)


def _spoken(tag: str) -> str:
    """The language of ours for a tag of Accept-Language; every Chinese is answered in simplified Chinese."""
    primary = tag.replace("-", "_").split("_")[0].lower()
    return "zh_Hans" if primary == "zh" else primary if primary in LANGUAGES else ""


def translated(message: object) -> str:
    """A message of a verb, new or kept, in the reader's language."""
    return in_language(message, choose(), locale())
