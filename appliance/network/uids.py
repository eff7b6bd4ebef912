"""Unique identifiers (PS3.5 chapter 9)."""

from __future__ import annotations

import re

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*", re.ASCII)


def is_valid_uid(text: str) -> bool:
    """Whether `text` is a UID: digits in components without leading zeros, dots between, at most 64 characters."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None
