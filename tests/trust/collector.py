"""A syslog collector that listens: by UDP, TCP or TLS, as RFC 5424, 5425, 5426 and 6587 have it."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.trust.conftest import Identity

HEADER = re.compile(rb"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) - \xef\xbb\xbf")


@dataclass
class Collector:
    """What has come."""

    port: int = 0
    received: list[bytes] = field(default_factory=list)

    def bodies(self) -> list[bytes]:
        """The messages behind their headers. Raises AssertionError for a header that is none."""
        found = [HEADER.match(each) for each in self.received]
        assert all(found), self.received
        return [each[match.end() :] for each, match in zip(self.received, found, strict=True) if match]

    def wait_for(self, count: int) -> None:
        eventually(lambda: len(self.received) >= count)


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


@contextlib.contextmanager
def collecting(transport: str, identity: Identity | None = None, port: int = 0) -> Iterator[Collector]:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.settimeout(0.1)
        collector = Collector(listener.getsockname()[1])
        stop = threading.Event()
        if transport == "udp":
            work: Callable[[], None] = lambda: _datagrams(listener, collector, stop)  # noqa: E731
        else:
            listener.listen()
            work = lambda: _streams(listener, collector, stop, identity)  # noqa: E731
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield collector
        finally:
            stop.set()
            thread.join()


def _datagrams(listener: socket.socket, collector: Collector, stop: threading.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            collector.received.append(listener.recv(65536))


def _streams(listener: socket.socket, collector: Collector, stop: threading.Event, identity: Identity | None) -> None:
    while not stop.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        connection.settimeout(10)
        with contextlib.suppress(OSError), connection:
            if identity is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(identity.certificate, identity.key)
                connection = context.wrap_socket(connection, server_side=True)
            collector.received += _frames(connection)
            connection.close()


def _frames(connection: socket.socket) -> Iterator[bytes]:
    """Octet counting: the length in digits, a space, that many bytes."""
    with connection.makefile("rb") as stream:
        while digits := stream.read(1):
            while (byte := stream.read(1)) != b" ":
                digits += byte
            yield stream.read(int(digits))
