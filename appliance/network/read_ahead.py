"""Bytes read before they are asked for: one call brings the end of a PDU and the beginning of the next."""

from __future__ import annotations

from collections.abc import Callable

_FIRST = 1024
_ROOM = 64 * 1024
"""Bytes beside a long PDU for what follows it."""


class ReadAhead:
    """The unread bytes of one connection, in one block of memory that is used again and again."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(_FIRST))
        self._start = self._end = 0

    def __len__(self) -> int:
        """Bytes that are here and not taken."""
        return self._end - self._start

    def fill(self, count: int, receive: Callable[[memoryview], int]) -> bool:
        """See that `count` bytes are here; False when `receive` (into a view, at least one byte) finds the end: 0.

        Memory grows with what has come, not with what was announced: a peer that promises much and stalls costs little.
        """
        while len(self) < count:
            self._make_room(min(count, max(len(self._view), 4 * len(self))))
            received = receive(self._view[self._end :])
            if received == 0:
                return False
            self._end += received
        return True

    def _make_room(self, count: int) -> None:
        """Room for `count` bytes from the first unread one, with one at least still free."""
        if self._start + count <= len(self._view) and self._end < len(self._view):
            return
        old, have = self._view, len(self)
        if count > len(old):
            self._view = memoryview(bytearray(count + min(count, _ROOM)))
        self._view[:have] = old[self._start : self._end]
        self._start, self._end = 0, have

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, valid until the next :meth:`fill`."""
        start = self._start
        self._start = start + count
        taken = self._view[start : start + count]
        if self._start == self._end:
            self._start = self._end = 0
        return taken
