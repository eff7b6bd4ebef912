"""Bytes read ahead: all of them, in order, in memory that grows with what came."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from appliance.network.read_ahead import ReadAhead


def source(data: bytes, chance: random.Random, most: int) -> Callable[[memoryview], int]:
    """A peer that sends `data` in pieces of up to `most` bytes."""
    rest = memoryview(data)

    def receive(view: memoryview) -> int:
        nonlocal rest
        assert len(view) > 0
        count = min(len(view), len(rest), chance.randint(1, most))
        view[:count] = rest[:count]
        rest = rest[count:]
        return count

    return receive


@pytest.mark.parametrize("most", [1, 100, 5000, 70_000, 1 << 20])
def test_every_byte_comes_once_and_in_order(most: int) -> None:
    chance = random.Random(most)
    data = chance.randbytes(2000 if most == 1 else 2_000_000)
    ahead, receive, taken = ReadAhead(), source(data, chance, most), b""
    while True:
        count = chance.choice((6, 12, 1000, 65_541, 131_066))
        if not ahead.fill(count, receive):
            break
        taken += bytes(ahead.take(count))
    assert taken + bytes(ahead.take(len(ahead))) == data


def test_a_long_announcement_costs_no_memory_before_its_bytes_come() -> None:
    ahead = ReadAhead()
    seen = []

    def stalls(view: memoryview) -> int:
        seen.append(len(view))
        return 1 if len(seen) == 1 else 0

    assert not ahead.fill(1 << 30, stalls)
    assert max(seen) <= 4096
