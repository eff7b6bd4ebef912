"""Command sets as bytes (PS3.7 6.3.1 and Annex E): always Implicit VR Little Endian, group 0000 only.

A reader of our own, for command sets come from anyone: every length is checked, nothing is guessed, nothing is lazy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

Value = Any
"""int, str, or a list of tags as int."""

# PS3.7 Table E.1-1
ELEMENTS: dict[int, tuple[str, str]] = {
    0x0000: ("CommandGroupLength", "UL"),
    0x0002: ("AffectedSOPClassUID", "UI"),
    0x0003: ("RequestedSOPClassUID", "UI"),
    0x0100: ("CommandField", "US"),
    0x0110: ("MessageID", "US"),
    0x0120: ("MessageIDBeingRespondedTo", "US"),
    0x0600: ("MoveDestination", "AE"),
    0x0700: ("Priority", "US"),
    0x0800: ("CommandDataSetType", "US"),
    0x0900: ("Status", "US"),
    0x0901: ("OffendingElement", "AT"),
    0x0902: ("ErrorComment", "LO"),
    0x0903: ("ErrorID", "US"),
    0x1000: ("AffectedSOPInstanceUID", "UI"),
    0x1001: ("RequestedSOPInstanceUID", "UI"),
    0x1002: ("EventTypeID", "US"),
    0x1005: ("AttributeIdentifierList", "AT"),
    0x1008: ("ActionTypeID", "US"),
    0x1020: ("NumberOfRemainingSuboperations", "US"),
    0x1021: ("NumberOfCompletedSuboperations", "US"),
    0x1022: ("NumberOfFailedSuboperations", "US"),
    0x1023: ("NumberOfWarningSuboperations", "US"),
    0x1030: ("MoveOriginatorApplicationEntityTitle", "AE"),
    0x1031: ("MoveOriginatorMessageID", "US"),
}
_NUMBERS = {keyword: (number, vr) for number, (keyword, vr) in ELEMENTS.items()}

NO_DATA_SET = 0x0101
"""Command Data Set Type (0000,0800) of a message without one."""


def decode_command(data: bytes | bytearray) -> dict[str, Value]:
    """Keyword → value of an encoded command set. Raises ValueError when it is malformed.

    Elements PS3.7 does not know are left out, empty ones too. Of several values of a single-valued element the first.
    """
    values: dict[str, Value] = {}
    for number, value in _elements(data):
        known = ELEMENTS.get(number)
        if known is not None and value:
            values[known[0]] = _value(known[1], value)
    return values


def _elements(data: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        if len(data) - position < 8:
            raise ValueError("the command set ends inside an element")
        group, number, length = struct.unpack_from("<HHL", data, position)
        position += 8
        if group != 0:
            raise ValueError(f"the command set holds an element of group {group:04X}")
        if length > len(data) - position:
            raise ValueError("an element of the command set is longer than the rest of it")
        yield number, bytes(data[position : position + length])
        position += length


def _value(vr: str, value: bytes) -> Value:
    if vr == "US":
        return struct.unpack_from("<H", value)[0] if len(value) >= 2 else _short(vr)
    if vr == "UL":
        return struct.unpack_from("<L", value)[0] if len(value) >= 4 else _short(vr)
    if vr == "AT":
        count = len(value) // 4
        pairs = struct.unpack_from(f"<{count * 2}H", value)
        return [pairs[2 * i] << 16 | pairs[2 * i + 1] for i in range(count)]
    text = value.decode("ascii", "replace").split("\\")[0]
    return text.rstrip("\0 ") if vr == "UI" else text.strip("\0 ")


def _short(vr: str) -> int:
    raise ValueError(f"a value of VR {vr} in the command set is too short")


def encode_command(values: Mapping[str, Value]) -> bytes:
    """Encode keyword → value, in order of tags, with the group length in front."""
    pieces = []
    for keyword in sorted(values, key=lambda name: _NUMBERS[name][0]):
        number, vr = _NUMBERS[keyword]
        if number != 0:
            value = _encoded(vr, values[keyword])
            pieces.append(struct.pack("<HHL", 0, number, len(value)) + value)
    body = b"".join(pieces)
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _encoded(vr: str, value: Value) -> bytes:
    if vr == "US":
        return struct.pack("<H", value)
    if vr == "AT":
        tags = [value] if isinstance(value, int) else [int(tag) for tag in value]
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)
    text = str(value).encode("ascii", "replace")
    if vr == "LO":
        text = text[:64]
    pad = b"\0" if vr == "UI" else b" "
    return text + pad * (len(text) % 2)
