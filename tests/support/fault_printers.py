"""Small printers that misbehave on order: a raw port, a line printer daemon, an IPP printer.

Each listens on a free port of 127.0.0.1. `fault` says what goes wrong with a document:

    reset        it breaks the connection in the middle of a document
    die          it breaks the connection in the middle of a document and listens no more
    stall        it stops reading in the middle of a document
    slow         it reads little by little, with pauses
    half-closed  it closes its sending side at once and reads on
    garbage      it answers with bytes of no protocol
    flood        it answers with garbage that never ends
    mute         it takes the connection and neither reads nor answers
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from appliance.printing.device import ipp_message as ipp

GARBAGE = bytes(range(256)) * 64


class FaultPrinter:
    """A listening socket and a thread for each connection."""

    def __init__(self, fault: str = "", port: int = 0) -> None:
        self.fault = fault
        self.printed: list[bytes] = []  # documents that came whole, in order
        self.connections = 0
        self._socket = socket.socket()
        if fault in ("stall", "slow", "mute", "half-closed"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen(16)
        self.port = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError, EOFError):
            if self.fault == "mute":
                self._stopped.wait(30)
            else:
                self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def read(self, connection: socket.socket, size: int | None) -> bytes:
        """A document of `size` bytes, or up to the end; the fault happens in it."""
        data = b""
        while size is None or len(data) < size:
            self._misbehave(connection, len(data))
            want = 2048 if self.fault == "slow" else 65536
            piece = connection.recv(want if size is None else min(want, size - len(data)))
            if not piece:
                break
            data += piece
        if size is not None and len(data) < size:
            raise EOFError
        return data

    def _misbehave(self, connection: socket.socket, got: int) -> None:
        if self.fault == "slow":
            time.sleep(0.005)
        if got < 20_000:
            return
        if self.fault in ("reset", "die"):
            if self.fault == "die":
                self.stop()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            raise EOFError
        if self.fault == "stall":
            self._stopped.wait(30)
            raise EOFError

    def answer_badly(self, connection: socket.socket) -> None:
        """garbage and flood, for protocols in which the printer answers."""
        connection.sendall(GARBAGE)
        while self.fault == "flood" and not self._stopped.is_set():
            connection.sendall(GARBAGE)


class Babbler(FaultPrinter):
    """Something that is no printer: it says what no protocol expects, or nothing."""

    def serve(self, connection: socket.socket) -> None:
        self.answer_badly(connection)


class SocketPrinter(FaultPrinter):
    """A raw port: a document is what comes up to the end."""

    def serve(self, connection: socket.socket) -> None:
        if self.fault in ("garbage", "flood"):
            threading.Thread(target=self._flood, args=(connection,), daemon=True).start()
        if self.fault == "half-closed":
            connection.shutdown(socket.SHUT_WR)
            time.sleep(0.3)  # it is seen while bytes still wait to be taken
        data = self.read(connection, None)
        if data:
            self.printed.append(data)

    def _flood(self, connection: socket.socket) -> None:
        with suppress(OSError):
            self.answer_badly(connection)


class LpdPrinter(FaultPrinter):
    """A line printer daemon with one queue, `film`."""

    def __init__(self, fault: str = "") -> None:
        super().__init__(fault)
        self.control_files: list[str] = []

    def serve(self, connection: socket.socket) -> None:
        file = connection.makefile("rb", buffering=0)
        line = _line(file)
        if self.fault in ("garbage", "flood"):
            self.answer_badly(connection)
            return
        if line[:1] == b"\x03":
            connection.sendall(b"film is ready and printing\n\x1b[31mno entries\n")
            return
        if line != b"\x02film\n":
            connection.sendall(b"\x01")
            return
        connection.sendall(b"\0")
        if self.fault == "half-closed":
            connection.shutdown(socket.SHUT_WR)
        while line := _line(file):
            self._receive(connection, line)

    def _receive(self, connection: socket.socket, line: bytes) -> None:
        size = int(line[1:].split()[0])
        connection.sendall(b"\0")
        if line[:1] == b"\x02":
            control = connection.recv(size + 1, socket.MSG_WAITALL)
            self.control_files.append(control[:-1].decode("ascii"))
        else:
            data = self.read(connection, size + 1)
            assert data[-1:] == b"\0"
            self.printed.append(data[:-1])
        connection.sendall(b"\0")


def _line(file: object) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = file.read(1)  # type: ignore[attr-defined]
        if not piece:
            return b""
        data += piece
    return data


@dataclass
class FakeJob:
    job_id: int
    name: str
    state: int = 4  # pending-held, until its document came
    reasons: tuple[str, ...] = ("job-incoming",)
    sheets: int = 0
    created: int = 0
    attributes: ipp.Attributes = field(default_factory=dict)

    def encode(self) -> bytes:
        return (
            ipp.integer("job-id", self.job_id)
            + ipp.text("job-name", ipp.NAME, self.name, 255)
            + ipp.enum("job-state", self.state)
            + ipp.keyword("job-state-reasons", *(self.reasons or ("none",)))
            + ipp.integer("job-impressions-completed", self.sheets)
            + ipp.integer("time-at-creation", self.created)
        )


FILM = (35560, 43180)


class IppPrinter(FaultPrinter):
    """An IPP printer with one kind of film loaded; jobs complete as soon as their document came."""

    def __init__(self, fault: str = "", **choices: object) -> None:
        self.jobs: dict[int, FakeJob] = {}
        self.calls: list[str] = []
        self.loaded = [FILM]
        self.up_time = 1000
        self.reasons = ["none"]
        self.refuse: dict[str, int] = {}  # operation -> status code
        self.without: set[str] = set()  # attributes and operations it doesn't have
        self.ends_as = 9
        self.keeps_jobs = True
        self.__dict__.update(choices)
        super().__init__(fault)

    def serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(1)
            if not piece:
                return
            head += piece
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        message, body_size, operation = self._message(connection, size)
        self.calls.append(operation)
        if self.fault in ("garbage", "flood"):
            self.answer_badly(connection)
            return
        group = message.first(ipp.OPERATION_GROUP)
        if operation in self.refuse:
            self._reply(connection, self.refuse[operation], b"")
            return
        answer = getattr(self, "_" + operation.replace("-", "_").lower())(message, group, connection, body_size)
        if self.fault == "half-closed" and operation == "Send-Document":
            return
        self._reply(connection, *answer)

    def _message(self, connection: socket.socket, size: int) -> tuple[ipp.IppMessage, int, str]:
        """The request's own part: read until it parses, so that the document stays in the socket."""
        data = b""
        while True:
            data += connection.recv(1)
            if data[-1:] != bytes([ipp.END]) or len(data) < 9:
                continue
            with suppress(ipp.MalformedMessageError):
                message = ipp.parse(data)
                names = {number: name for name, number in ipp.OPERATIONS.items()}
                return message, size - len(data), names[message.status_code]

    def _reply(self, connection: socket.socket, status: int, groups: bytes) -> None:
        body = struct.pack(">HHi", 0x0200, status, 1) + bytes([ipp.OPERATION_GROUP])
        body += ipp.attribute("attributes-charset", ipp.CHARSET, b"utf-8")
        body += ipp.attribute("attributes-natural-language", ipp.LANGUAGE, b"en") + groups + bytes([ipp.END])
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    def _get_printer_attributes(self, *_: object) -> tuple[int, bytes]:
        operations = [number for name, number in ipp.OPERATIONS.items() if name not in self.without]
        size = [
            ipp.collection("media-size", [ipp.integer("x-dimension", x), ipp.integer("y-dimension", y)])
            for x, y in self.loaded
        ]
        attributes = {
            "printer-state": ipp.enum("printer-state", 3),
            "printer-state-reasons": ipp.keyword("printer-state-reasons", *self.reasons),
            "printer-up-time": ipp.integer("printer-up-time", self.up_time),
            "operations-supported": ipp.enum("operations-supported", *operations),
            "document-format-supported": ipp.attribute(
                "document-format-supported", ipp.MIME_TYPE, b"application/pdf", b"application/postscript"
            ),
            "media-col-ready": b"".join(ipp.collection("media-col-ready", [one]) for one in size),
            "media-col-supported": ipp.keyword("media-col-supported", "media-size", "media-type", "media-source"),
            "print-scaling-supported": ipp.keyword("print-scaling-supported", "auto", "none"),
            "sides-supported": ipp.keyword("sides-supported", "one-sided"),
            "which-jobs-supported": ipp.keyword("which-jobs-supported", "completed", "not-completed"),
            "marker-names": ipp.attribute("marker-names", ipp.NAME, b"Black \x1b[31mtoner", b"Waste"),
            "marker-levels": ipp.integer("marker-levels", 42, -2),
        }
        data = b"".join(value for name, value in attributes.items() if name not in self.without)
        return 0, bytes([ipp.PRINTER_GROUP]) + data

    def _new_job(self, message: ipp.IppMessage, group: ipp.Attributes) -> FakeJob:
        job = FakeJob(len(self.jobs) + 1, str(ipp.value(group, "job-name")), created=self.up_time)
        job.attributes = message.first(ipp.JOB_GROUP)
        self.jobs[job.job_id] = job
        return job

    def _create_job(self, message: ipp.IppMessage, group: ipp.Attributes, *_: object) -> tuple[int, bytes]:
        return 0, bytes([ipp.JOB_GROUP]) + self._new_job(message, group).encode()

    def _print_job(
        self, message: ipp.IppMessage, group: ipp.Attributes, connection: socket.socket, size: int
    ) -> tuple[int, bytes]:
        return self._document(self._new_job(message, group), connection, size)

    def _send_document(
        self, message: ipp.IppMessage, group: ipp.Attributes, connection: socket.socket, size: int
    ) -> tuple[int, bytes]:
        return self._document(self.jobs[ipp.value(group, "job-id")], connection, size)

    def _document(self, job: FakeJob, connection: socket.socket, size: int) -> tuple[int, bytes]:
        try:
            data = self.read(connection, size)
        except (OSError, EOFError):
            job.state, job.reasons = 8, ("aborted-by-system",)
            raise
        job.state, job.reasons = self.ends_as, ()
        if job.state == 9:
            job.sheets = 1
            self.printed.append(data)
        return 0, bytes([ipp.JOB_GROUP]) + job.encode()

    def _get_job_attributes(self, message: ipp.IppMessage, group: ipp.Attributes, *_: object) -> tuple[int, bytes]:
        return 0, bytes([ipp.JOB_GROUP]) + self.jobs[ipp.value(group, "job-id")].encode()

    def _cancel_job(self, message: ipp.IppMessage, group: ipp.Attributes, *_: object) -> tuple[int, bytes]:
        job = self.jobs[ipp.value(group, "job-id")]
        if job.state < 7:
            job.state, job.reasons = 7, ("job-canceled-by-user",)
        return 0, b""

    def _get_jobs(self, message: ipp.IppMessage, group: ipp.Attributes, *_: object) -> tuple[int, bytes]:
        ended = ipp.value(group, "which-jobs") == "completed"
        jobs = [job for job in self.jobs.values() if (job.state >= 7) == ended]
        jobs = jobs if self.keeps_jobs or not ended else []
        return 0, b"".join(bytes([ipp.JOB_GROUP]) + job.encode() for job in jobs)
