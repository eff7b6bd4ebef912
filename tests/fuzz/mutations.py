"""Ways to spoil a recorded association, each at the level where it hurts: PDU, fragment, command, data set, value.

Everything is drawn from one `random.Random`, so that a seed and a number name a case for ever.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

from appliance.network.commands import encode_command
from tests.fuzz.recording import Association, Message

LENGTHS = (0, 1, 2, 3, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
TEXTS = (
    b"",
    b"\0",
    b"../../etc/passwd",
    b"\xff\xfe\x00\x01",
    b"9" * 65,
    b"1.2.3\0.4",
    b"A\nB",
    b"\x1b$B\x1b(B",
    b"\\" * 40,
    b"%s%n{7*7}",
    b"\xe2\x80\xae<script>",
    b"-1",
    b"99999999999999999999",
    b"STANDARD\\999,999",
    b"1e309",
    b"X" * 70000,
)
PDATA = 16000


Names = dict[bytes, bytes]
"""Recorded UID → the one the server has given this time."""
Step = Callable[[Names], bytes]


def draw(chance: random.Random, recorded: list[Association]) -> tuple[Association, list[Step]]:
    """One case: an association, spoilt, as steps that make the bytes to send (the first asks for the association)."""
    case = deepcopy(chance.choice(recorded))
    wire: list[Step] = [lambda names: case.request]
    spoilt = chance.sample(range(len(case.messages)), min(len(case.messages), chance.choice((0, 1, 1, 1, 2))))
    for number in spoilt:
        chance.choice(ON_MESSAGES)(chance, case.messages[number])
    if chance.random() < 0.15:
        chance.shuffle(case.messages)
    wire += [partial(encoded, chance, message) for message in case.messages]
    if not spoilt or chance.random() < 0.2:
        place = chance.randrange(len(wire))
        wire[place] = partial(_spoilt, chance, chance.choice(ON_BYTES), wire[place])
    return case, wire


def _spoilt(
    chance: random.Random, mutation: Callable[[random.Random, bytes], bytes], step: Step, names: Names
) -> bytes:
    return mutation(chance, step(names))


def encoded(chance: random.Random, message: Message, names: Names) -> bytes:
    """A message as P-DATA-TF; now and then in odd pieces."""
    raw = message.command.get("raw")
    live = {key: names.get(str(value).encode(), b"").decode() or value for key, value in message.command.items()}
    command = raw if raw is not None else encode_command(live)
    size = chance.choice((PDATA, PDATA, PDATA, 1, 7, 4096)) if len(message.data) < 4000 else PDATA
    parts = _fragments(message.context, command, 1, max(size, 16)) + _fragments(message.context, message.data, 0, size)
    return b"".join(_pdu(4, part) for part in parts)


def _fragments(context: int, data: bytes, kind: int, size: int) -> list[bytes]:
    pieces = [data[place : place + size] for place in range(0, len(data), size)]
    last = len(pieces) - 1
    return [
        struct.pack(">LBB", len(piece) + 2, context, kind | (2 if number == last else 0)) + piece
        for number, piece in enumerate(pieces)
    ]


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBL", kind, 0, len(body)) + body


# --- whole messages ---


def command_value(chance: random.Random, message: Message) -> None:
    """Another value of one element of the command, or none."""
    keyword = chance.choice(sorted(message.command))
    old = message.command[keyword]
    if chance.random() < 0.3:
        del message.command[keyword]
    elif isinstance(old, int):
        message.command[keyword] = chance.choice((0, 1, 0x101, 0x8000, 0xFFFF, chance.randrange(0x10000)))
    else:
        message.command[keyword] = chance.choice(TEXTS).decode("latin-1")[:200]


def command_bytes(chance: random.Random, message: Message) -> None:
    """A command set whose bytes are no longer one."""
    raw = encode_command(message.command)
    message.command = {"raw": chance.choice(ON_DATA)(chance, raw)}


def other_context(chance: random.Random, message: Message) -> None:
    message.context = chance.choice((0, 1, 2, 3, 5, 255, message.context))


def data_bytes(chance: random.Random, message: Message) -> None:
    message.data = chance.choice(ON_DATA)(chance, message.data)


def data_element(chance: random.Random, message: Message) -> None:
    """One element of the data set: another length, value, tag or VR."""
    places = list(elements(message.data))
    if not places:
        return data_bytes(chance, message)
    place, head, length, explicit = chance.choice(places)
    element = message.data[place : place + head + length]
    spoilt = chance.choice((_value, _length, _tag, _twice, _vr))(chance, element, head, explicit)
    message.data = message.data[:place] + spoilt + message.data[place + head + length :]
    return None


def _value(chance: random.Random, element: bytes, head: int, explicit: bool) -> bytes:
    value = chance.choice((*TEXTS, b"\0" * 2, b"\xff" * 4, element[head:][:-1], element[head:] * 3))
    value += b" " * (len(value) % 2)
    if head == 8 and explicit:
        return element[:6] + struct.pack("<H", len(value) & 0xFFFF) + value
    return element[: head - 4] + struct.pack("<L", len(value)) + value


def _length(chance: random.Random, element: bytes, head: int, explicit: bool) -> bytes:
    wrong = chance.choice(LENGTHS)
    packed = struct.pack("<H", wrong & 0xFFFF) if head == 8 and explicit else struct.pack("<L", wrong)
    return element[: head - len(packed)] + packed + element[head:]


def _tag(chance: random.Random, element: bytes, head: int, explicit: bool) -> bytes:
    tags = (0x00000000, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0xFFFFFFFF, 0x7FE00010, 0x00080005, 0x20100010)
    tag = chance.choice((*tags, chance.randrange(1 << 32)))
    return struct.pack("<HH", tag >> 16, tag & 0xFFFF) + element[4:]


def _twice(chance: random.Random, element: bytes, head: int, explicit: bool) -> bytes:
    return element * chance.choice((0, 2, 3, 200))


def _vr(chance: random.Random, element: bytes, head: int, explicit: bool) -> bytes:
    if not explicit:
        return element
    return element[:4] + chance.choice((b"SQ", b"UN", b"OB", b"US", b"DS", b"\0\0", b"??", b"UT")) + element[6:]


def nested(chance: random.Random, message: Message) -> None:
    """A sequence in a sequence in a sequence …"""
    depth = chance.choice((3, 60, 1000, 20000))
    start = b"\x10\x20\x30\x05" + b"SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\x00\xe0" + b"\xff" * 4
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    if chance.random() < 0.5:
        start = start.replace(b"SQ\0\0", b"")
    message.data += start * depth + (end * depth if chance.random() < 0.5 else b"")


def elements(data: bytes) -> list[tuple[int, int, int, bool]]:
    """Place, size of head, length of value, whether with VR: of each element of the top level."""
    found, place = [], 0
    explicit = data[4:6].isalpha()
    while place + 8 <= len(data):
        head, length = 8, struct.unpack("<L", data[place + 4 : place + 8])[0]
        if explicit and data[place + 4 : place + 6] in (b"SQ", b"OB", b"OW", b"UN", b"UT", b"OF", b"UC"):
            head, length = 12, struct.unpack("<L", data[place + 8 : place + 12].ljust(4, b"\0"))[0]
        elif explicit:
            length = struct.unpack("<H", data[place + 6 : place + 8])[0]
        if place + head + length > len(data):
            length = len(data) - place - head
        if length < 0:
            break
        found.append((place, head, length, explicit))
        place += head + length
    return found


ON_MESSAGES: tuple[Callable[[random.Random, Message], Any], ...] = (
    command_value,
    command_value,
    command_bytes,
    other_context,
    data_bytes,
    data_element,
    data_element,
    data_element,
    data_element,
    nested,
)

# --- bytes ---


def flip(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def insert(chance: random.Random, data: bytes) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice((chance.randbytes(chance.choice((1, 2, 16, 300))), *TEXTS)) + data[place:]


def splice(chance: random.Random, data: bytes) -> bytes:
    first, second = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:first] + data[second:]


def header(chance: random.Random, data: bytes) -> bytes:
    """Another type or length of the first PDU."""
    kind = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 255, data[0] if data else 4))
    length = chance.choice((*LENGTHS, max(0, len(data) - 6)))
    return struct.pack(">BBL", kind, chance.choice((0, 0, 255)), length) + data[6:]


def twice(chance: random.Random, data: bytes) -> bytes:
    return data * 2


def lost(chance: random.Random, data: bytes) -> bytes:
    return b""


ON_DATA = (flip, flip, cut, insert, splice)
ON_BYTES = (*ON_DATA, header, header, twice, lost)
