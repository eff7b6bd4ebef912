"""Messages a person may read in another language: English now, the template kept for a translator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Words(str):
    """A message in English that remembers what it was made of."""

    template: str
    values: Mapping[str, Any]


def say(template: str, **values: Any) -> Words:
    """A message from a template such as ``"There is no peer %(name)s."``; the page translates it."""
    words = Words(template % values if values else template)
    words.template = template
    words.values = values
    return words
