"""Connections that have not asked for anything yet. They wait in the kernel, at the price of a socket each.

An association is two threads and some sixty kilobytes. A peer gets one once its A-ASSOCIATE-RQ is here, or when what it
sends is something else; one that says nothing, or drips, never does.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.network.waiting import Wake

_HEADER = struct.Struct(">BxL")
_A_ASSOCIATE_RQ = 0x01
_MOST = 4096
"""Bytes of a long request after which it is let in: the kernel need not hold it all."""
_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WATCHED = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One connection."""

    sock: socket.socket
    let_in: Callable[[], None]  # it has spoken
    put_out: Callable[[bool], None]  # it has ended or was too slow; whether it had begun to speak
    deadline: float  # monotonic


class Anteroom:
    """Watches silent connections with one thread."""

    def __init__(self, longest: int) -> None:
        """`longest` is the length of a request that is let in at its header, to be refused."""
        self._longest = longest
        self._lock = threading.Lock()
        self._waiting: dict[int, Waiting] = {}  # by descriptor
        self._wake = Wake()
        self._closed = False
        self._poll = select.epoll()
        self._poll.register(self._wake.fileno(), select.EPOLLIN)
        self._thread = threading.Thread(target=self._watch, name="dicom-anteroom", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def enter(self, waiting: Waiting) -> None:
        """Let it in now if it has spoken already, else once it does; put it out at its end or deadline."""
        sock = waiting.sock
        have, needed = self._heard(sock)
        if have >= needed:
            waiting.let_in()
            return
        with self._lock:
            closed = self._closed
            if not closed:
                self._waiting[sock.fileno()] = waiting
                _wake_at(sock, needed)
                self._poll.register(sock.fileno(), _WATCHED)
        if closed:
            waiting.put_out(False)

    def turn(self) -> None:
        """Put out who is past the deadline; called now and then."""
        moment = time.monotonic()
        with self._lock:
            late = [waiting for waiting in self._waiting.values() if waiting.deadline <= moment]
            for waiting in late:
                self._forget(waiting)
        for waiting in late:
            waiting.put_out(self._heard(waiting.sock)[0] > 0)

    def close(self) -> None:
        """Put out all, and end the thread."""
        with self._lock:
            left = list(self._waiting.values())
            self._closed = True
            for waiting in left:
                self._forget(waiting)
        for waiting in left:
            waiting.put_out(False)
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _watch(self) -> None:
        while not self._closed:
            for descriptor, events in self._poll.poll():
                self._look(descriptor, bool(events & _ENDED))
        self._poll.close()
        self._wake.close()

    def _look(self, descriptor: int, ended: bool) -> None:
        with self._lock:
            waiting = self._waiting.get(descriptor)
            if waiting is None:  # the wake-up, or put out meanwhile
                return
            have, needed = self._heard(waiting.sock)
            if have < needed and not ended:
                _wake_at(waiting.sock, needed)
                self._poll.modify(descriptor, _WATCHED)
                return
            self._forget(waiting)
        if have >= needed:
            waiting.let_in()
        else:
            waiting.put_out(False)

    def _heard(self, sock: socket.socket) -> tuple[int, int]:
        """How many bytes are here, and how many must be for it to be let in."""
        start = _peek(sock, _HEADER.size)
        if len(start) < _HEADER.size:
            return len(start), _HEADER.size
        kind, length = _HEADER.unpack(start)
        if kind != _A_ASSOCIATE_RQ or length > self._longest:
            return len(start), _HEADER.size
        needed = min(_HEADER.size + length, _MOST)
        return len(_peek(sock, needed)), needed

    def _forget(self, waiting: Waiting) -> None:
        descriptor = waiting.sock.fileno()
        del self._waiting[descriptor]
        self._poll.unregister(descriptor)
        _wake_at(waiting.sock, 1)


def _peek(sock: socket.socket, count: int) -> bytes:
    """Bytes that are here, left where they are."""
    with contextlib.suppress(OSError):
        return sock.recv(count, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return b""


def _wake_at(sock: socket.socket, count: int) -> None:
    """Have the kernel call a connection readable from so many bytes on."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
