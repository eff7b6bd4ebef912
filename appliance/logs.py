"""The log: one JSON object a line on standard error, ready for the journal."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import traceback
from types import TracebackType

from appliance.about import About
from appliance.calm import keep_calm

CONTEXT = ("job", "printer", "peer", "association", "study", "instance", "disc", "burner", "part", "number")
"""Extra keys that `logger.info(..., extra={...})` may carry."""

NOISY = ("pynetdicom", "pydicom", "PIL", "alembic", "waitress.queue", "pycdlib")
"""Libraries that tell more than anybody wants to know."""


def _context(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key in CONTEXT if (value := getattr(record, key, None)) not in (None, "")}


class JsonFormatter(logging.Formatter):
    """One line a record; newlines in values are escaped by JSON, so nobody can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "says": record.getMessage(),
        }
        line |= _context(record)
        if record.exc_info:
            line["trace"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        text = record.getMessage().replace("\n", "\\n")
        known = _context(record).items()
        context = " ".join(f"{key}={value}" for key, value in known if not (key == "peer" and str(value) in text))
        trace = "\n" + "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        return f"{at} {record.levelname.lower():7} {text}{'  ' + context if context else ''}{trace}"


def without_chatter(record: logging.LogRecord) -> bool:
    """Whether a line is no chatter of a library. pydicom quotes values in it, and sets its own level when imported."""
    return record.levelno >= logging.ERROR or not record.name.startswith(NOISY)


def without_trace(record: logging.LogRecord) -> bool:
    """pynetdicom tells of what a peer sent with a trace, as of a fault: those that lead through our code may be."""
    if record.name.startswith("pynetdicom") and record.exc_info and not _is_in_our_code(record.exc_info[2]):
        record.exc_info = record.exc_text = None
    return True


def _is_in_our_code(trace: TracebackType | None) -> bool:
    return any(frame.f_globals.get("__name__", "").startswith("appliance.") for frame, _ in traceback.walk_tb(trace))


def start_logging(level: str, kind: str) -> None:
    """Log to standard error from now on, as json or text, or auto: text at a terminal.

    What libraries say by themselves is kept to errors.
    """
    as_text = kind == "text" or (kind == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    handler.addFilter(About())
    handler.addFilter(without_chatter)
    handler.addFilter(without_trace)
    keep_calm(handler)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)
