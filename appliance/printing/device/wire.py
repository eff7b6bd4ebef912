"""One TCP connection to a printer that says little: what it took is judged by what its side acknowledged.

A send to a socket succeeds as soon as this machine's buffers took the bytes; 200 KB can be "sent" to a printer that is
switched off. So progress is counted in bytes the other side acknowledged (TIOCOUTQ), and the end is only believed when
everything is acknowledged and the printer closed its side after we closed ours.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable

from appliance.printing.device.delivery import InterruptedTransferError
from appliance.words import say

TICK = 0.2  # seconds between looks at the clock, the acknowledgements and a cancel
KEPT_ANSWER = 1024  # bytes of unasked answers kept for the message; the rest is read and dropped


def unacknowledged(connection: socket.socket) -> int:
    """Bytes written that the other side has not acknowledged (our FIN counts as one)."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    return int(struct.unpack("i", answer)[0])


class Wire:
    """A connected socket. Its deadline counts from the last progress, not from the start."""

    def __init__(
        self, connection: socket.socket, *, stall_deadline: float, idle: Callable[[], None], drain: bool = True
    ) -> None:
        self.connection = connection
        self.answer = b""  # the first bytes of what the printer said
        self.peer_closed = False
        self._closed_early = False  # before it had everything of ours, our FIN included
        self._finishing = False
        self._stall_deadline = stall_deadline
        self._idle = idle  # called at each tick; what it raises ends the transfer
        self._written = 0
        self._acknowledged = 0
        self._last_progress = time.monotonic()
        self._drain = drain  # read and drop what the printer says unasked, lest it block on us
        connection.setblocking(False)

    def send(self, data: bytes) -> None:
        """Write all of `data`. Raises OSError when the connection breaks or nothing moves for the stall deadline."""
        view = memoryview(data)
        while view:
            if self.wait(select.POLLOUT) & select.POLLOUT:
                try:
                    count = self.connection.send(view)
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    continue
                self._written += count
                view = view[count:]

    def read_byte(self, deadline: float) -> int:
        """The next byte of the printer's answer. Raises OSError when it closes or says nothing within `deadline` s."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            if self.wait(select.POLLIN) & (select.POLLIN | select.POLLHUP):
                data = self.connection.recv(1)
                if not data:
                    raise InterruptedTransferError(say("the printer closed the connection without an answer"))
                return data[0]
        raise InterruptedTransferError(say("no answer for %(deadline)s s", deadline=f"{deadline:.0f}"))

    def finish(self, close_deadline: float) -> None:
        """Close our side and wait until the printer has taken everything and closed its own, in that order."""
        self.wait(timeout=0)
        self.connection.shutdown(socket.SHUT_WR)
        self._finishing = True
        while unacknowledged(self.connection):
            self.wait()
        end = time.monotonic() + close_deadline
        while not self.peer_closed:
            self.wait(select.POLLIN)
            if time.monotonic() > end:
                raise InterruptedTransferError(
                    say(
                        "it took everything but did not close for %(close_deadline)s s",
                        close_deadline=f"{close_deadline:.0f}",
                    )
                )
        if self._closed_early:
            raise InterruptedTransferError(say("it closed its side before it had everything"))

    def close(self, *, clean: bool) -> None:
        """Close. What is not clean or not all taken is reset, so that half a document isn't taken for a whole one, and
        nothing comes out of a printer that wakes up later.
        """
        if not clean or unacknowledged(self.connection):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def wait(self, events: int = 0, timeout: float = TICK) -> int:
        """Wait up to `timeout` seconds for `events`; which came."""
        if self._drain and not self.peer_closed:
            events |= select.POLLIN
        poll = select.poll()
        poll.register(self.connection, events)
        ready = poll.poll(timeout * 1000)
        came = ready[0][1] if ready else 0
        if came & select.POLLIN and self._drain:
            self._read_unasked()
        self._check_error(came)
        self._idle()
        self._check_progress()
        return came

    def _read_unasked(self) -> None:
        data = self.connection.recv(64 * 1024)
        self.answer = (self.answer + data)[:KEPT_ANSWER]
        if not data:
            self.peer_closed = True
            self._closed_early = not self._finishing or unacknowledged(self.connection) > 0

    def _check_error(self, came: int) -> None:
        if came & select.POLLERR:
            number = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            raise InterruptedTransferError(number, os.strerror(number) if number else "the connection broke")

    def _check_progress(self) -> None:
        waiting = unacknowledged(self.connection)
        acknowledged = self._written - waiting
        if acknowledged != self._acknowledged or not waiting:
            self._acknowledged = acknowledged
            self._last_progress = time.monotonic()
        elif time.monotonic() - self._last_progress > self._stall_deadline:
            raise InterruptedTransferError(
                say("it took nothing for %(stall_deadline)s s", stall_deadline=f"{self._stall_deadline:.0f}")
            )
