"""When to try again: a decision, not a deed."""

from __future__ import annotations

import datetime as dt

STEPS = (5, 15, 60, 120, 300)
"""Seconds to wait after the first, second … failed attempt; the last one from then on."""


def wait_after(attempts: int) -> dt.timedelta:
    """How long to wait after `attempts` failed attempts (from 1): 5 s, 15 s, 1 min, 2 min, then 5 min."""
    return dt.timedelta(seconds=STEPS[min(max(attempts, 1), len(STEPS)) - 1])
