"""A peer made of a bare socket, that can misbehave."""

from __future__ import annotations

import socket
import struct
from typing import Self

from appliance.network.commands import encode_command

VERIFICATION = b"1.2.840.10008.1.1"
IMPLICIT = b"1.2.840.10008.1.2"
ECHO_RQ = {
    "AffectedSOPClassUID": "1.2.840.10008.1.1",
    "CommandField": 0x0030,
    "MessageID": 1,
    "CommandDataSetType": 0x0101,
}


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def presentation_context(number: int, abstract: bytes, *transfer: bytes) -> bytes:
    syntaxes = b"".join(item(0x40, uid) for uid in transfer)
    return item(0x20, struct.pack(">BBBB", number, 0, 0, 0) + item(0x30, abstract) + syntaxes)


def associate_rq(
    *contexts: bytes, called: bytes = b"APPLIANCE", calling: bytes = b"RAW", maximum: int = 16384
) -> bytes:
    user = item(0x50, item(0x51, struct.pack(">L", maximum)) + item(0x52, b"1.2.3.4"))
    body = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16), calling.ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + user
    return struct.pack(">BBL", 1, 0, len(body)) + body


def p_data(*fragments: tuple[int, int, bytes]) -> bytes:
    body = b"".join(struct.pack(">LBB", len(data) + 2, number, control) + data for number, control, data in fragments)
    return struct.pack(">BBL", 4, 0, len(body)) + body


def command(values: dict, number: int = 1) -> bytes:
    return p_data((number, 3, encode_command(values)))


class RawPeer:
    """One TCP connection."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def associate(self, *contexts: bytes) -> bytes:
        """Returns the first answer PDU."""
        self.send(associate_rq(*(contexts or (presentation_context(1, VERIFICATION, IMPLICIT),))))
        return self.pdu()

    def read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                break
            data += piece
        return data

    def pdu(self) -> bytes:
        """The next PDU, b"" when the connection is closed instead."""
        header = self.read(6)
        return header + self.read(struct.unpack(">BxL", header)[1]) if len(header) == 6 else b""

    def closed(self) -> bool:
        """Whether the peer closes, within the timeout."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True
