"""Connections to the page that are idle, drip or don't read are put out in bounded time, by a clock nobody sets.

Before all places are taken, the idle ones of whoever holds most go: a crowd of one machine keeps nobody else out.

waitress counts any byte as life: a request that comes a byte at a time would keep its place for ever, and after five
hundred of them nobody else gets in. So would an answer that nobody reads, and its thread: there are eight.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from typing import Any

from waitress.channel import HTTPChannel

IDLE_SECONDS = 20.0
"""Between requests, and for a request besides what its size allows it."""
SLOWEST = 1000
"""Bytes a second that a request must bring."""
UNREAD_SECONDS = 60.0
"""An answer of which the peer takes nothing for so long is given up."""


class PatientChannel(HTTPChannel):
    """A connection that knows for how long it has been waited for."""

    requests: Any = ()  # until its own __init__ gives it some: it is looked at before that

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._since = time.monotonic()  # a request began or ended, or the peer last took something of an answer
        self._unsent = 0
        super().__init__(*arguments, **named)

    def received(self, data: bytes) -> bool:
        """As waitress'; more of the same request is no new beginning."""
        before = self.request
        taken = bool(super().received(data))
        if self.request is None or self.request is not before:
            self._since = time.monotonic()
        return taken

    def is_too_slow(self, moment: float) -> bool:
        """Whether to put it out at `moment` (monotonic). To be asked every second or so: it looks for progress."""
        if self.requests or self.total_outbufs_len:
            return self._does_not_read(moment)
        request = self.request
        came = 0 if request is None else request.header_bytes_received + request.body_bytes_received
        return moment - self._since > IDLE_SECONDS + came / SLOWEST

    def _does_not_read(self, moment: float) -> bool:
        unsent = self.total_outbufs_len
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._since = unsent, moment
        return moment - self._since > UNREAD_SECONDS

    @property
    def asks_nothing(self) -> bool:
        """Whether no request is being served, nor on its way in with its header whole."""
        request = self.request
        return not self.requests and not self.total_outbufs_len and (request is None or not request.headers_finished)

    def put_out(self) -> None:
        """Close it, from any thread: its own finds the connection ended."""
        self.will_close = True
        ours = self.socket  # its own thread may have closed it meanwhile
        if ours is not None:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)


def put_out_the_slow(server: Any, moment: float | None = None) -> int:
    """Close the connections of a waitress server that are too slow at `moment` (monotonic; now); how many."""
    at = time.monotonic() if moment is None else moment
    channels = list(server.active_channels.values())
    slow = [channel for channel in channels if channel.is_too_slow(at)]
    slow = slow or _in_the_way(channels, server.adj.connection_limit)
    for channel in slow:
        channel.put_out()
    if slow:
        server.pull_trigger()
    return len(slow)


def _in_the_way(channels: list[PatientChannel], most: int) -> list[PatientChannel]:
    """Of those that ask nothing the oldest of the greediest address, as many as make a quarter of the places free."""
    surplus = len(channels) - most * 3 // 4
    if surplus <= 0:
        return []
    held = Counter(channel.addr[0] for channel in channels)
    idle = [channel for channel in channels if channel.asks_nothing]
    return sorted(idle, key=lambda channel: (-held[channel.addr[0]], channel.creation_time))[:surplus]
