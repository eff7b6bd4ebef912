"""Connections of upkeep that end in bounded time: a time limit of a socket begins anew with each byte that drips in."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.request
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from appliance.words import say


class Limit:
    """Ends every connection made by it after so many seconds, whatever the other side does."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._twins: list[socket.socket] = []
        self._lock = threading.Lock()
        self.is_over = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for twin in self._twins:
                twin.close()
        if kind is not None and issubclass(kind, Exception):
            self.check(error)

    def check(self, error: BaseException | None = None) -> None:
        """Raises TimeoutError when it is over: an end of what is read may be ours."""
        if self.is_over:
            raise TimeoutError(say("it did not end what it had to say")) from error

    def connect(self, address: tuple[str, int], timeout: float | None = None, source: Any = None) -> socket.socket:
        """As socket.create_connection."""
        connection = socket.create_connection(address, timeout, source)
        with self._lock:
            self._twins.append(connection.dup())  # TLS takes the descriptor over into a socket of its own
        return connection

    def opener(self, *handlers: urllib.request.BaseHandler | type[urllib.request.BaseHandler]) -> Any:
        """As urllib.request.build_opener, for addresses by http and https."""
        return urllib.request.build_opener(_Http(self), _Https(self), *handlers)

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            for twin in self._twins:
                with suppress(OSError):
                    twin.shutdown(socket.SHUT_RDWR)


def _limited(limit: Limit, kind: type[http.client.HTTPConnection], *args: Any, **more: Any) -> Any:
    connection: Any = kind(*args, **more)
    connection._create_connection = limit.connect
    return connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, limit: Limit) -> None:
        super().__init__()
        self._limit = limit

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(_limited, self._limit, http.client.HTTPConnection), req)  # type: ignore[arg-type]


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, limit: Limit) -> None:
        super().__init__()
        self._limit = limit

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(partial(_limited, self._limit, http.client.HTTPSConnection), req)  # type: ignore[arg-type]
