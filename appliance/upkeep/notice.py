"""One thing to tell people, in words."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.language import in_language
from appliance.words import say

SECONDS = 15.0
IN_ALL = 60.0
"""Seconds after which a mail server or a webhook is cut off: one that drips would hold up all upkeep."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing to tell."""

    key: str
    text: str
    recovered: bool = False


def lines(notices: list[Notice], language: str) -> list[str]:
    return [in_language(_line(notice), language) for notice in notices]


def subject(notices: list[Notice], language: str) -> str:
    first, more = _line(notices[0]), len(notices) - 1
    return in_language(say("%(first)s (and %(more)s more)", first=first, more=more) if more else first, language)


def _line(notice: Notice) -> str:
    return say("Well again: %(text)s", text=notice.text) if notice.recovered else notice.text
