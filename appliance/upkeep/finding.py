"""One line of the health page: what was looked at, how it is, and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "fine"]
LEVELS: tuple[Level, ...] = ("error", "warning", "fine")
"""The worst first."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    level: Level
    topic: str  # ports, names, fonts, tools, disk, clock, database, audit, certificates, printers, …
    text: str  # how it is
    advice: str = ""  # what to do next; "" where nothing is to be done

    def to_json(self) -> dict[str, Any]:
        return {"level": self.level, "topic": self.topic, "text": self.text, "advice": self.advice}


def fine(topic: str, text: str) -> Finding:
    return Finding(level="fine", topic=topic, text=text)


def warning(topic: str, text: str, advice: str) -> Finding:
    return Finding(level="warning", topic=topic, text=text, advice=advice)


def error(topic: str, text: str, advice: str) -> Finding:
    return Finding(level="error", topic=topic, text=text, advice=advice)
