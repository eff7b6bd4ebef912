"""The DICOM upper layer (PS3.8) of one association, in a thread that waits instead of polling.

pynetdicom's provider with: a length check before a PDU is read, one deadline from its header to its last byte, P-DATA
handed on without copies, and no exception that ends in a traceback because of what a peer sent.
"""

from __future__ import annotations

import logging
import select
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT

from appliance.about import lines_are_about
from appliance.network.bounded_socket import BoundedSocket, ConnectionEndedError, InterruptedReadError, TooSlowError
from appliance.network.proposals import LONG, shortened
from appliance.network.waiting import LeanQueue, MonotonicTimer, Wake, WakingQueue

if TYPE_CHECKING:
    from appliance.network.association import BoundedAssociation

log = logging.getLogger("appliance.network")

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, P_DATA_TF = 0x01, 0x02, 0x04
_TITLES = (slice(10, 26), slice(26, 42))
"""Where an association request has the called and the calling AE title (PS3.8 9.3.2)."""
_HEADER = struct.Struct(">BxL")
KNOWN_PDUS = range(0x01, 0x08)
_PDU_SLACK = 1024
"""Bytes a P-DATA-TF may be longer than we announced: some peers count its header differently."""
_LONGEST_WAIT = 60.0
_ESTABLISHED, _CLOSING = "Sta6", "Sta13"

UNEXPECTED, INVALID_PARAMETER = 2, 6
"""Reasons of an A-ABORT by the provider (PS3.8 Table 9-26)."""


def abort_pdu(reason: int) -> bytes:
    """An A-ABORT of the service provider."""
    return struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, 2, reason)


class Outgoing:
    """Encoded P-DATA-TF PDUs on their way out, in order; pulled one block at a time."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = blocks


class UpperLayer(DULServiceProvider):
    """pynetdicom's DUL service provider with limits and deadlines."""

    _assoc: BoundedAssociation
    _idle_timer: MonotonicTimer
    artim_timer: MonotonicTimer
    socket: BoundedSocket | None  # type: ignore[assignment]

    def __init__(self, assoc: BoundedAssociation) -> None:
        super().__init__(assoc)
        self._idle_timer = MonotonicTimer(60)
        self.artim_timer = MonotonicTimer(30)
        self.event_queue = SimpleQueue()  # type: ignore[assignment]
        self._recv_pdu = SimpleQueue()  # type: ignore[assignment]
        self.to_provider_queue = LeanQueue()
        self.to_user_queue = WakingQueue(assoc.nudge)
        self.wake = Wake()
        self.abort_wanted = False
        self._outgoing = threading.Lock()  # taking from the queue of what goes out, or going past it
        self._streaming = False  # blocks are on their way out
        self._broken = False
        self.daemon = True

    # The thread

    def run_reactor(self) -> None:
        """Take turns until the connection has ended."""
        lines_are_about(self._assoc.about)
        self._idle_timer.start()
        self.assoc._dul_ready.set()
        try:
            while not self._kill_thread:
                if not self._turn():
                    self._wait()
        except Exception as error:
            self._assoc.incident(
                "protocol-error", f"{type(error).__name__} in state {self.state_machine.current_state}"
            )
            log.debug("upper layer of %s failed", self._assoc.peer, exc_info=True)
            self._give_up()
        finally:
            self._ended()

    def _turn(self) -> bool:
        """Do one thing, if there is one to do."""
        if self.artim_timer.expired:
            self.artim_timer.stop()
            self.event_queue.put("Evt18")
        elif not self._process_recv_primitive() and self._is_transport_event():
            self._idle_timer.restart()
        acted = not self.event_queue.empty()
        while not self.event_queue.empty() and not self._kill_thread:
            self.state_machine.do_action(self.event_queue.get_nowait())
        return acted or self._kill_thread or self._more_to_do()

    def _more_to_do(self) -> bool:
        sock = self.socket
        return bool(self.to_provider_queue.queue) or (sock is not None and sock.has_bytes)

    def _wait(self) -> None:
        timeout = _LONGEST_WAIT
        if self.artim_timer.running:
            timeout = min(timeout, self.artim_timer.remaining)
        timeout = min(timeout, self._assoc.dimse.time_left())
        if self.socket is None:
            self._wait_without_socket(timeout)
        elif timeout > 0:
            self.socket.wait(timeout)
        self._assoc.dimse.check_time()

    def _wait_without_socket(self, timeout: float) -> None:
        poll = select.poll()
        poll.register(self.wake.fileno(), select.POLLIN)
        if poll.poll(max(0, timeout) * 1000):
            self.wake.clear()

    def _give_up(self) -> None:
        """Bypass the state machine: it is the part that failed."""
        if self.socket is not None:
            self.socket.cut(abort_pdu(0))
            self.socket._shutdown_socket()
        self._assoc.is_aborted = True
        self._assoc.is_established = False
        self._assoc._kill = True

    def _ended(self) -> None:
        self._kill_thread = True
        self.wake.close()
        # pynetdicom tells nobody who waits for an answer when the peer closes after a PDU that is none
        self._assoc.dimse.msg_queue.put((None, None))
        if self._assoc.is_acceptor and self._assoc.requestor.primitive is None:
            self.to_user_queue.put(None)  # the association still waits for its A-ASSOCIATE-RQ
        self._assoc.nudge()

    # From the association's threads

    def send_pdu(self, primitive: Any) -> None:
        """Queue a primitive, and wake the thread that sends it."""
        super().send_pdu(primitive)
        if isinstance(primitive, A_ABORT | A_P_ABORT):
            self.abort_wanted = True
        self.wake.set()

    def send_blocks(self, blocks: Iterable[bytes]) -> None:
        """Queue encoded P-DATA-TF PDUs; a single block is sent from here when nothing else is on its way."""
        if isinstance(blocks, list) and len(blocks) == 1:
            blocks = self._sent_at_once(blocks[0])
            if not blocks:
                return
        self.to_provider_queue.put(Outgoing(blocks))  # type: ignore[arg-type]
        self.wake.set()

    def _sent_at_once(self, block: bytes) -> list[bytes]:
        """Spare a small message the way through the other thread; what could not be sent so."""
        sock = self.socket
        with self._outgoing:
            if sock is None or self._streaming or self.to_provider_queue.queue or self._broken or self._kill_thread:
                return [block]
            if self.abort_wanted or self.state_machine.current_state != _ESTABLISHED:
                return [block]
            sent = sock.write_now(block)
            if sent < len(block):
                self._streaming = True  # nothing may come between
                self.to_provider_queue.put(Outgoing([block[sent:]]))  # type: ignore[arg-type]
                self.wake.set()
        self._idle_timer.restart()
        return []

    def kill_dul(self) -> None:
        """End the thread at its next turn."""
        self._kill_thread = True
        self.wake.set()

    def stop_dul(self) -> bool:
        """End the thread if there is nothing left to do in it; whether it has ended."""
        if self.state_machine.current_state != "Sta1":
            return False
        self.kill_dul()
        if self.is_alive():
            self.join(1)
        return not self.is_alive()

    def end(self, grace: float) -> None:
        """Let the thread end by itself within `grace` seconds, then make it."""
        if not self.is_alive():
            return
        if self.state_machine.current_state == "Sta1":
            self._kill_thread = True
        self.wake.set()
        self.join(grace)
        if self.is_alive():
            self._kill_thread = True
            if self.socket is not None:
                self.socket.shut()
            self.wake.set()
            self.join(1)

    # Sending

    def _process_recv_primitive(self) -> bool:
        """Send what is queued first, if anything is."""
        if not self.to_provider_queue.queue:
            return False
        head = self.to_provider_queue.queue[0]
        if not isinstance(head, Outgoing):
            return super()._process_recv_primitive()
        with self._outgoing:
            self.to_provider_queue.get_nowait()
            self._streaming = True
        try:
            if self.state_machine.current_state in (_ESTABLISHED, "Sta8"):
                self._send_blocks(head.blocks)
        finally:
            self._streaming = False
        return True

    def _send_blocks(self, blocks: Iterable[bytes]) -> None:
        sock = self.socket
        for block in blocks:
            if sock is None or self._broken or self._kill_thread:
                return
            try:
                sock.write(block, time.monotonic() + self._assoc.limits.send_timeout)
            except TooSlowError:
                self.cut("peer-does-not-read", "the peer took no bytes for too long", 0)
            except InterruptedReadError:
                self._broken = True
            except ConnectionEndedError:
                self._broken = True
                self.event_queue.put("Evt17")
        self._idle_timer.restart()

    # Receiving

    def _is_transport_event(self) -> bool:
        sock = self.socket
        if sock is None:
            return False
        if self.state_machine.current_state == _CLOSING:
            if self._broken or sock.ready:  # nothing that still comes counts; to read it as PDUs would never end
                sock.cut(b"")
            sock.close()
            return True
        if sock.ready:
            self._read_pdu_data()
            return True
        return False

    def cut(self, kind: str, message: str, reason: int) -> None:
        """End the connection now with an A-ABORT, and say why to those who watch."""
        self._assoc.incident(kind, message)
        self._broken = True
        if self.socket is not None:
            self.socket.cut(abort_pdu(reason))
        self.event_queue.put("Evt17")

    def _read_pdu_data(self) -> None:
        """Read one PDU within one deadline, and put its event on the queue."""
        if self._broken:
            self.event_queue.put("Evt17")
            return
        try:
            self._read_pdu(self._deadline())
            while self._has_more():
                self._read_pdu(self._deadline())
        except TooSlowError:
            self.cut("pdu-deadline", "a PDU was not complete in time", 0)
        except InterruptedReadError:
            self._broken = True
        except ConnectionEndedError:
            self.event_queue.put("Evt17")

    def _has_more(self) -> bool:
        """Whether the message goes on with bytes that are here, and nothing else is to be done first."""
        return (
            self.socket is not None
            and self.socket.ahead > 0
            and self._assoc.dimse.receiving
            and not (self._broken or self._kill_thread or self.to_provider_queue.queue)
            and self.event_queue.empty()
        )

    def _deadline(self) -> float:
        now = time.monotonic()
        deadline = now + self._assoc.limits.pdu_deadline
        if self.artim_timer.running:
            deadline = min(deadline, now + max(0.0, self.artim_timer.remaining))
        return deadline

    def _read_pdu(self, deadline: float) -> None:
        start = self._next(6, deadline)
        if start is None:
            return
        header = bytes(start)
        kind, length = _HEADER.unpack(header)
        if kind not in KNOWN_PDUS:
            self._assoc.incident("unknown-pdu", f"PDU type {kind:02X}")
            self.event_queue.put("Evt19")
            return
        if length > self._longest(kind):
            self.cut("pdu-too-long", f"a PDU of {length} bytes", INVALID_PARAMETER)
            return
        if kind == P_DATA_TF and self.state_machine.current_state == _ESTABLISHED and not self._assoc.is_watched:
            self._read_fragments(length, deadline)
            return
        body = self._next(length, deadline)
        if body is not None:
            self._decode(bytearray(header) + body)

    def _longest(self, kind: int) -> int:
        limits = self._assoc.limits
        return limits.pdu_max + _PDU_SLACK if kind == P_DATA_TF else limits.request_pdu_max

    def _next(self, count: int, deadline: float) -> memoryview | None:
        sock = self.socket
        data = sock.read(count, deadline) if sock is not None else None
        if data is None:
            self.event_queue.put("Evt17")
        return data

    def _decode(self, pdu: bytearray) -> None:
        try:
            if pdu[0] in (A_ASSOCIATE_RQ, A_ASSOCIATE_AC):
                _end_titles_at_nul(pdu)
            if pdu[0] == A_ASSOCIATE_RQ and len(pdu) > LONG:
                pdu = bytearray(shortened(bytes(pdu), self._offered()))
            decoded, event = self._decode_pdu(pdu)
        except Exception as error:
            why = "an AE title is blank or has other than ASCII characters: set it at the device"
            why = why if _has_odd_title(pdu) else type(error).__name__
            self._assoc.incident("malformed-pdu", f"PDU type {pdu[0]:02X}: {why}")
            self.event_queue.put("Evt19")
            return
        self._recv_pdu.put(decoded)
        self.event_queue.put(event)

    def _offered(self) -> set[bytes]:
        """Every transfer syntax that one of our contexts knows."""
        contexts = self._assoc.acceptor.supported_contexts
        return {str(syntax).encode("ascii") for context in contexts for syntax in context.transfer_syntax}

    def _read_fragments(self, length: int, deadline: float) -> None:
        view = self._next(length, deadline)
        if view is None:
            return
        try:
            fragments = list(split_fragments(view))
        except ValueError as error:
            self.cut("malformed-pdu", str(error), INVALID_PARAMETER)
            return
        self._assoc.dimse.receive_fragments(fragments)


def _end_titles_at_nul(pdu: bytearray) -> None:
    """AE titles as C strings, which some devices send and DCMTK takes, padded with spaces as they should be."""
    for place in _TITLES if len(pdu) >= _TITLES[-1].stop else ():
        pdu[place] = pdu[place].partition(b"\0")[0].ljust(16)


def _has_odd_title(pdu: bytearray) -> bool:
    """Whether it is a request with an AE title that can't be one."""
    titles = [bytes(pdu[place]) for place in _TITLES]
    return pdu[0] == A_ASSOCIATE_RQ and not all(title.isascii() and title.strip() for title in titles)


def split_fragments(view: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(context ID, message control header, fragment) of each presentation data value of a P-DATA-TF (PS3.8 9.3.5.1)."""
    position = 0
    while position < len(view):
        if len(view) - position < 6:
            raise ValueError("a presentation data value ends inside its header")
        length, context_id, control = struct.unpack_from(">LBB", view, position)
        if length < 2 or length > len(view) - position - 4:
            raise ValueError(f"a presentation data value of {length} bytes does not fit its PDU")
        yield context_id, control, view[position + 6 : position + 4 + length]
        position += 4 + length
