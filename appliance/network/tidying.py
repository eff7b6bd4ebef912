"""Memory given back after crowds: pynetdicom's associations are cycles, and the C library keeps what was freed."""

from __future__ import annotations

import ctypes
import gc
import time

MANY = 50
"""Associations ended: a crowd, worth tidying soon."""
SOON, SOMETIME = 2.0, 30.0
"""Seconds between two turns, after a crowd and otherwise."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's


class Tidier:
    """Shared by the listeners of one group."""

    def __init__(self) -> None:
        self._ended = 0
        self._tidied = time.monotonic()

    def ended(self) -> None:
        """An association has ended."""
        self._ended += 1

    def turn(self) -> None:
        """Tidy up if it is time to; called now and then."""
        since = time.monotonic() - self._tidied
        if self._ended and (since > SOMETIME or (self._ended >= MANY and since > SOON)):
            self._ended, self._tidied = 0, time.monotonic()
            gc.collect()
            if _trim is not None:
                _trim(0)
