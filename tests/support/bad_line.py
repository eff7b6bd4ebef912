"""A line to another machine that loses packets or goes dead without a word: no netem is needed, nor a second machine.

The other machine is a network namespace. Between the two tunnels (tun(4)) a thread carries the packets, or does not.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
CLONE_NEWNET = 0x40000000
LONGEST = 65536


class BadLine:
    """From here (`near`, an address of ours) to the other machine (`far`)."""

    def __init__(self) -> None:
        number = os.getpid() % 16384
        network = f"10.231.{number >> 6}.{(number & 63) << 2}"
        first = network.rpartition(".")
        self.near, self.far = (f"{first[0]}.{int(first[2]) + each}" for each in (1, 2))
        self.name = f"faults-{os.getpid()}"
        self.loss = 0.0  # of packets, each way
        self.dead = False
        self.lost = 0
        self._chance = random.Random(1)
        self._over = threading.Event()
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self._ends = [
            _tunnel(f"faults{os.getpid()}", self.near),
            self.inside(lambda: _tunnel(f"faults{os.getpid()}", self.far)),
        ]
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def inside(self, work: Callable[[], T]) -> T:
        """Do `work` at the other machine: sockets of its thread, and of threads it starts, are that one's."""
        found: list[T] = []
        thread = threading.Thread(target=lambda: found.append(self._there(work)))
        thread.start()
        thread.join()
        assert found, "it failed at the other machine"
        return found[0]

    def _there(self, work: Callable[[], T]) -> T:
        with Path(f"/run/netns/{self.name}").open("rb") as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0
        return work()

    def _carry(self) -> None:
        near, far = self._ends
        while not self._over.is_set():
            ready, _, _ = select.select(self._ends, [], [], 0.2)
            for end in ready:
                packet = os.read(end, LONGEST)
                if self.dead or self._chance.random() < self.loss:
                    self.lost += 1
                    continue
                with contextlib.suppress(OSError):  # the first ones are of IPv6, which has no address here
                    os.write(far if end == near else near, packet)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for end in self._ends:
            os.close(end)
        subprocess.run(["ip", "netns", "del", self.name], check=True)


def _tunnel(name: str, address: str) -> int:
    """A tunnel in the namespace of the caller; its descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    subprocess.run(["ip", "address", "add", f"{address}/30", "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return descriptor


@contextlib.contextmanager
def bad_line() -> Iterator[BadLine]:
    """A line that is good at first. Skips where it can't be made."""
    if os.getuid() or not Path("/dev/net/tun").exists():
        pytest.skip("a line that loses packets needs root and /dev/net/tun")
    made = BadLine()
    try:
        yield made
    finally:
        made.close()
