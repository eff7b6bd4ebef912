"""A deflated data set laid out flat (PS3.5 A.5): Explicit VR Little Endian, bounded, never whole in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import DamagedError
from appliance.words import say

MOST_INFLATED = 4 << 30
"""Bytes of one data set; a file on a disc has less."""
_BLOCK = 1 << 20


def inflated(path: Path, offset: int, limit: int = MOST_INFLATED) -> Iterator[bytes]:
    """The bytes of the data set that begins at `offset` of a file, in blocks. Raises DamagedError beyond `limit`."""
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    done = 0
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while not machine.eof and (block := machine.unconsumed_tail or file.read(_BLOCK)):
                piece = machine.decompress(block, _BLOCK)
                done += len(piece)
                if done > limit:
                    raise DamagedError(_too_large(limit))
                yield piece
    except zlib.error as error:
        raise DamagedError(say("it can't be inflated: %(why)s", why=str(error))) from error
    if not machine.eof:
        raise DamagedError(say("it ends before its deflated data set does"))


def _too_large(limit: int) -> str:
    return say("its deflated data set is larger than %(limit)s MiB: it may be a bomb", limit=limit >> 20)
