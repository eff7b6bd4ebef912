"""Who is in: connections without an association, and associations, counted in all and per address.

A peer that only connects costs no association: it waits in a small room of its own, from which the oldest connection
of the address that holds most of it is put out when it is full.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter

from appliance.network.incidents import Reporter
from appliance.network.limits import Limits


class Connection:
    """One accepted TCP connection, from accept to its end."""

    def __init__(self, sock: socket.socket, address: str) -> None:
        self.address = address
        self.since = time.monotonic()
        self._socket = sock
        self._dropped = False

    def goes_on_by(self, sock: socket.socket) -> None:
        """TLS took the descriptor over into a socket of its own."""
        self._socket = sock
        if self._dropped:  # in between: there was none to be ended
            self.drop()

    def drop(self) -> None:
        """End it from another thread; the owner sees a closed connection and closes the descriptor."""
        self._dropped = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # past TLS, which is its owner's thread's


class Gate:
    """Counts connections and associations of one group of ports."""

    def __init__(self, limits: Limits, report: Reporter) -> None:
        self.limits = limits
        self._report = report
        self._lock = threading.Lock()
        self._pending: dict[Connection, None] = {}  # in order of arrival
        self._associated: dict[Connection, None] = {}
        self._per_address: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Connections without an association."""
        return len(self._pending)

    @property
    def associated(self) -> int:
        """Established associations."""
        return len(self._associated)

    @property
    def is_crowded(self) -> bool:
        """Whether three quarters of the places are taken."""
        return self.associated * 4 >= self.limits.associations * 3

    def enter(self, connection: Connection) -> None:
        """A new connection; puts another out when there are too many without an association."""
        with self._lock:
            self._pending[connection] = None
            victim = self._greediest() if len(self._pending) > self.limits.pending else None
            if victim is not None:
                del self._pending[victim]
        if victim is not None:
            self._report("connection-dropped", victim.address, "too many connections without an association")
            victim.drop()

    def _greediest(self) -> Connection:
        held = Counter(connection.address for connection in self._pending)
        most = held.most_common(1)[0][1]
        return next(connection for connection in self._pending if held[connection.address] == most)

    def admit(self, connection: Connection) -> str:
        """The peer has asked for an association: "" when there is room for it, else which limit it has met."""
        limits = self.limits
        with self._lock:
            if len(self._associated) >= limits.associations:
                return f"{limits.associations} associations are open (dicom.associations)"
            if self._per_address[connection.address] >= limits.associations_per_address:
                most = limits.associations_per_address
                return f"{most} associations of its address are open (dicom.associations_per_address)"
            self._pending.pop(connection, None)
            self._associated[connection] = None
            self._per_address[connection.address] += 1
        return ""

    def leave(self, connection: Connection) -> None:
        """The connection has ended, whatever it was. More than once does no harm."""
        with self._lock:
            self._pending.pop(connection, None)
            if connection in self._associated:
                del self._associated[connection]
                self._per_address[connection.address] -= 1
                self._per_address += Counter()  # forgets addresses at zero
