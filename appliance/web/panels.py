"""What the overview shows: panels and advice, each from the page file it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask_babel import LazyString

from appliance.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A box of the overview."""

    title: LazyString
    template: str  # below templates/pages/
    gather: Callable[[Store], Mapping[str, Any]]  # what the template is given
    permission: str
    order: int  # small ones first
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Something worth acting on, and what to do about it."""

    level: Literal["error", "warning", "note"]
    text: str
    action: str = ""  # words of the link
    url: str = ""


Adviser = Callable[[Store], list[Advice]]
"""A page file's ``advise``: what it would tell the visitor now."""
