"""Syslog to a collector: RFC 5424 messages over TLS (RFC 5425), TCP (RFC 6587, octet counting) or UDP (RFC 5426)."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from appliance.config import SyslogSettings
from appliance.errors import DeviceError, SettingError
from appliance.upkeep.limited import Limit
from appliance.words import say

SECURITY = 10
"""Facility: security and authorization messages (PS3.15 A.6)."""
NOTICE, WARNING = 5, 4
MESSAGE_ID = "DICOM+RFC3881"
BOM = b"\xef\xbb\xbf"
SECONDS = 10.0
IN_ALL = 60.0
"""Seconds after which a collector is cut off: one that says something now and then would hold up all upkeep."""
UDP_BYTES = 65_000
UDP_SECONDS = 0.002
"""Between two of them: of 76 at once, rsyslog and syslog-ng lost a dozen from a buffer of 200 KiB."""


def line(at: dt.datetime, host: str, text: bytes, *, severity: int = NOTICE) -> bytes:
    """One message: header, no structured data, the text as UTF-8 with its mark."""
    moment = at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    head = f"<{SECURITY * 8 + severity}>1 {moment} {host or '-'} appliance {os.getpid()} {MESSAGE_ID} - "
    return head.encode("ascii", "replace") + BOM + text


def send(settings: SyslogSettings, lines: Iterable[bytes]) -> None:
    """Send messages. Over TCP and TLS it returns when the collector has read them all.

    Raises DeviceError when it is not there, or went away in between.
    """
    try:
        if settings.transport == "udp":
            _send_datagrams(settings, lines)
        else:
            _send_stream(settings, lines)
    except (OSError, UnicodeError) as error:  # the latter of a name that is none
        where = f"{settings.host} port {settings.port}"
        raise DeviceError(
            say(
                "The audit collector %(where)s can't be reached by %(transport)s: %(why)s.",
                where=where,
                transport=settings.transport,
                why=error,
            )
        ) from error


def _send_datagrams(settings: SyslogSettings, lines: Iterable[bytes]) -> None:
    """UDP tells nothing of its fate: where that matters, use TLS. What it does tell is that an address has no way."""
    datagrams = [each[:UDP_BYTES] for each in lines]
    problem = OSError("it has no address")
    for family, kind, _, _, address in socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as connection:
                connection.connect(address)
                for each in datagrams:
                    connection.send(each)
                    time.sleep(UDP_SECONDS)
                return
        except OSError as error:
            problem = error
    raise problem


def _send_stream(settings: SyslogSettings, lines: Iterable[bytes]) -> None:
    with Limit(IN_ALL) as limit, _connected(settings, limit) as connection:
        for each in lines:
            connection.sendall(b"%d %s" % (len(each), each))
        _wait_until_read(connection)


@contextlib.contextmanager
def _connected(settings: SyslogSettings, limit: Limit) -> Iterator[socket.socket]:
    with limit.connect((settings.host, settings.port), SECONDS) as plain:
        if settings.transport == "tcp":
            yield plain
            return
        context = tls_context(settings.authorities)
        with context.wrap_socket(plain, server_hostname=settings.host) as secured:
            yield secured


def tls_context(authorities: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later, the collector's certificate checked. Raises SettingError."""
    try:
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    except (OSError, ssl.SSLError) as error:
        raise SettingError(
            say(
                "The certificate authorities in %(authorities)s can't be used: %(why)s.",
                authorities=authorities,
                why=error,
            )
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the collector's own certificate is enough, too
    return context


def _wait_until_read(connection: socket.socket) -> None:
    """Say that nothing more comes, and wait for the other end to close: then it has read everything.

    Syslog itself answers nothing. A reset is a loss: ConnectionError. A collector that keeps its end open for long is
    believed.
    """
    with contextlib.suppress(TimeoutError):
        if isinstance(connection, ssl.SSLSocket):
            with contextlib.suppress(ssl.SSLError):  # it may close without TLS' own good-bye
                connection.unwrap()
            return
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
