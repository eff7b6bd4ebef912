"""``lpd://host/queue``: the line printer daemon protocol (RFC 1179), one job a document.

The daemon acknowledges each file with a byte; after the last one the document is queued in the device, and the protocol
says no more.
"""

from __future__ import annotations

import itertools
import os
import re
import select
import socket
import time
from contextlib import closing
from urllib.parse import unquote

from appliance.errors import UsageError
from appliance.printing.device.address import Route, split_uri
from appliance.printing.device.delivery import (
    CanceledError,
    Delivery,
    InterruptedTransferError,
    describe,
    failure,
    shown,
)
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.outcome import (
    DeviceStatus,
    Document,
    Finding,
    Progress,
    SendRequest,
    SendResult,
    document_name,
)
from appliance.printing.device.socket import check_connection, connect, queued, unknown
from appliance.printing.device.wire import Wire
from appliance.store.files import failpoint
from appliance.words import say

DEFAULT_PORT = 515
MAX_STATE = 64 * 1024  # bytes of a queue's state that are read

# RFC 1179 section 5: daemon commands; section 6: receive job subcommands
RECEIVE_JOB, SEND_QUEUE_STATE_SHORT = 2, 3
ABORT_JOB, RECEIVE_CONTROL_FILE, RECEIVE_DATA_FILE = 1, 2, 3

_job_numbers = itertools.count(os.getpid())


class LpdDevice:
    """A queue of a line printer daemon."""

    def __init__(self, uri: str, options: DeviceOptions) -> None:
        parts, self.endpoint = split_uri(uri, DEFAULT_PORT)
        self.queue = unquote(parts.path).strip("/")
        if not re.fullmatch(r"[!-~]{1,127}", self.queue):
            raise UsageError(say("%(uri)s names no queue; give lpd://HOST/QUEUE", uri=uri), field="device_uri")
        self.options = options
        self.name = say("Queue %(queue)s at %(endpoint)s", queue=self.queue, endpoint=self.endpoint)

    def send(self, request: SendRequest, progress: Progress) -> SendResult:
        """Send each document as a job of its own; DONE means queued in the device."""
        delivery = Delivery(request, progress)
        try:
            route = Route(self.endpoint, self.options)
            for number, document in enumerate(delivery.documents):
                wire = connect(route, delivery, self.options, patient=number > 0, drain=False)
                self._send_document(wire, document, delivery)
        except (OSError, CanceledError) as error:
            return failure(error, delivery, self.name)
        return queued(delivery, f"acknowledged by {self.endpoint}")

    def _send_document(self, wire: Wire, document: Document, delivery: Delivery) -> None:
        try:
            size = document.path.stat().st_size
            name = document_name(delivery.request, document)
            number = next(_job_numbers) % 1000
            host = host_name()
            self._command(
                wire, RECEIVE_JOB, self.queue, say("the daemon takes no jobs for queue %(queue)s", queue=self.queue)
            )
            control = control_file(host, number, name, delivery.request.originator)
            self._file(wire, RECEIVE_CONTROL_FILE, len(control), f"cfA{number:03d}{host}")
            self._acknowledged(wire, control + b"\0", say("the control file was refused"))
            self._file(wire, RECEIVE_DATA_FILE, size, f"dfA{number:03d}{host}")
            for chunk in delivery.chunks(document.path):
                wire.send(chunk)
            self._acknowledged(wire, b"\0", say("the document was refused"), self.options.close_deadline)
            delivery.document_done()
            failpoint("device.closed")
        finally:
            wire.close(clean=delivery.document_left)

    def _command(self, wire: Wire, code: int, operand: str, refusal: str) -> None:
        self._acknowledged(wire, bytes([code]) + operand.encode("ascii") + b"\n", refusal)

    def _file(self, wire: Wire, code: int, size: int, name: str) -> None:
        self._command(wire, code, f"{size} {name}", say("file %(name)s was refused", name=name[:3]))

    def _acknowledged(self, wire: Wire, data: bytes, refusal: str, deadline: float | None = None) -> None:
        """Send `data`; the daemon answers with a zero byte or it was refused."""
        wire.send(data)
        answer = wire.read_byte(self.options.stall_deadline if deadline is None else deadline)
        if answer:
            raise InterruptedTransferError(say("%(refusal)s (answer %(answer)s)", refusal=refusal, answer=answer))

    def ask(self, request: SendRequest) -> SendResult:
        """A queue forgets a job when it is printed, so its silence says nothing."""
        return unknown(request, self.name)

    def status(self) -> DeviceStatus:
        """The queue's own words on its state."""
        try:
            words = self._queue_state()
        except OSError as error:
            return DeviceStatus(
                printer_state="unknown", printer_state_reasons=("connecting-to-device",), message=describe(error)
            )
        return DeviceStatus(printer_state="idle", message=words)

    def _queue_state(self) -> str:
        end = time.monotonic() + self.options.probe_deadline / 2
        with closing(Route(self.endpoint, self.options, self.options.probe_deadline / 5).connect()) as connection:
            connection.sendall(bytes([SEND_QUEUE_STATE_SHORT]) + self.queue.encode("ascii") + b"\n")
            return shown(read_until(connection, MAX_STATE, end).decode("utf-8", "replace"))

    def check(self) -> list[Finding]:
        """Whether it can be reached and opens the queue for a job (which is not sent)."""
        findings = check_connection(self.endpoint, self.options)
        if not all(finding.ok for finding in findings):
            return findings
        return [*findings, self._check_queue()]

    def _check_queue(self) -> Finding:
        what = say("takes jobs for queue %(queue)s", queue=self.queue)
        try:
            connection = Route(self.endpoint, self.options, self.options.probe_deadline / 5).connect()
            wire = Wire(connection, stall_deadline=self.options.probe_deadline / 5, idle=lambda: None, drain=False)
            with closing(connection):
                wire.send(bytes([RECEIVE_JOB]) + self.queue.encode("ascii") + b"\n")
                answer = wire.read_byte(self.options.probe_deadline / 5)
        except OSError as error:
            return Finding(ok=False, what=what, advice=say("%(why)s. Is the queue's name right?", why=describe(error)))
        return Finding(
            ok=not answer, what=what, advice="" if not answer else say("Refused. Is the queue's name right?")
        )


def control_file(host: str, number: int, name: str, originator: str) -> bytes:
    """The control file of one job (RFC 1179 section 7): host, person, job, title, and the file printed as it is."""
    data = f"dfA{number:03d}{host}"
    person = plain(originator, 31) or "appliance"
    lines = [f"H{host}", f"P{person}", f"J{plain(name, 99)}", f"T{plain(name, 79)}", f"l{data}", f"U{data}"]
    return "".join(f"{line}\n" for line in [*lines, f"N{plain(name, 131)}"]).encode("ascii")


def plain(text: str, length: int) -> str:
    """Printable ASCII of at most `length` characters: a line feed would start a line of the control file."""
    return re.sub(r"[^!-~]", "_", text.strip())[:length]


def host_name() -> str:
    """This machine's name as the protocol allows it."""
    return plain(socket.gethostname().split(".")[0], 31) or "appliance"


def read_until(connection: socket.socket, limit: int, end: float) -> bytes:
    """What the other side says until it closes, `limit` bytes came, or the time `end` is reached."""
    data = b""
    while len(data) < limit and (left := end - time.monotonic()) > 0:
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        if not poll.poll(left * 1000):
            break
        piece = connection.recv(min(65536, limit - len(data)))
        if not piece:
            break
        data += piece
    return data
