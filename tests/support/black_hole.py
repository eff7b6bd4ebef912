"""An address where nobody answers: its listener's queue is full, so the kernel drops who comes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

ADDRESS = "127.0.0.2"


@contextlib.contextmanager
def black_hole(port: int) -> Iterator[tuple[str, int]]:
    """The socket address, while it swallows what comes."""
    with socket.socket() as listener, contextlib.ExitStack() as callers:
        listener.bind((ADDRESS, port))
        listener.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex((ADDRESS, port))
        yield ADDRESS, port


def names(monkeypatch: pytest.MonkeyPatch, host: str, *addresses: tuple[str, int]) -> None:
    """Have `host` mean these socket addresses, in this order."""
    real = socket.getaddrinfo

    def look_up(name: object, *rest: object, **named: object) -> list:
        if name != host:
            return real(name, *rest, **named)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
