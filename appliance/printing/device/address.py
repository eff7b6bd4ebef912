"""Where a device may connect to: looked up once, checked, and connected to by number.

A printer's address is typed by a person or found by a name that others control; it must not become a way to reach what
only this machine can reach. The name is resolved once and the number that was checked is the one connected to, so an
answer that changes between check and use changes nothing.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from appliance.errors import UsageError
from appliance.network.outside import why_mute
from appliance.printing.device.options import DeviceOptions
from appliance.store.files import failpoint
from appliance.words import say

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class UnreachableError(OSError):
    """No connection was made: nothing left this machine."""


class ForbiddenAddressError(UnreachableError):
    """The address is not one this device may connect to."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A host and port as typed."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def split_uri(uri: str, default_port: int) -> tuple[SplitResult, Endpoint]:
    """A device URI in its parts. Raises UsageError when host or port make no sense."""
    try:
        parts = urlsplit(uri)
        port = parts.port or default_port
    except ValueError as error:
        raise UsageError(say("%(uri)s is no device URI: %(why)s", uri=uri, why=error), field="device_uri") from None
    if not parts.hostname:
        raise UsageError(
            say("%(uri)s names no host; give %(scheme)s://HOST:PORT", uri=uri, scheme=parts.scheme),
            field="device_uri",
        )
    return parts, Endpoint(host=unquote(parts.hostname), port=port)


def plain_address(text: str) -> IPAddress:
    """The address meant by `text`: an IPv4 address inside an IPv6 one is that IPv4 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def forbidden(address: IPAddress, options: DeviceOptions) -> str:
    """Why `address` may not be connected to, or ""."""
    if address.is_multicast or address.is_unspecified or address in ipaddress.ip_network("0.0.0.0/8"):
        return say("is no address of a printer")
    if str(address) == "255.255.255.255":
        return say("is no address of a printer")
    if address.is_loopback:
        return "" if options.allow_loopback else say("is this machine itself")
    if options.allowed_networks:
        networks = [ipaddress.ip_network(text, strict=False) for text in options.allowed_networks]
        return "" if any(address in network for network in networks) else say("is outside the allowed networks")
    return say("is link-local") if address.is_link_local else ""


def resolve(endpoint: Endpoint, options: DeviceOptions, deadline: float) -> list[tuple[int, tuple]]:
    """(family, socket address) of each allowed address of the host.

    Raises UnreachableError when there is none within `deadline` seconds, ForbiddenAddressError when none is allowed.
    """
    found = _look_up(endpoint, deadline)
    reasons = []
    allowed = []
    for family, address in found:
        reason = forbidden(plain_address(str(address[0])), options)
        if reason:
            reasons.append(f"{address[0]} {reason}")
        else:
            allowed.append((family, address))
    if not allowed:
        raise ForbiddenAddressError(
            say("%(host)s is not connected to: %(reasons)s", host=endpoint.host, reasons="; ".join(reasons))
        )
    return allowed


def _look_up(endpoint: Endpoint, deadline: float) -> list[tuple[int, tuple]]:
    """The resolver has no deadline of its own, so it works in a thread that may be left behind."""
    answers: queue.Queue[list | OSError] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(OSError(str(error)))

    try:
        threading.Thread(target=ask, name="resolve", daemon=True).start()
    except RuntimeError as error:  # a machine out of threads: nothing has left, so no film is in doubt
        raise UnreachableError(say("This machine has no thread to spare: %(why)s", why=error)) from error
    try:
        answer = answers.get(timeout=deadline)
    except queue.Empty:
        raise UnreachableError(
            say(
                "The name %(host)s was not resolved within %(deadline)s s",
                host=endpoint.host,
                deadline=f"{deadline:.0f}",
            )
        ) from None
    if isinstance(answer, OSError):
        raise UnreachableError(say("The name %(host)s does not resolve: %(answer)s", host=endpoint.host, answer=answer))
    return [(family, address) for family, _, _, _, address in answer]


class Route:
    """One endpoint, resolved once: each connection of one send goes to an address that was checked then."""

    def __init__(self, endpoint: Endpoint, options: DeviceOptions, deadline: float | None = None) -> None:
        self.endpoint = endpoint
        self.deadline = options.connect_deadline if deadline is None else deadline
        self.addresses = resolve(endpoint, options, self.deadline)

    def connect(self) -> socket.socket:
        """A connected socket. Raises UnreachableError when no address answers.

        One that is mute has its share of the time, and costs it once: what answered goes first from then on.
        """
        end = time.monotonic() + self.deadline
        problem: OSError = UnreachableError(say("no address"))
        for tried, (family, address) in enumerate(self.addresses):
            share = (end - time.monotonic()) / (len(self.addresses) - tried)
            try:
                failpoint("device.connect")
                connection = _connect(family, address, max(0.1, share))
            except OSError as error:
                problem = error
                continue
            self.addresses.insert(0, self.addresses.pop(tried))
            return connection
        why = problem.strerror or str(problem)
        if not isinstance(problem, ConnectionRefusedError):
            why = why_mute(why, (str(address[0]) for _, address in self.addresses))
        raise UnreachableError(say("%(endpoint)s can't be reached: %(why)s", endpoint=self.endpoint, why=why))


def _connect(family: int, address: tuple, deadline: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(deadline)
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except OSError:
        connection.close()
        raise
    return connection
