"""What lines of the log are about: said once by the thread that serves an association, and true for all it logs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar

_about: ContextVar[Mapping[str, str]] = ContextVar("about")


def lines_are_about(what: Mapping[str, str]) -> None:
    """From now on, what this thread logs is about `what` (keys of logs.CONTEXT), which may learn more meanwhile."""
    _about.set(what)


class About(logging.Filter):
    """Lets every line pass, with what it is about; what the line itself says of that stands."""

    def filter(self, record: logging.LogRecord) -> bool:
        for key, value in _about.get({}).items():
            if not hasattr(record, key):
                setattr(record, key, value)
        return True
