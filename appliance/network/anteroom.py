"""Connections that have not asked for anything yet. They wait in the kernel, at the price of a socket each.

An association is two threads and some sixty kilobytes, a TLS handshake a thread and fifty. A peer gets them once its
A-ASSOCIATE-RQ or its ClientHello is here, or when what it sends is something else; one that says nothing, or drips,
never does.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.network.waiting import Wake

_PDU = struct.Struct(">BxL")
_A_ASSOCIATE_RQ = 0x01
_RECORD = struct.Struct(">BxxHx")
"""A TLS record (RFC 8446 5.1) and a byte of what it holds: as long as a PDU's header."""
_HANDSHAKE = 0x16
_HEAD = _PDU.size
_MOST = 4096
"""Bytes of a long request after which it is let in: the kernel need not hold it all."""

Opening = Callable[[bytes], int]
"""From a connection's first six bytes, how many must be here for it to be let in."""


def association_request(longest: int) -> Opening:
    """What opens a DICOM port (PS3.8 9.3.2); one longer than `longest` is let in at its header, to be refused."""

    def needed(head: bytes) -> int:
        kind, length = _PDU.unpack(head)
        return _HEAD + length if kind == _A_ASSOCIATE_RQ and length <= longest else _HEAD

    return needed


def announced(sock: socket.socket) -> tuple[int, int]:
    """Kind and length of the PDU that begins a connection, as its header says (PS3.8 9.3.1); zeros for none."""
    head = _peek(sock, _HEAD)
    return _PDU.unpack(head) if len(head) == _HEAD else (0, 0)


def client_hello(head: bytes) -> int:
    """What opens a TLS port: the first record, if it is of a handshake."""
    kind, length = _RECORD.unpack(head)
    return max(_HEAD, _RECORD.size - 1 + length) if kind == _HANDSHAKE else _HEAD


_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WATCHED = select.EPOLLIN | select.EPOLLRDHUP


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One connection."""

    sock: socket.socket
    let_in: Callable[[], None]  # it has spoken
    put_out: Callable[[bool], None]  # it has ended or was too slow; whether it had begun to speak
    deadline: float  # monotonic


class Anteroom:
    """The silent connections of one listener, watched together with it. Its thread alone comes here."""

    def __init__(self, listener: int, opening: Opening) -> None:
        """`listener` is a descriptor."""
        self._listener = listener
        self._opening = opening
        self._waiting: dict[int, Waiting] = {}  # by descriptor
        self._wake = Wake()
        self._poll = select.epoll()
        self._poll.register(self._wake.fileno(), select.EPOLLIN)
        self._poll.register(listener, select.EPOLLIN)

    def enter(self, waiting: Waiting) -> None:
        """Let it in now if it has spoken already, else once it does; put it out at its end or deadline."""
        sock = waiting.sock
        have, needed = self._heard(sock)
        if have >= needed:
            waiting.let_in()
            return
        _wake_at(sock, needed)
        self._poll.register(sock.fileno(), _WATCHED)
        self._waiting[sock.fileno()] = waiting

    def turn(self, seconds: float) -> bool:
        """Wait so long for something to happen, see to those who wait; whether somebody is at the door."""
        events = dict(self._poll.poll(seconds))
        for descriptor, what in events.items():
            if descriptor in self._waiting:
                self._look(self._waiting[descriptor], bool(what & _ENDED))
        moment = time.monotonic()
        for waiting in [each for each in self._waiting.values() if each.deadline <= moment]:
            self._forget(waiting)
            waiting.put_out(self._heard(waiting.sock)[0] > 0)
        return self._listener in events

    def wake(self) -> None:
        """End a turn that waits; from any thread."""
        self._wake.set()

    def close(self) -> None:
        """Put out all. After the listener's thread has ended."""
        for waiting in list(self._waiting.values()):
            self._forget(waiting)
            waiting.put_out(False)
        self._poll.close()
        self._wake.close()

    def _look(self, waiting: Waiting, ended: bool) -> None:
        have, needed = self._heard(waiting.sock)
        if have < needed and not ended:
            _wake_at(waiting.sock, needed)
            return
        self._forget(waiting)
        if have >= needed:
            waiting.let_in()
        else:
            waiting.put_out(False)

    def _heard(self, sock: socket.socket) -> tuple[int, int]:
        """How many bytes are here, and how many must be for it to be let in."""
        head = _peek(sock, _HEAD)
        if len(head) < _HEAD:
            return len(head), _HEAD
        needed = min(self._opening(head), _MOST)
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
