"""Days of a filter as moments, here."""

from __future__ import annotations

import datetime as dt

from babel.dates import LOCALTZ
from flask import request


def day(name: str) -> dt.datetime | None:
    """The start of the day in an argument; a day that is none does not narrow."""
    try:
        return dt.datetime.combine(dt.date.fromisoformat(request.args.get(name, "")), dt.time(), LOCALTZ)
    except ValueError:
        return None


def day_after(name: str) -> dt.datetime | None:
    """The end of the day in an argument."""
    start = day(name)
    try:
        return start + dt.timedelta(days=1) if start else None
    except OverflowError:
        return None


def today() -> dt.datetime:
    """Midnight before now."""
    return dt.datetime.combine(dt.datetime.now(LOCALTZ).date(), dt.time(), LOCALTZ)
