"""What every template has at hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask, g
from flask_babel import format_date, format_datetime, format_decimal, format_percent
from flask_babel import lazy_gettext as _
from markupsafe import Markup, escape

from appliance.legible import finalized
from appliance.reasons import in_words
from appliance.security.users import LANGUAGES
from appliance.web.language import NAMES, choose, translated
from appliance.web.navigation import navigation
from appliance.web.visitor import store
from appliance.web.wording import COPY_WORDS, IMPORT_STATES, OBJECTS, ROLES, SUPPLIES, call_words, state_words

UNITS = (_("B"), _("kB"), _("MB"), _("GB"), _("TB"))


def install(app: Flask) -> None:
    app.jinja_env.finalize = finalized
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        moment=moment,
        iso=iso,
        reasons=reasons,
        person=person,
        day_of=day_of,
        size=size,
        percent=percent,
        supply_words=SUPPLIES,
        number=number,
        translated=translated,
        state_words=state_words,
        import_states=IMPORT_STATES,
        call_words=call_words,
        role_words=ROLES,
        object_words=OBJECTS,
        copy_words=COPY_WORDS,
        marks=marks,
        browser=browser,
        LANGUAGES=[(code, NAMES[code]) for code in LANGUAGES],
    )
    app.jinja_env.filters["translated"] = translated
    app.jinja_env.filters["combined"] = lambda one, other: {**one, **other}
    app.context_processor(_context)


def _context() -> dict[str, Any]:
    return {
        "visitor": g.get("visitor"),
        "navigation": navigation(),
        "language": choose(),
        "site_name": store().settings.web.site_name,
        "ae_title": store().settings.dicom.ae_title,
    }


def moment(value: dt.datetime | None) -> Markup:
    """A moment in the reader's way, and for machines."""
    if value is None:
        return Markup('<span class="quiet">–</span>')
    text = format_datetime(value, "short" if value.second == 0 and value.microsecond == 0 else "medium")
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(timespec="seconds"), text)


def iso(text: str | None) -> dt.datetime | None:
    """A moment of a verb's view."""
    return dt.datetime.fromisoformat(text) if text else None


def person(name: str) -> str:
    """A person name (PS3.5 PN) as people write it: family and given name of each group, the groups apart."""
    groups = (" ".join(part for part in group.split("^")[:3] if part) for group in str(name).split("="))
    return " · ".join(group for group in groups if group.strip())


def day_of(date: str) -> str:
    """A DICOM date in the reader's way; one that is none as it is."""
    try:
        return str(format_date(dt.date(int(date[:4]), int(date[4:6]), int(date[6:8])), "short"))
    except (ValueError, TypeError):
        return str(date)


def reasons(keywords: Iterable[str]) -> str:
    """State reasons in words, those without words as they are."""
    return translated(in_words(keywords))


def size(value: float) -> str:
    """Bytes in the unit that reads best, powers of ten as drives are sold."""
    unit = 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{format_decimal(round(value, 1 if unit and value < 100 else 0))}\N{NO-BREAK SPACE}{UNITS[unit]}"


def percent(value: float) -> str:
    """Hundredths as written by the reader."""
    return str(format_percent(value / 100))


def number(value: float) -> str:
    """A number with the reader's separators."""
    return str(escape(format_decimal(value)))


BROWSERS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux")


def browser(agent: str) -> str:
    """What a browser calls itself, in two words; else the start of it."""
    name = next((name for mark, name in BROWSERS.items() if mark in agent), "")
    system = next((system for system in SYSTEMS if system in agent), "")
    return f"{name}, {system}" if name and system else agent[:60]


def marks(field: Any, described: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Attributes of an input that tell assistive technology of its hint and complaint."""
    told: dict[str, Any] = {"aria_describedby": described.strip()} if described.strip() else {}
    wrong: dict[str, Any] = {"aria_invalid": "true"} if field.errors else {}
    return told | wrong | dict(more or {})
