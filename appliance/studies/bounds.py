"""How many sequence items a data set may have: eight bytes of it become a thousand in memory once they are read."""

from __future__ import annotations

from pathlib import Path

from appliance.errors import DamagedError
from appliance.words import say

MOST_ITEMS = 200_000
"""In a whole instance. Ten thousand frames with all their macros have half of it."""
MOST_ITEMS_OF_A_KEY = 20_000
"""In one sequence the index reads."""
_MARKS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # the item tag in either byte order
_BLOCK = 1 << 22


def items_in(data: bytes) -> int:
    """How many items there are in these bytes, at most."""
    return max(data.count(mark) for mark in _MARKS)


def check_items(path: Path, offset: int, frames: int = 0) -> None:
    """Raise DamagedError when a data set has more items than may be read; compressed `frames` have a few each."""
    found = 0
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(_BLOCK):
            found += items_in(block)
    if found > MOST_ITEMS + 4 * frames:
        raise DamagedError(say("it has more than %(most)s sequence items: it may be a bomb", most=f"{MOST_ITEMS:,}"))
