"""How far a disc is, told to the database now and then; the place where a worker hears that it was cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.errors import ResourceError
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
        """So many bytes of the phase are done. Raises CanceledError.

        While the database is away nobody can cancel, and nothing is broken off because it could not be told.
        """
        moment = time.monotonic()
        if moment - self._told < TELL_SECONDS:
            return
        self._told = moment
        with suppress(ResourceError):
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


class Work:
    """The bytes of building one volume, one sum that only grows: looked at for content, decompressed, written.

    Each method raises CanceledError when nobody wants the disc any more. Safe to use from several threads.
    """

    def __init__(self, watch: Watch, *, content: int, decompress: int, icons: int, image: int) -> None:
        self.watch = watch
        self.content, self.decompress, self.icons = content, decompress, icons  # bytes of each part
        self.image, self.total = image, content + decompress + icons + image
        self._looked_at: set[tuple[str, str]] = set()
        self._looked, self._lock = 0, threading.Lock()

    def looked_at(self, how: str, path: Path) -> None:
        """An instance is looked at for pages or the viewer; again for another picture of it counts once."""
        with self._lock:
            if (how, str(path)) not in self._looked_at:
                self._looked_at.add((how, str(path)))
                self._looked += path.stat().st_size
            self.watch.step(min(self._looked, self.content), self.total)

    def decompressed(self, done: int) -> None:
        """So many bytes of decompressed instances are there."""
        self.watch.step(self.content + min(done, self.decompress), self.total)

    def drawn(self, done: int) -> None:
        """So many bytes of images have their icon."""
        self.watch.step(self.content + self.decompress + min(done, self.icons), self.total)

    def written(self, done: int, total: int) -> None:
        """So many bytes of `total` are written; the image is larger than planned by the content made for it."""
        self.watch.step(self.total - self.image + self.image * done // max(total, 1), self.total)

    def watched(self, decoder: Any) -> Any:
        """`decoder`, whose calls are counted."""
        return _Watched(decoder, self)


# the decoder's methods by what they are called for: a picture of a page, a picture of the viewer
_FOR_VIEWER = frozenset({"preview", "references"})


class _Watched:
    def __init__(self, part: Any, work: Work) -> None:
        self._part = part
        self._work = work

    def __getattr__(self, name: str) -> Any:
        deed = getattr(self._part, name)

        def call(path: Path, *arguments: Any, **options: Any) -> Any:
            found = deed(path, *arguments, **options)
            self._work.looked_at("viewer" if name in _FOR_VIEWER else "pages", path)
            return found

        return call
