"""Real associations, recorded by a relay between a real client and the real DICOM process, as a fuzzer wants them."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.network.commands import decode_command
from tests.dicom.clients import (
    EVERYTHING,
    FILM,
    GRAY_BOX,
    LUT,
    PRINTER,
    PRINTER_INSTANCE,
    SESSION,
    boxes,
    dataset,
    gray_image,
    print_client,
    reference,
)
from tests.faults.instances import instance

SESSION_UID, FILM_UID = "1.2.826.0.1.3680043.10.999.77.1", "1.2.826.0.1.3680043.10.999.77.2"


@dataclass
class Message:
    """One DIMSE message as it was sent."""

    context: int
    command: dict[str, Any]
    data: bytes


@dataclass
class Association:
    """What one client sent: its request and its messages."""

    name: str
    request: bytes  # the whole A-ASSOCIATE-RQ PDU
    messages: list[Message]

    @property
    def given(self) -> list[str]:
        """The UIDs the server made for instances, in the order of their first use."""
        used = [str(message.command.get("RequestedSOPInstanceUID", "")) for message in self.messages]
        return [uid for uid in dict.fromkeys(used) if uid.startswith("2.25.")]


class Relay:
    """Passes one connection on and keeps what the client sent."""

    def __init__(self, port: int) -> None:
        self.sent = b""
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        server = socket.create_connection(("127.0.0.1", self._target))
        with self._listening, self._listening.accept()[0] as client, server:
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            while data := client.recv(65536):
                self.sent += data
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            back.join(5)

    def recorded(self, name: str) -> Association:
        self._thread.join(10)
        return parse(name, self.sent)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return


def pdus(stream: bytes) -> list[bytes]:
    """A byte stream cut into PDUs."""
    found = []
    while len(stream) >= 6:
        length = 6 + struct.unpack(">L", stream[2:6])[0]
        found.append(stream[:length])
        stream = stream[length:]
    return found


def parse(name: str, stream: bytes) -> Association:
    """The messages of what a client sent."""
    cut = pdus(stream)
    messages: list[Message] = []
    command = b""
    for pdu in (pdu for pdu in cut if pdu[0] == 4):
        place = 6
        while place < len(pdu):
            length, context, control = struct.unpack(">LBB", pdu[place : place + 6])
            fragment = pdu[place + 6 : place + 4 + length]
            place += 4 + length
            if not control & 1:
                messages[-1].data += fragment
                continue
            command += fragment
            if control & 2:
                messages.append(Message(context, decode_command(command), b""))
                command = b""
    return Association(name, cut[0], messages)


def record(name: str, port: int, client: Callable[[int], Any]) -> Association:
    relay = Relay(port)
    client(relay.port)
    return relay.recorded(name)


def record_all(port: int, folder: Path) -> list[Association]:
    """A film, a query of everything a print client may ask, and instances of two transfer syntaxes sent by DCMTK."""
    return [
        record("film", port, _film),
        record("asking", port, _asking),
        record("instances", port, lambda at: _storescu(at, folder, "-xe")),
        record("implicit", port, lambda at: _storescu(at, folder, "-xi")),
    ]


def _film(port: int) -> None:
    with print_client(port, called="FOLDER", calling="FUZZ", classes=EVERYTHING) as client:
        client.create(SESSION, SESSION_UID, NumberOfCopies=1, FilmSessionLabel="1", MediumType="CLEAR FILM")
        shape = dataset(PresentationLUTShape="IDENTITY")
        client.create(LUT, "1.2.826.0.1.3680043.10.999.77.3", request=shape)
        film = client.create(
            FILM,
            FILM_UID,
            ImageDisplayFormat="STANDARD\\2,1",
            FilmSizeID="8INX10IN",
            FilmOrientation="PORTRAIT",
            AnnotationDisplayFormatID="1",
            BorderDensity="BLACK",
            ReferencedFilmSessionSequence=[reference(SESSION, SESSION_UID)],
        )
        for position, uid in enumerate(boxes(film), start=1):
            client.image(uid, position, gray_image())
        client.set(FILM, FILM_UID, EmptyImageDensity="WHITE")
        client.action(FILM, FILM_UID)
        client.delete(FILM, FILM_UID)
        client.delete(SESSION, SESSION_UID)


def _asking(port: int) -> None:
    with print_client(port, called="FOLDER", calling="FUZZ", classes=EVERYTHING) as client:
        client.get(PRINTER, PRINTER_INSTANCE)
        client.get("1.2.840.10008.5.1.1.16.376", "1.2.840.10008.5.1.1.17.376")
        client.get("1.2.840.10008.5.1.1.14", "1.2.3")
        client.get(GRAY_BOX, "1.2.3")


def _storescu(port: int, folder: Path, syntax: str) -> None:
    path = folder / "instance.dcm"
    instance(4711).save_as(path, enforce_file_format=True)
    line = ["storescu", syntax, "-aec", "APPLIANCE", "-aet", "FUZZ", "127.0.0.1", str(port), str(path)]
    subprocess.run(line, env={**os.environ, "TCP_NODELAY": "1"}, check=True, capture_output=True)
