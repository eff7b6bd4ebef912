"""Chores done now and then, in whichever process holds the lock of that name."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from appliance.errors import ResourceError
from appliance.store.store import Store
from appliance.words import say

log = logging.getLogger(__name__)


def begin(thread: threading.Thread) -> None:
    """Start a thread. Raises ResourceError when the machine has none to spare: what it was for is still to do."""
    try:
        thread.start()
    except RuntimeError as error:
        raise ResourceError(say("This machine has no thread to spare: %(why)s", why=error)) from error


@dataclass(kw_only=True)
class Chore:
    """Something due every `seconds`, and at once when it was never done."""

    seconds: float
    do: Callable[[], object]
    _done: float = float("-inf")

    def when_due(self) -> None:
        """Do it, if it is due. What it raises goes through, and it is due again in `seconds`."""
        moment = time.monotonic()
        if moment - self._done > self.seconds:
            self._done = moment
            self.do()


class Rounds:
    """Rounds of something that goes on: what goes wrong in each of them is said once, and once that it is over."""

    def __init__(self, what: str, log: logging.Logger) -> None:
        self._what = what
        self._log = log
        self._failed = ""

    @contextmanager
    def one(self) -> Iterator[None]:
        """A round; raises nothing of what goes wrong in it."""
        try:
            yield
        except Exception as error:  # the database may be away for hours
            why = str(error) if isinstance(error, ResourceError) else type(error).__name__
            if why != self._failed:
                self._log.error("%s failed, and is tried again: %s", self._what, why)
            self._failed = why
        else:
            if self._failed:
                self._log.warning("%s works again", self._what)
            self._failed = ""


class Aside:
    """Something that may take long, in a thread of its own and never twice at once: it holds up nothing."""

    def __init__(self, name: str, do: Callable[[], object]) -> None:
        self.name = name
        self.do = do
        self._thread: threading.Thread | None = None

    def __call__(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._do, name=self.name, daemon=True)
            try:
                begin(thread)
            except ResourceError as error:
                log.warning("%s can't be asked now: %s", self.name, error)
                return
            self._thread = thread

    def _do(self) -> None:
        try:
            self.do()
        except Exception as error:  # the database may be away for a moment: its time comes again
            log.warning("%s can't be asked now: %s", self.name, type(error).__name__)


class Keeper:
    """Does chores in the one process that holds lock `lock`; `begin` when it has just got it."""

    def __init__(
        self, store: Store, lock: str, chores: list[Chore], begin: Callable[[], object] = lambda: None
    ) -> None:
        self.chores = chores
        self.begin = begin
        self._only = store.locks.only_one(lock)
        self._begun = False

    def keep(self) -> None:
        """Do what is due; nothing when another process keeps house."""
        self._begun = self._begun and self._only.held
        if not self._only.take():
            return
        if not self._begun:
            self.begin()
            self._begun = True
        for chore in self.chores:
            chore.when_due()

    def close(self) -> None:
        """Leave it to another process."""
        self._only.close()
