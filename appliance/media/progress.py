"""How far a disc is, told to the database now and then; the place where a worker hears that it was cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from appliance.store import discs
from appliance.store.store import Store
from appliance.store.tables.base import now

TELL_SECONDS = 0.5
STEPS = {"retrieve": "gather"}
"""Phase -> its step among the figures, where "retrieve" is fetching from an archive."""


class CanceledError(Exception):
    """A person cancelled the disc, or the worker is told to stop."""


class Watch:
    """The phases of one disc."""

    def __init__(self, store: Store, disc_id: int, stopped: Callable[[], bool] = lambda: False) -> None:
        self.store = store
        self.disc_id = disc_id
        self.stopped = stopped
        self._told = 0.0
        self._phase, self._began = "", time.monotonic()

    def phase(self, name: str, total: int = 0) -> None:
        """A phase begins. Raises CanceledError."""
        self.ended()
        self.check()
        self._phase, self._began = name, time.monotonic()
        values = {"phase": name, "done": 0, "total": total, "phase_began": now()}
        with self.store.database.write("disc") as connection:
            discs.change(connection, self.disc_id, **values)
        self._told = time.monotonic()

    def ended(self) -> None:
        """The phase under way ends here: its seconds are added to the figures."""
        if self._phase:
            self.store.tally.add("steps", STEPS.get(self._phase, self._phase), total=time.monotonic() - self._began)
        self._phase = ""

    def step(self, done: int, total: int) -> None:
        """So many bytes of the phase are done. Raises CanceledError."""
        moment = time.monotonic()
        if moment - self._told < TELL_SECONDS:
            return
        self._told = moment
        self.check()
        with self.store.database.write("disc") as connection:
            discs.change(connection, self.disc_id, done=done, total=total)

    def check(self) -> None:
        """Raise CanceledError when nobody wants the disc any more, or the worker stops."""
        if self.stopped() or self.is_canceled():
            raise CanceledError

    def is_canceled(self) -> bool:
        """Whether a person cancelled it."""
        with self.store.database.read() as connection:
            disc = discs.get(connection, self.disc_id)
        return disc is None or disc.cancel or disc.execution_status in discs.FINAL

    def watched(self, part: Any) -> Any:
        """`part` with a look for a cancel before each call of its methods: for long work that tells no progress."""
        return _Watched(part, self)


class _Watched:
    def __init__(self, part: Any, watch: Watch) -> None:
        self._part = part
        self._watch = watch
        self._looked = 0.0

    def __getattr__(self, name: str) -> Any:
        if time.monotonic() - self._looked > TELL_SECONDS:
            self._looked = time.monotonic()
            self._watch.check()
        return getattr(self._part, name)
