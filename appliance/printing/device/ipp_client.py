"""One IPP operation after the other over HTTP (RFC 8010 section 4), each on a connection of its own.

A document is streamed from disk; nothing a printer answers is read beyond 1 MB or past a deadline; no redirect is
followed.
"""

from __future__ import annotations

import base64
import http.client
import io
import itertools
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from appliance.errors import SettingError
from appliance.printing.device import ipp_message as ipp
from appliance.printing.device.address import ForbiddenAddressError, Route, UnreachableError
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.wire import Wire, unacknowledged
from appliance.words import say

MAX_ANSWER = 1024 * 1024  # bytes of an answer
ANSWER_DEADLINE = 30.0  # seconds for the answer to an operation without a document


class HttpRefusedError(Exception):
    """The printer's HTTP server answered with something other than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP status {status}")
        self.status = status


class UntrustedError(ForbiddenAddressError):
    """The printer's certificate is not to be trusted."""


# What an operation may end with when the printer or the network does not do its part
PROBLEMS = (OSError, ipp.MalformedMessageError, http.client.HTTPException, HttpRefusedError)


def tls_context(options: DeviceOptions) -> ssl.SSLContext:
    """How ipps connections are secured. Raises SettingError when the file of authorities can't be read."""
    try:
        context = ssl.create_default_context(cafile=str(options.tls_ca_file) if options.tls_ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            say("%(tls_ca_file)s holds no certificates: %(why)s", tls_ca_file=options.tls_ca_file, why=error),
            field="tls_ca_file",
        ) from None
    if not options.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class IppClient:
    """Operations on one printer, over addresses that were resolved and checked once."""

    def __init__(
        self,
        route: Route,
        *,
        printer_uri: str,
        path: str,
        context: ssl.SSLContext | None,
        options: DeviceOptions,
        idle: Callable[[], None] = lambda: None,
        answer_deadline: float = ANSWER_DEADLINE,
    ) -> None:
        self.route = route
        self.printer_uri = printer_uri
        self.path = path
        self.context = context
        self.options = options
        self.idle = idle
        self.answer_deadline = answer_deadline
        self.version = 0x0200
        self._request_ids = itertools.count(1)

    def call(self, operation: str, attributes: bytes = b"", job_attributes: bytes = b"") -> ipp.IppMessage:
        """One operation without a document. Raises one of PROBLEMS."""
        answer = self._post(self._request(operation, attributes, job_attributes), (), 0, self.answer_deadline)
        if answer.status_code == 0x0503 and self.version != 0x0101:
            self.version = 0x0101
            return self.call(operation, attributes, job_attributes)
        return answer

    def call_with(
        self, operation: str, attributes: bytes, job_attributes: bytes, chunks: Iterable[bytes], size: int
    ) -> ipp.IppMessage:
        """One operation with a document of `size` bytes behind it. Raises one of PROBLEMS."""
        head = self._request(operation, attributes, job_attributes)
        return self._post(head, chunks, size, self.options.close_deadline)

    def _request(self, operation: str, attributes: bytes, job_attributes: bytes) -> bytes:
        attributes = ipp.text("printer-uri", ipp.URI, self.printer_uri, 1023) + attributes
        return ipp.request(operation, next(self._request_ids), attributes, job_attributes, self.version)

    def _post(self, head: bytes, chunks: Iterable[bytes], size: int, answer_deadline: float) -> ipp.IppMessage:
        connection = self._connect()
        try:
            wire = Wire(connection, stall_deadline=self.options.stall_deadline, idle=self.idle, drain=False)
            wire.send(self._headers(len(head) + size) + head)
            problem = self._stream(wire, chunks)
            return self._answer(wire, answer_deadline, problem)
        finally:
            connection.close()

    def _connect(self) -> socket.socket:
        connection = self.route.connect()
        if self.context is None:
            return connection
        try:
            return self.context.wrap_socket(connection, server_hostname=self.route.endpoint.host)
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise UntrustedError(
                say("its certificate is not trusted: %(verify_message)s", verify_message=error.verify_message)
            ) from None
        except (OSError, ValueError) as error:
            connection.close()
            raise UnreachableError(say("no TLS connection: %(why)s", why=error)) from None

    def _headers(self, length: int) -> bytes:
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: {self.route.endpoint}",
            "User-Agent: appliance IPP/2.0",
            "Content-Type: application/ipp",
            f"Content-Length: {length}",
            "Accept: application/ipp",
            "Connection: close",
        ]
        if self.options.username and self.context is not None:
            word = base64.b64encode(f"{self.options.username}:{self.options.password}".encode()).decode()
            lines.append(f"Authorization: Basic {word}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _stream(self, wire: Wire, chunks: Iterable[bytes]) -> OSError | None:
        """Send the document; the error when the printer stopped taking it (it may still have said why)."""
        for chunk in chunks:
            if self.context is None and _readable(wire.connection):
                return UnreachableError(say("it answered before it had the document"))
            try:
                wire.send(chunk)
            except OSError as error:
                return error
        return None

    def _answer(self, wire: Wire, deadline: float, problem: OSError | None) -> ipp.IppMessage:
        """The printer's answer. When the connection broke and there is none, that error is raised."""
        end = time.monotonic() + deadline
        try:
            while problem is None and not _readable(wire.connection):
                wire.wait(select.POLLIN)
                if unacknowledged(wire.connection):
                    end = time.monotonic() + deadline  # it still takes the document
                elif time.monotonic() > end:
                    break
        except OSError as error:
            problem = error
        if problem is None:
            return _read_answer(wire.connection, max(1.0, end - time.monotonic()))
        with suppress(*PROBLEMS):
            return _read_answer(wire.connection, 1.0)
        raise problem


def _readable(connection: socket.socket) -> bool:
    if isinstance(connection, ssl.SSLSocket) and connection.pending():
        return True
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _read_answer(connection: socket.socket, deadline: float) -> ipp.IppMessage:
    """Read an HTTP answer with an IPP message in it, all within `deadline` seconds."""
    response = http.client.HTTPResponse(_Reader(connection, deadline), method="POST")  # type: ignore[arg-type]
    response.begin()
    if response.status != 200:
        raise HttpRefusedError(response.status)
    data = response.read(MAX_ANSWER + 1)
    if len(data) > MAX_ANSWER:
        raise ipp.MalformedMessageError(say("an answer of more than %(max_answer)s bytes", max_answer=MAX_ANSWER))
    return ipp.parse(data)


class _Reader(io.RawIOBase):
    """Stands for the socket of an HTTPResponse: one deadline and one limit for everything read."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        super().__init__()
        self._connection = connection
        self._end = time.monotonic() + deadline
        self._left = 2 * MAX_ANSWER

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = self._end - time.monotonic()
        if left <= 0 or self._left <= 0:
            raise TimeoutError(say("the answer was too slow or too long"))
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        self._left -= count
        return count
