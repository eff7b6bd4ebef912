from __future__ import annotations

import ipaddress
import socket
import threading
import time

import pytest

from appliance.errors import UsageError
from appliance.printing.device import address
from appliance.printing.device.address import Endpoint, ForbiddenAddressError, Route, plain_address, split_uri
from appliance.printing.device.options import DeviceOptions
from tests.support.black_hole import black_hole, names
from tests.support.fault_printers import SocketPrinter

DEFAULT = DeviceOptions()
NARROW = DeviceOptions(allow_loopback=False, allowed_networks=("192.0.2.0/24", "2001:db8::/32"))

# (address, options) -> allowed
RULES = [
    ("192.0.2.7", DEFAULT, True),
    ("127.0.0.1", DEFAULT, True),
    ("::1", DEFAULT, True),
    ("0.0.0.0", DEFAULT, False),
    ("0.1.2.3", DEFAULT, False),
    ("::", DEFAULT, False),
    ("255.255.255.255", DEFAULT, False),
    ("169.254.169.254", DEFAULT, False),
    ("::ffff:169.254.169.254", DEFAULT, False),
    ("2002:a9fe:a9fe::1", DEFAULT, False),
    ("fe80::1%eth0", DEFAULT, False),
    ("224.0.0.251", DEFAULT, False),
    ("ff02::fb", DEFAULT, False),
    ("192.0.2.7", NARROW, True),
    ("2001:db8::7", NARROW, True),
    ("198.51.100.7", NARROW, False),
    ("::ffff:198.51.100.7", NARROW, False),
    ("127.0.0.1", NARROW, False),
    ("127.8.8.8", NARROW, False),
    ("::1", NARROW, False),
    ("::ffff:127.0.0.1", NARROW, False),
    ("169.254.1.1", DeviceOptions(allowed_networks=("169.254.0.0/16",)), True),
]


@pytest.mark.parametrize(("text", "options", "allowed"), RULES)
def test_an_address_is_allowed_or_not(text: str, options: DeviceOptions, allowed: bool) -> None:
    assert (not address.forbidden(plain_address(text), options)) is allowed


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "::ffff:127.0.0.1"])
def test_this_machine_is_known_by_any_name(host: str) -> None:
    with pytest.raises(ForbiddenAddressError, match="is not connected to"):
        Route(Endpoint(host=host, port=9100), DeviceOptions(allow_loopback=False))


def test_a_name_that_changes_its_address_does_not_change_where_we_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    printer = SocketPrinter()
    answers = iter([("127.0.0.1", printer.port), ("169.254.169.254", 80)])

    def rebinding(*_: object, **__: object) -> list[tuple]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", next(answers))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    route = Route(Endpoint(host="printer.example", port=9100), DEFAULT)
    for _ in range(3):
        with route.connect() as connection:
            assert connection.getpeername() == ("127.0.0.1", printer.port)
    printer.stop()


def test_an_address_that_is_mute_leaves_time_for_the_next_and_is_asked_last_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printer = SocketPrinter()
    good = ("127.0.0.1", printer.port)
    with black_hole(printer.port) as mute:
        names(monkeypatch, "printer.example", mute, good)
        route = Route(Endpoint(host="printer.example", port=printer.port), DEFAULT, 2.0)
        begun = time.monotonic()
        for _ in range(4):
            route.connect().close()
        assert time.monotonic() - begun < 1.8
        assert [address for _, address in route.addresses] == [good, mute]
    printer.stop()


@pytest.mark.parametrize(
    ("host", "error", "hinted"),
    [
        ("203.0.113.7", TimeoutError("timed out"), True),
        ("2001:db8::7", TimeoutError("timed out"), True),
        ("203.0.113.7", ConnectionRefusedError(111, "Connection refused"), False),  # systemd let that through
        ("10.1.2.3", TimeoutError("timed out"), False),
        ("fd00::7", TimeoutError("timed out"), False),
    ],
)
def test_a_mute_printer_outside_private_networks_is_told_of_with_what_lets_it_through(
    host: str, error: OSError, hinted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mute(*_: object) -> socket.socket:
        raise error

    monkeypatch.setattr(address, "_connect", mute)
    with pytest.raises(address.UnreachableError) as caught:
        Route(Endpoint(host=host, port=9100), DEFAULT).connect()
    assert ("IPAddressAllow=" in str(caught.value)) is hinted


def test_a_resolver_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: stuck.wait(20))
    with pytest.raises(address.UnreachableError, match="not resolved within"):
        Route(Endpoint(host="printer.example", port=9100), DEFAULT, 0.1)
    stuck.set()


def test_a_machine_out_of_threads_has_connected_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(address.UnreachableError, match="no thread to spare"):
        Route(Endpoint(host="printer.example", port=9100), DEFAULT, 0.1)


@pytest.mark.parametrize("uri", ["socket://", "socket:///x", "socket://host:99999", "socket://host:x", "socket://[::1"])
def test_a_uri_without_a_host_and_port_is_refused(uri: str) -> None:
    with pytest.raises(UsageError):
        split_uri(uri, 9100)


def test_a_uri_names_host_and_port() -> None:
    assert split_uri("socket://printer.example", 9100)[1] == Endpoint(host="printer.example", port=9100)
    assert str(split_uri("ipp://[2001:db8::7]:8631/x", 631)[1]) == "[2001:db8::7]:8631"
    assert ipaddress.ip_address(split_uri("lpd://[::1]/q", 515)[1].host).is_loopback
