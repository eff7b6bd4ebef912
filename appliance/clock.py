"""The moment: by this machine's clock, or, where several machines share a database, by the database's.

What one machine dates another judges: what is too old to be kept, who is logged in, whether a film came a minute ago
already. A machine whose clock is a year ahead (its battery is empty, its time server a joke) would find all that the
others keep too old. So all of them count by the one clock that each can read.
"""

from __future__ import annotations

import datetime as dt
import logging

SAME = dt.timedelta(seconds=1)
"""Clocks no further apart than this are one: a moment is not to jump for what the way to the server took."""

_none = dt.timedelta()
_difference = _none

log = logging.getLogger(__name__)


def machine() -> dt.datetime:
    """What this machine's clock says, in UTC."""
    return dt.datetime.now(dt.UTC)


def now() -> dt.datetime:
    """This moment, in UTC."""
    return machine() + _difference


def follow(theirs: dt.datetime, asked: dt.datetime, answered: dt.datetime) -> None:
    """Count by another clock from now on. It said `theirs` between two moments of this machine's."""
    global _difference  # noqa: PLW0603
    seen, doubt = theirs - (asked + (answered - asked) / 2), abs(answered - asked) + SAME
    if abs(seen - _difference) <= doubt:
        return
    _difference = seen if abs(seen) > doubt else _none
    log.info("the database's clock is counted by: this machine's is %+.1f s from it", -seen.total_seconds())
