"""Connections to the page that bring or take too little are put out; those that work are left alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from waitress.channel import HTTPChannel

from appliance.store.store import Store
from appliance.web import serve
from appliance.web.serve import make_server
from appliance.web.slow import IDLE_SECONDS, UNREAD_SECONDS, put_out_the_slow

HEAD = b"GET /login HTTP/1.1\r\nHost: localhost\r\n"
LARGE = b"GET /static/vendor/pico.css HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def server(empty_store: Store) -> Iterator[Any]:
    server = make_server(empty_store)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server
    server.close()
    server.task_dispatcher.shutdown()
    thread.join(5)


def connected(server: Any, *first: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.effective_port), 20)
    for part in first:
        connection.sendall(part)
    return connection


def channels(server: Any) -> list[Any]:
    return list(server.active_channels.values())


def came(server: Any) -> int:
    """Bytes of requests on their way in."""
    waiting = [channel.request for channel in channels(server) if channel.request is not None]
    return sum(request.header_bytes_received + request.body_bytes_received for request in waiting)


def eventually(condition: Callable[[], Any]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


def is_closed(connection: socket.socket) -> bool:
    with suppress(ConnectionResetError):
        while connection.recv(1 << 16):
            pass
    return True


def test_a_request_that_drips_is_put_out_though_it_goes_on_dripping(server: Any) -> None:
    began = time.monotonic()
    with connected(server, HEAD) as drip:
        assert eventually(lambda: came(server) == len(HEAD))
        assert put_out_the_slow(server, began + IDLE_SECONDS - 1) == 0
        drip.sendall(b"X")
        assert eventually(lambda: came(server) == len(HEAD) + 1)
        assert put_out_the_slow(server, time.monotonic() + IDLE_SECONDS + 1) == 1
        assert is_closed(drip)
    assert eventually(lambda: not channels(server))


def test_a_connection_that_asks_nothing_is_put_out(server: Any) -> None:
    with connected(server) as mute:
        assert eventually(lambda: channels(server))
        assert put_out_the_slow(server, time.monotonic() + IDLE_SECONDS + 1) == 1
        assert is_closed(mute)


def test_a_body_that_comes_fast_enough_may_take_its_time(server: Any) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
    with connected(server, head, b"x" * 100_000) as slow:
        assert eventually(lambda: came(server) >= 100_000)
        assert put_out_the_slow(server, time.monotonic() + IDLE_SECONDS + 60) == 0
        slow.sendall(b"x" * 100_000)
        assert slow.recv(13).startswith(b"HTTP/1.1 4")


def test_a_connection_in_use_is_not_idle(server: Any) -> None:
    with connected(server) as browser:
        for _ in range(2):
            [channel] = channels(server) if eventually(lambda: channels(server)) else [None]
            channel._since -= IDLE_SECONDS - 5
            browser.sendall(HEAD + b"\r\n")
            assert browser.recv(15) == b"HTTP/1.1 200 OK"
            while b"</html>" not in browser.recv(1 << 16):
                pass
        assert put_out_the_slow(server, time.monotonic() + 10) == 0


def test_an_answer_that_nobody_reads_is_given_up(server: Any) -> None:
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", int(server.effective_port)))
        deaf.sendall(LARGE * 400)  # some 30 MB of answers: more than the kernel holds for it
        assert eventually(lambda: [channel for channel in channels(server) if channel.total_outbufs_len])
        [channel] = channels(server)
        unsent = -1
        while unsent != channel.total_outbufs_len:
            unsent = channel.total_outbufs_len
            time.sleep(0.3)
        now = time.monotonic()
        assert put_out_the_slow(server, now) == 0
        assert put_out_the_slow(server, now + UNREAD_SECONDS - 1) == 0
        assert put_out_the_slow(server, now + UNREAD_SECONDS + 1) == 1
        assert eventually(lambda: not channels(server))


def test_few_descriptors_mean_few_connections(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one left a caller is neither taken nor gone, and the loop turns over it, with a traceback each time."""
    monkeypatch.setattr(serve.resource, "getrlimit", lambda _: (64, 64))
    assert serve.adjustments(empty_store)["connection_limit"] == 32


def test_a_connection_that_ends_while_it_is_put_out_does_no_harm(server: Any) -> None:
    with connected(server):
        assert eventually(lambda: channels(server))
        (seen,) = channels(server)
    assert eventually(lambda: not channels(server) and seen.socket is None)
    seen.put_out()


def test_one_that_is_looked_at_while_it_is_being_made_does_no_harm(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter, put_out = HTTPChannel.add_channel, []

    def looked_at(channel: Any, *rest: Any) -> None:
        enter(channel, *rest)
        put_out.append(put_out_the_slow(server))

    monkeypatch.setattr(HTTPChannel, "add_channel", looked_at)
    with connected(server, LARGE) as one:
        assert one.recv(12) == b"HTTP/1.1 200"
    assert put_out == [0]


def test_a_crowd_of_one_address_keeps_nobody_else_out(
    empty_store: Store, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(serve, "CONNECTIONS", 20)
    server = request.getfixturevalue("server")
    port, began = server.effective_port, time.monotonic()
    with ExitStack() as crowd:
        waiting = crowd.enter_context(connected(server, HEAD))  # slow, not greedy
        assert eventually(lambda: came(server))
        for _ in range(30):
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.0.2", 0)))
        assert eventually(lambda: len(channels(server)) >= 18)
        with connected(server, LARGE) as person:
            person.settimeout(0.1)

            def answered() -> bool:
                put_out_the_slow(server, began)
                with suppress(TimeoutError):
                    return person.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
                return False

            assert eventually(answered)
        waiting.sendall(b"\r\n")
        assert waiting.recv(12) == b"HTTP/1.1 200"
