"""Parts of pages made once for many askers: fifty open lists must not take the processor from the associations."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from flask import Flask

FRESH_SECONDS = 1.0
"""How long a part is taken for new without asking the database."""
KEPT = 64


@dataclass
class Fragment:
    """One part, for all who see the same; touched under its lock alone."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    seen: str = ""  # the mark of what it shows
    counter: int = -1  # the change counter in it
    at: float = 0.0  # monotonic moment it was compared with the database
    body: str | None = None  # None: nobody wanted it yet

    def is_old_for(self, counter: int) -> bool:
        """Whether to ask the database; also when the asker has seen later changes, their own among them."""
        return counter > self.counter or time.monotonic() - self.at >= FRESH_SECONDS

    def renew(self, seen: str, counter: int) -> None:
        """Note what the database says; what was made for an earlier mark is thrown away."""
        if seen != self.seen:
            self.body = None
        self.seen, self.counter, self.at = seen, counter, time.monotonic()

    def made_by(self, make: Callable[[], str]) -> str:
        if self.body is None:
            self.body = make()
        return self.body


class Fragments:
    """The parts asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Fragment] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable) -> Fragment:
        """The part of a key; a new one is old for everybody."""
        with self._lock:
            fragment = self._kept.setdefault(key, Fragment())
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return fragment


def install(app: Flask) -> None:
    app.extensions["fragments"] = Fragments()
