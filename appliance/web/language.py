"""Which language a person reads, and their dates and numbers."""

from __future__ import annotations

from babel.dates import LOCALTZ
from flask import Flask, g, request, session
from flask_babel import Babel, get_locale, gettext

from appliance.security.users import LANGUAGES

NAMES = {"en": "English", "ru": "Русский", "uk": "Українська", "pt": "Português", "zh_Hans": "简体中文"}
"""Each language as its readers call it."""

babel = Babel()


def install(app: Flask) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    babel.init_app(app, locale_selector=choose, timezone_selector=lambda: LOCALTZ)


def choose() -> str:
    """The user's choice, else this browser's choice, else what the browser asks for, else English."""
    visitor = g.get("visitor")
    chosen = (visitor.language if visitor else "") or session.get("language", "")
    return chosen if chosen in LANGUAGES else from_browser()


def from_browser() -> str:
    """The first language of Accept-Language we speak; every Chinese is answered in simplified Chinese."""
    for tag in request.accept_languages.values():
        primary = tag.replace("-", "_").split("_")[0].lower()
        if primary == "zh":
            return "zh_Hans"
        if primary in LANGUAGES:
            return primary
    return "en"


def html_language() -> str:
    """The language of the page, for ``<html lang>``."""
    return str(get_locale() or "en").replace("_", "-")


def translated(message: object) -> str:
    """A message of a verb in the reader's language, when it is one of appliance.words."""
    words = message.args[0] if isinstance(message, BaseException) and message.args else message
    template = getattr(words, "template", None)
    return gettext(template, **words.values) if template else str(words)  # type: ignore[union-attr]
