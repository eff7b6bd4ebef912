"""Ports for tests and benchmarks."""

from __future__ import annotations

import contextlib
import random
import socket

_PORTS = range(15_000, 32_000)
"""Below those the system gives to connections and to whoever asks for any port: one of these would soon have it."""
_chance = random.SystemRandom()


def free_port() -> int:
    """A port nobody listens on."""
    while True:
        port = _chance.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
