"""An SCP made of bare sockets: it takes the association, and answers requests with whatever bytes it was given."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self

from appliance.network.commands import decode_command, encode_command
from appliance.network.requestor import Peer
from tests.network.raw import IMPLICIT, item, p_data

Reply = Callable[[int, dict[str, Any]], bytes]
"""(presentation context, command set of a request) -> what is sent then; b"" closes the connection."""


class ScriptedSCP:
    """One port that takes associations one after the other."""

    def __init__(self, reply: Reply, syntax: bytes = IMPLICIT) -> None:
        self._reply, self._syntax = reply, syntax
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.peer = Peer(host="127.0.0.1", port=self._listener.getsockname()[1], called="SCRIPTED")
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError, struct.error):
                    connection.settimeout(20)
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(accepted(_pdu(connection)[6:], self._syntax))
        for number, command in _requests(connection):
            answer = self._reply(number, command)
            if not answer:
                return
            connection.sendall(answer)


def accepted(request: bytes, syntax: bytes) -> bytes:
    """An A-ASSOCIATE-AC for the body of a request: every context, with `syntax`."""
    contexts, position = b"", 68
    while position < len(request):
        kind, length = struct.unpack_from(">BxH", request, position)
        if kind == 0x20:
            contexts += item(0x21, struct.pack(">BxBx", request[position + 4], 0) + item(0x40, syntax))
        position += 4 + length
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3.4"))
    body = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user
    return struct.pack(">BBL", 2, 0, len(body)) + body


def response(number: int, command: dict[str, Any], dataset: bytes = b"", **more: Any) -> bytes:
    """A response of success to a request; `dataset` is encoded already, `more` is of the command set."""
    values = {
        "AffectedSOPClassUID": command.get("AffectedSOPClassUID") or command.get("RequestedSOPClassUID"),
        "CommandField": command["CommandField"] | 0x8000,
        "MessageIDBeingRespondedTo": command["MessageID"],
        "CommandDataSetType": 1 if dataset else 0x0101,
        "Status": 0,
    }
    data = ((number, 2, dataset),) if dataset else ()
    return p_data((number, 3, encode_command(values | more)), *data)


def _requests(connection: socket.socket) -> Iterator[tuple[int, dict[str, Any]]]:
    """(presentation context, command set) of each request once it is whole, until a PDU that is no P-DATA."""
    encoded, command = b"", {}
    while (pdu := _pdu(connection))[:1] == b"\x04":
        position = 6
        while position < len(pdu):
            length, number, control = struct.unpack_from(">LBB", pdu, position)
            encoded += pdu[position + 6 : position + 4 + length] if control & 1 else b""
            position += 4 + length
            if control == 3:
                command, encoded = decode_command(encoded), b""
            if control == 2 or (control == 3 and command["CommandDataSetType"] == 0x0101):
                yield number, command


def _pdu(connection: socket.socket) -> bytes:
    header = connection.recv(6, socket.MSG_WAITALL)
    return header + connection.recv(struct.unpack(">BxL", header)[1], socket.MSG_WAITALL)
