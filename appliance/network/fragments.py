"""Messages cut into P-DATA-TF PDUs (PS3.8 9.3.5 and Annex E)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

_BLOCK = 128 * 1024
_UNLIMITED = 128 * 1024
_OVERHEAD = 6  # item length, context ID, message control header
_COMMAND, _LAST = 1, 2

Buffer = bytes | memoryview


def fragment_length(maximum_pdu: int | None) -> int:
    """Bytes of a fragment for a peer's maximum length, even (PS3.8 E.2); where it sets none, ours."""
    length = (maximum_pdu or _UNLIMITED) - _OVERHEAD
    return max(2, length - length % 2)


def message_fragments(command: bytes, body: Iterable[Buffer], maximum_pdu: int | None) -> Iterator[tuple[int, Buffer]]:
    """(message control header, fragment) of a whole message; an empty body is no data set."""
    length = fragment_length(maximum_pdu)
    yield from _flagged(_pieces([command], length), _COMMAND)
    yield from _flagged(_pieces(body, length), 0)


def _pieces(buffers: Iterable[Buffer], length: int) -> Iterator[Buffer]:
    """`buffers` one after the other in pieces of `length` bytes, whatever their own lengths: fragments are even."""
    carry = b""
    for buffer in buffers:
        view = memoryview(buffer)
        start = 0
        if carry:
            start = min(length - len(carry), len(view))
            carry += bytes(view[:start])
            if len(carry) < length:
                continue
            yield carry
        end = len(view) - (len(view) - start) % length
        for position in range(start, end, length):
            yield view[position : position + length]
        carry = bytes(view[end:])
    if carry:
        yield carry


def _flagged(pieces: Iterator[Buffer], kind: int) -> Iterator[tuple[int, Buffer]]:
    piece = next(pieces, None)
    while piece is not None:
        following = next(pieces, None)
        yield kind | (_LAST if following is None else 0), piece
        piece = following


def pdu_blocks(context_id: int, fragments: Iterable[tuple[int, Buffer]]) -> Iterator[bytes]:
    """P-DATA-TF PDUs, one fragment each, several small PDUs together in a block to be written at once."""
    waiting: list[Buffer] = []
    size = 0
    for control, fragment in fragments:
        waiting += (struct.pack(">BxLLBB", 4, len(fragment) + 6, len(fragment) + 2, context_id, control), fragment)
        size += len(fragment)
        if size >= _BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
