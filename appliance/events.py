"""Who did it: every verb takes its actor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The one who asks for something, for history and audit."""

    name: str  # user name, calling AE title, or the process ("films", "command line")
    kind: str  # "user", "peer", "process"
    address: str = ""  # where from: IP address, or "" for this machine

    def __str__(self) -> str:
        return f"{self.name}@{self.address}" if self.address else self.name


def process_actor(name: str) -> Actor:
    """An actor for what the appliance does by itself."""
    return Actor(name=name, kind="process")
