"""The transport connection with deadlines: no read or write waits longer than it was told.

The socket never blocks; waiting is done by poll() on it and on a wake-up, so that an abort interrupts a stalled peer.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from pynetdicom import evt
from pynetdicom.transport import AddressInformation, AssociationSocket

from appliance.network.read_ahead import ReadAhead
from appliance.network.waiting import LeanEvent

if TYPE_CHECKING:
    from appliance.network.association import BoundedAssociation

Socket = socket.socket

_WAIT_READ = (BlockingIOError, ssl.SSLWantReadError)
_WAIT_WRITE = (BlockingIOError, ssl.SSLWantWriteError)
_LINGER = 0.2
_LINGER_BYTES = 1 << 20


class ConnectionEndedError(Exception):
    """The peer has closed or reset the connection."""


class TooSlowError(Exception):
    """A deadline has passed."""


class InterruptedReadError(Exception):
    """An abort was asked for meanwhile."""


def tune(sock: Socket, user_timeout: float) -> None:
    """Options of every DICOM connection: no Nagle delay, and a dead line noticed."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout * 1000))


class BoundedSocket(AssociationSocket):
    """pynetdicom's socket with deadlines, poll() in place of select(), and no leak of its descriptor."""

    _assoc: BoundedAssociation

    def __init__(
        self,
        assoc: BoundedAssociation,
        client_socket: socket.socket | None = None,
        address: AddressInformation | None = None,
    ) -> None:
        super().__init__(assoc, client_socket, address)
        if client_socket is not None:
            self._ready = LeanEvent()
            self._ready.set()
        self._ahead = ReadAhead()
        self._readable = False  # poll() has just said so
        self._polls: dict[tuple[int, int, bool], select.poll] = {}
        self._writing = threading.Lock()
        if client_socket is not None:
            self._prepare()

    def _prepare(self) -> None:
        sock = self.socket
        if isinstance(sock, socket.socket):
            tune(sock, self._assoc.limits.user_timeout)
            sock.setblocking(False)

    def connect(self, primitive: Any) -> None:
        """Connect (and shake hands, with TLS) within the connection timeout; the reason of a failure is kept."""
        try:
            self._connect(primitive)
            primitive.result = "Evt2"
        except OSError as error:
            self._assoc.connect_error = error
            self._shutdown_socket()
            self.socket = None
            primitive.result = "Evt17"
        finally:
            self.provider_queue.put(primitive)
            self._ready.set()

    def _connect(self, primitive: Any) -> None:
        sock = self.socket
        if sock is None:
            raise ValueError("the socket has been closed")
        sock.settimeout(self._assoc.connection_timeout)
        sock.connect(primitive.address_info.as_tuple)
        if self.tls_args:
            context, hostname = self.tls_args
            sock = self.socket = context.wrap_socket(sock, server_side=False, server_hostname=hostname)
        self._assoc.requestor.address_info = AddressInformation.from_tuple(sock.getsockname())
        self._is_connected = True
        self._prepare()
        evt.trigger(self._assoc, evt.EVT_CONN_OPEN, {"address": primitive.address_info.as_tuple})

    # Reading

    @property
    def ready(self) -> bool:
        """Whether there is something to read; never waits."""
        sock = self.socket
        if sock is None or not self._is_connected:
            return False
        if self.has_bytes:
            return True
        try:
            return bool(self._poll(sock, select.POLLIN, 0))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False

    @property
    def has_bytes(self) -> bool:
        """Whether bytes are known to be here, without asking the kernel."""
        sock = self.socket
        if sock is None:
            return False
        return len(self._ahead) > 0 or self._readable or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)

    def wait(self, timeout: float) -> None:
        """Wait until there is something to read, the provider is woken, or `timeout` seconds have passed."""
        sock = self.socket
        if sock is None or not self._is_connected:
            time.sleep(min(timeout, 0.001))
            return
        if self.has_bytes:
            return
        with contextlib.suppress(OSError, ValueError):
            self._readable = self._poll(sock, select.POLLIN, timeout)

    def _poll(self, sock: Socket, what: int, timeout: float) -> bool:
        """Whether `sock` is ready for `what`; with a timeout the wake-up ends the waiting too."""
        own = sock.fileno()
        key = (own, what, timeout > 0)
        poll = self._polls.get(key)
        if poll is None:
            poll = self._polls[key] = self._new_poll(own, what, wakes=timeout > 0)
        ready = False
        for descriptor, _ in poll.poll(max(0, timeout) * 1000):
            if descriptor == own:
                ready = True
            else:
                self._assoc.dul.wake.clear()
        return ready

    def _new_poll(self, descriptor: int, what: int, wakes: bool) -> select.poll:
        poll = select.poll()
        poll.register(descriptor, what)
        if wakes:
            poll.register(self._assoc.dul.wake.fileno(), select.POLLIN)
        return poll

    @property
    def ahead(self) -> int:
        """Bytes that were read and not yet taken."""
        return len(self._ahead)

    def read(self, count: int, deadline: float) -> memoryview | None:
        """The next `count` bytes, valid until the next read; None when the peer ends before `deadline` (monotonic).

        Raises TooSlowError, InterruptedReadError, and ConnectionEndedError when our own side has closed it meanwhile.
        """
        if len(self._ahead) >= count or self._ahead.fill(count, lambda view: self._receive(view, deadline)):
            return self._ahead.take(count)
        return None

    def _receive(self, view: memoryview, deadline: float) -> int:
        """At least one byte into `view`; 0 when the connection has ended."""
        self._readable = False
        while (sock := self.socket) is not None:
            try:
                return sock.recv_into(view)
            except _WAIT_READ:
                self._await(sock, select.POLLIN, deadline)
            except (OSError, ValueError):
                return 0
        return 0

    def recv(self, nr_bytes: int) -> bytearray:
        """Read `nr_bytes`; none when the peer ends first. Raises TimeoutError past the PDU deadline."""
        try:
            data = self.read(nr_bytes, time.monotonic() + self._assoc.limits.pdu_deadline)
        except TooSlowError as error:
            raise TimeoutError("the PDU did not come in time") from error
        return bytearray() if data is None else bytearray(data)

    def _await(self, sock: Socket, what: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TooSlowError
        if self._assoc.dul.abort_wanted:
            raise InterruptedReadError
        try:
            self._poll(sock, what, left)
        except (OSError, ValueError) as error:
            raise ConnectionEndedError from error

    # Writing

    def send(self, bytestream: bytes) -> None:
        """Send all of it. A peer that does not read, or is gone, ends the connection (Evt17)."""
        try:
            self.write(bytestream, time.monotonic() + self._assoc.limits.send_timeout)
        except TooSlowError:
            self._assoc.incident("peer-does-not-read", "the peer took no bytes for too long")
            self._end()
        except (ConnectionEndedError, InterruptedReadError):
            self._end()
        else:
            if self._assoc.get_handlers(evt.EVT_DATA_SENT):
                evt.trigger(self._assoc, evt.EVT_DATA_SENT, {"data": bytes(bytestream)})

    def write(self, data: bytes | memoryview, deadline: float) -> None:
        """Write all of `data` before `deadline` (monotonic).

        Raises ConnectionEndedError, TooSlowError, InterruptedReadError.
        """
        with self._writing:
            self._write(memoryview(data), deadline)

    def _write(self, view: memoryview, deadline: float) -> None:
        sent = 0
        while sent < len(view):
            sock = self.socket
            if sock is None or not self._is_connected:
                raise ConnectionEndedError
            try:
                sent += sock.send(view[sent:])
            except _WAIT_WRITE:
                self._await(sock, select.POLLOUT, deadline)
            except ssl.SSLWantReadError:
                self._await(sock, select.POLLIN, deadline)
            except (OSError, ValueError) as error:
                raise ConnectionEndedError from error

    def write_now(self, data: bytes) -> int:
        """From any thread: send what the kernel takes at once, if nobody is writing; how many bytes that was.

        None go over TLS: its connection must not be read and written by two threads.
        """
        sock = self.socket
        if sock is None or isinstance(sock, ssl.SSLSocket) or not self._writing.acquire(blocking=False):
            return 0
        try:
            return sock.send(data)
        except (OSError, ValueError):
            return 0
        finally:
            self._writing.release()

    # Ending

    def _end(self) -> None:
        self.shut()
        self.event_queue.put("Evt17")

    def shut(self) -> None:
        """End the connection from any thread, keeping the descriptor until its owner closes it."""
        sock = self.socket
        with contextlib.suppress(OSError):
            if sock is not None:
                sock.shutdown(socket.SHUT_RDWR)

    def cut(self, pdu: bytes) -> None:
        """Send a last PDU as far as the peer takes it, and end.

        What the peer still sends is read and thrown away for a moment: closing over unread bytes makes the kernel send
        a reset that may overtake the PDU.
        """
        with contextlib.suppress(ConnectionEndedError, TooSlowError, InterruptedReadError, OSError):
            self.write(pdu, time.monotonic())
        sock = self.socket
        if sock is None:
            return
        with contextlib.suppress(OSError, ValueError):
            sock.shutdown(socket.SHUT_WR)
            self._throw_away(sock)
        self.shut()

    def _throw_away(self, sock: Socket) -> None:
        buffer = memoryview(bytearray(4096))  # a hundred may be cut at once
        deadline = time.monotonic() + _LINGER
        left = _LINGER_BYTES
        while left > 0 and time.monotonic() < deadline:
            try:
                count = sock.recv_into(buffer)
            except _WAIT_READ:
                poll = select.poll()
                poll.register(sock, select.POLLIN)
                poll.poll(max(0, deadline - time.monotonic()) * 1000)
                continue
            if count == 0:
                return
            left -= count

    def _shutdown_socket(self) -> None:
        """Shut and close. pynetdicom's leaves the descriptor open when the peer was gone first."""
        sock = self.socket
        if sock is not None:
            self.shut()
            with contextlib.suppress(OSError):
                sock.close()
