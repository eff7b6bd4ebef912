"""DIMSE messages of one association: put together from P-DATA within bounds, and sent one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import dimse_messages as stock
from pynetdicom import evt
from pynetdicom.dimse import _RQ_TO_MESSAGE, _RSP_TO_MESSAGE, DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_CANCEL, C_STORE, N_EVENT_REPORT
from pynetdicom.pdu_primitives import P_DATA

from appliance.network.commands import NO_DATA_SET, Value, decode_command, encode_command
from appliance.network.fragments import Buffer, message_fragments, pdu_blocks
from appliance.network.spool import Body, MemoryBody, SpoolBody, start_body
from appliance.network.upper_layer import INVALID_PARAMETER, UNEXPECTED
from appliance.network.waiting import MessageQueue

if TYPE_CHECKING:
    from appliance.network.association import BoundedAssociation
    from appliance.network.upper_layer import UpperLayer

_COMMAND, _LAST = 1, 2
_FIELDS = {name: number for number, (name, _) in stock._MESSAGE_TYPES.items()}
_MAY_BE_EMPTY = frozenset({0x0100, 0x0110, 0x0130, 0x0140, 0x0150})
"""N-EVENT-REPORT, N-GET, N-ACTION, N-CREATE, N-DELETE: small requests, at times announced with a data set in vain."""
_UIDS = {
    "AffectedSOPClassUID": "_affected_sop_class_uid",
    "AffectedSOPInstanceUID": "_affected_sop_instance_uid",
    "RequestedSOPClassUID": "_requested_sop_class_uid",
    "RequestedSOPInstanceUID": "_requested_sop_instance_uid",
}
"""Where pynetdicom's primitives keep them."""
_LONGEST_UID = 64
_CANCELS = 10
_EVENTS_WAITING = 200
_CHUNK = 256 * 1024


class MalformedMessageError(Exception):
    """What came is no DIMSE message; the association can't go on."""

    def __init__(self, message: str, reason: int = INVALID_PARAMETER) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Refused:
    """A request that could be read but not taken: its answer is a status."""

    primitive: Any  # the request, with what could be set
    status: int
    message: str
    body: Body
    is_valid_request = False
    is_valid_response = False
    msg_type = "malformed"


@dataclass
class Incoming:
    """The message being received."""

    context_id: int
    started: float = field(default_factory=time.monotonic)
    encoded: bytearray = field(default_factory=bytearray)
    command: dict[str, Value] | None = None
    body: Body | None = None
    size: int = 0

    def allowed(self, message_time: float, message_rate: int) -> float:
        """Seconds this message may still take."""
        return self.started + message_time + self.size / message_rate - time.monotonic()


class MessageProvider(DIMSEServiceProvider):
    """pynetdicom's DIMSE service provider with bounds, spooling, and one message at a time on the way out."""

    _assoc: BoundedAssociation

    def __init__(self, assoc: BoundedAssociation) -> None:
        super().__init__(assoc)
        self.msg_queue: MessageQueue = MessageQueue()
        self._incoming: Incoming | None = None
        self._send_lock = threading.RLock()
        self._serving = False
        self._held: list[tuple[Any, int]] = []
        self._in_memory = 0
        self._events: list[tuple[N_EVENT_REPORT, int]] | None = None  # made when the first comes: most never have one

    @property
    def dul(self) -> UpperLayer:
        return self._assoc.dul

    # Receiving, in the upper layer's thread

    @property
    def receiving(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._incoming is not None

    def time_left(self) -> float:
        """Seconds until :meth:`check_time` has something to do; infinity when nothing is being received."""
        incoming = self._incoming
        if incoming is None:
            return float("inf")
        limits = self._assoc.limits
        left = incoming.allowed(limits.message_time, limits.message_rate)
        if self._awaits_nothing(incoming):
            left = min(left, incoming.started + limits.empty_dataset_after - time.monotonic())
        return max(0.0, left)

    def check_time(self) -> None:
        """Cut a message that takes too long; take an announced data set that does not come as empty."""
        incoming = self._incoming
        if incoming is None or self.time_left() > 0:
            return
        if self._awaits_nothing(incoming):
            self._guarded(self._complete)
        else:
            self.dul.cut("message-deadline", "a message was not complete in time", 0)

    @staticmethod
    def _awaits_nothing(incoming: Incoming) -> bool:
        command = incoming.command
        empty = command is not None and incoming.body is not None and incoming.body.size == 0
        return empty and command is not None and command["CommandField"] in _MAY_BE_EMPTY

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the fragments of a P-DATA primitive (the long way, when someone watches the PDUs)."""
        pairs = [(context_id, memoryview(data)) for context_id, data in primitive.presentation_data_value_list]
        if any(len(data) == 0 for _, data in pairs):
            self.dul.cut("malformed-pdu", "a presentation data value without a control header", INVALID_PARAMETER)
            return
        self.receive_fragments([(context_id, data[0], data[1:]) for context_id, data in pairs])

    def receive_fragments(self, fragments: Iterable[tuple[int, int, memoryview]]) -> None:
        """Take (context ID, message control header, fragment) in order."""
        for context_id, control, fragment in fragments:
            if not self._guarded(self._take, context_id, control, fragment):
                return

    def _guarded(self, what: Any, *arguments: Any) -> bool:
        try:
            what(*arguments)
        except MalformedMessageError as error:
            self.discard()
            self.dul.cut("malformed-message", str(error), error.reason)
            return False
        return True

    def _take(self, context_id: int, control: int, fragment: memoryview) -> None:
        if control & _COMMAND:
            self._take_command(context_id, control, fragment)
            return
        incoming = self._incoming
        if incoming is None or incoming.body is None:
            raise MalformedMessageError("a data set without a command", UNEXPECTED)
        if context_id != incoming.context_id:
            raise MalformedMessageError("the data set comes under another presentation context than its command")
        incoming.size += len(fragment)
        incoming.body.write(fragment)
        if control & _LAST:
            self._complete()

    def _take_command(self, context_id: int, control: int, fragment: memoryview) -> None:
        if self._incoming is not None and self._awaits_nothing(self._incoming):
            self._complete()
        if control & _LAST and self._late_response(fragment):
            return
        incoming = self._incoming = self._incoming or Incoming(context_id)
        if incoming.command is not None or context_id != incoming.context_id:
            raise MalformedMessageError("a command inside another message", UNEXPECTED)
        incoming.encoded += fragment
        incoming.size += len(fragment)
        if len(incoming.encoded) > self._assoc.limits.command_max:
            raise MalformedMessageError("the command set is too long")
        if control & _LAST:
            self._begin(incoming)

    def _late_response(self, fragment: memoryview) -> bool:
        """Whether this is a bare response between a request's command and its data set.

        PS3.7 does not allow it, but an SCU that answers our events in a thread of its own sends just that.
        """
        if self._incoming is None or self._incoming.command is None:
            return False
        try:
            command = decode_command(bytes(fragment))
        except ValueError:
            return False
        return bool(command.get("CommandField", 0) & 0x8000) and command.get("CommandDataSetType") == NO_DATA_SET

    def _begin(self, incoming: Incoming) -> None:
        try:
            command = decode_command(incoming.encoded)
        except ValueError as error:
            raise MalformedMessageError(str(error)) from None
        if command.get("CommandField") not in stock._MESSAGE_TYPES:
            raise MalformedMessageError("the command set has no known Command Field")
        if "CommandDataSetType" not in command:
            raise MalformedMessageError("the command set has no Command Data Set Type")
        incoming.command = command
        if command["CommandDataSetType"] == NO_DATA_SET:
            incoming.body = MemoryBody(0)
            self._complete()
        else:
            incoming.body = start_body(self._assoc, incoming.context_id, command)

    def _complete(self) -> None:
        """The message is whole: queue it for the association's thread. It is being received until then."""
        incoming = self._incoming
        assert incoming is not None and incoming.command is not None and incoming.body is not None
        body = incoming.body
        try:
            body.finish()
            if isinstance(body, MemoryBody):
                self._in_memory += body.held
            self._tell_received(incoming, body)
            self._deliver(incoming.context_id, _primitive(incoming.command, incoming.context_id, body))
        finally:
            self._incoming = None

    def _deliver(self, context_id: int, message: Any) -> None:
        limits = self._assoc.limits
        if isinstance(message, C_CANCEL):
            if len(self.cancel_req) < _CANCELS and message.MessageIDBeingRespondedTo is not None:
                self.cancel_req[message.MessageIDBeingRespondedTo] = message
            return
        if isinstance(message, N_EVENT_REPORT) and message.is_valid_request and self._assoc.is_requestor:
            self._serve_event(message, context_id)
            return
        # answers to a request of ours may come as fast as the peer can send them: a thousand matches of a C-FIND
        most = limits.queued_answers if self._assoc.is_requestor else limits.queued_messages
        if self.msg_queue.qsize() >= most or self._in_memory > limits.memory_max:
            message.body.discard()
            raise MalformedMessageError("more requests than the negotiated window allows", UNEXPECTED)
        if self._is_served_here(context_id, message):
            self._assoc.serve_request(message, context_id)
        else:
            self.msg_queue.put((context_id, message))

    def _is_served_here(self, context_id: int, message: Any) -> bool:
        """Whether the thread that received it serves it, too: a C-STORE with nothing before it and nothing amiss.

        A scanner sends thousands, each after the answer to the one before: handing each over to the association's
        thread and back takes a tenth of its time. Whatever may end the association or wait for it takes the long way.
        """
        body = getattr(message, "body", None)
        return (
            isinstance(body, SpoolBody)
            and isinstance(message, C_STORE)
            and self._assoc.is_acceptor
            and self._assoc.is_established  # may be noted only after the peer knows: unanswered before
            and context_id in self._assoc._accepted_cx
            and message.is_valid_request
            and self.msg_queue.unfinished_tasks == 0
            and self._assoc._reactor_checkpoint.is_set()
        )

    def _serve_event(self, message: N_EVENT_REPORT, context_id: int) -> None:
        """As SCU: answer an event while our own request waits for its response, one after the other as they came.

        Some imagers tell their state in the moment they accept, before our own thread has looked at what they accepted.
        """
        with self._send_lock:
            if self._events is not None:
                if len(self._events) < _EVENTS_WAITING:
                    self._events.append((message, context_id))
                return
            self._events = [(message, context_id)]
        try:
            threading.Thread(target=self._serve_events, name="event-report", daemon=True).start()
        except RuntimeError:  # the system gives no thread: an event is a courtesy, our request is not
            self._events = None

    def _serve_events(self) -> None:
        """Until none waits: then the thread ends, and the next event begins another."""
        self._assoc.wait_negotiated()
        try:
            while event := self._next_event():
                self._assoc.serve_request(*event)
        except BaseException:
            self._events = None
            raise

    def _next_event(self) -> tuple[N_EVENT_REPORT, int] | None:
        with self._send_lock:
            if self._events:
                return self._events.pop(0)
            self._events = None
        return None

    def taken(self, message: Any) -> None:
        """The association's thread has taken `message` off the queue."""
        if isinstance(message.body, MemoryBody):
            self._in_memory -= message.body.held

    def get_msg(self, block: bool = False) -> Any:
        """As pynetdicom's, with the count of bytes in memory kept."""
        item = super().get_msg(block)
        if item[1] is not None:
            self.taken(item[1])
        return item

    def _tell_received(self, incoming: Incoming, body: Body) -> None:
        if self._assoc.get_handlers(evt.EVT_DIMSE_RECV) and incoming.command is not None:
            message = stock.DIMSEMessage()
            message.context_id = incoming.context_id
            message.command_set = _command_dataset(incoming.command)
            message.data_set = body.stream
            message.__class__ = stock._MESSAGE_TYPES[incoming.command["CommandField"]][1]
            evt.trigger(self._assoc, evt.EVT_DIMSE_RECV, {"message": message})

    def discard(self) -> None:
        """Give up what is half received or not yet served, with its files."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None and incoming.body is not None:
            incoming.body.discard()

    def discard_queued(self) -> None:
        """Remove the files of messages nobody will serve."""
        while not self.msg_queue.empty():
            _, message = self.msg_queue.get_nowait()
            if message is not None:
                message.body.discard()

    # Sending

    @property
    def serving(self) -> bool:
        """Whether a request is being served or waits to be; as SCU, where answers wait in the same queue, or one is."""
        waiting = self.msg_queue.unfinished_tasks if self._assoc.is_acceptor else self.msg_queue.qsize()
        return self._serving or waiting > 0

    @contextmanager
    def serve(self) -> Iterator[None]:
        """While a request is served, events wait: they never overtake its response."""
        with self._send_lock:
            self._serving = True
        try:
            yield
        finally:
            with self._send_lock:
                self._serving = False
                held, self._held = self._held, []
                for primitive, context_id in held:
                    self.send_msg(primitive, context_id)

    def send_or_hold(self, primitive: Any, context_id: int) -> None:
        """Send now, or after the response that is being prepared."""
        with self._send_lock:
            if self._serving:
                self._held.append((primitive, context_id))
            else:
                self.send_msg(primitive, context_id)

    def send_msg(
        self,
        primitive: Any,
        context_id: int,
        extra: Mapping[str, Value] | None = None,
        body: Iterable[Buffer] | None = None,
    ) -> None:
        """Encode and send a message.

        `extra` are command elements by keyword that go over the primitive's own; `body` is an encoded data set in
        pieces, read only as fast as the peer takes it. An empty data set is announced as none.
        """
        kinds = _RQ_TO_MESSAGE if primitive.MessageIDBeingRespondedTo is None else _RSP_TO_MESSAGE
        kind = kinds[type(primitive)].__name__
        pieces = body if body is not None else _own_body(primitive, kind)
        command = _command(primitive, kind.replace("_", "-"))
        command.update(extra or {})
        command["CommandDataSetType"] = NO_DATA_SET if pieces is None else 1
        self._tell_sent(kind, command, context_id, primitive)
        fragments = message_fragments(encode_command(command), pieces or (), self.maximum_pdu_size)
        with self._send_lock:
            self._send(context_id, fragments, whole=body is None)

    def _send(self, context_id: int, fragments: Iterator[tuple[int, Buffer]], whole: bool) -> None:
        if self._assoc.is_watched:
            for control, fragment in fragments:
                pdata = P_DATA()
                pdata.presentation_data_value_list.append((context_id, bytes([control]) + fragment))
                self.dul.send_pdu(pdata)
            return
        blocks = pdu_blocks(context_id, fragments)
        self.dul.send_blocks(list(blocks) if whole else blocks)

    def _tell_sent(self, kind: str, command: Mapping[str, Value], context_id: int, primitive: Any) -> None:
        if self._assoc.get_handlers(evt.EVT_DIMSE_SENT):
            message = getattr(stock, kind)()
            message.context_id = context_id
            message.command_set = _command_dataset(command)
            message.data_set = getattr(primitive, stock._DATASET_KEYWORDS.get(kind, ""), None) or BytesIO()
            message._data_set_path = getattr(primitive, "_dataset_path", None)
            evt.trigger(self._assoc, evt.EVT_DIMSE_SENT, {"message": message})


def set_uid(primitive: Any, keyword: str, uid: UID | None) -> None:
    """Set a UID of a primitive; ValueError when it is longer than a UID can be (as pynetdicom's own setters).

    Those check it a second time, at some cost, and log each odd UID of a hostile peer.
    """
    if uid is not None and len(uid) > _LONGEST_UID:
        raise ValueError(f"{keyword} is longer than a UID")
    setattr(primitive, _UIDS[keyword], uid or None)


def _primitive(command: Mapping[str, Value], context_id: int, body: Body) -> Any:
    """pynetdicom's primitive of a received message, or Refused when a value can't be taken."""
    kind = stock._MESSAGE_TYPES[command["CommandField"]][1].__name__
    primitive: Any = stock._MSG_TO_PRIMITVE[kind[: kind.rfind("_R")]]()
    primitive._context_id = context_id
    primitive._dataset_path = primitive._dataset_file = None
    primitive.body = body
    faults = []
    for keyword, value in command.items():
        if hasattr(primitive, keyword):
            try:
                if keyword in _UIDS:
                    set_uid(primitive, keyword, UID(value, IGNORE))
                else:
                    setattr(primitive, keyword, value)
            except (ValueError, TypeError):
                faults.append(keyword)
    dataset_keyword = stock._DATASET_KEYWORDS.get(kind)
    if dataset_keyword is not None:
        setattr(primitive, dataset_keyword, body.stream)
    if not faults or kind.endswith("RSP"):
        return primitive
    return Refused(primitive, _status_for(faults), f"invalid {', '.join(faults)}", body)


def _status_for(faults: list[str]) -> int:
    if any(keyword.endswith("SOPInstanceUID") for keyword in faults):
        return 0x0117
    return 0x0118 if any(keyword.endswith("SOPClassUID") for keyword in faults) else 0x0212


def _command(primitive: Any, kind: str) -> dict[str, Value]:
    """The command elements of a primitive. `kind` as in PS3.7, e.g. "N-SET-RSP"."""
    values: dict[str, Value] = {}
    for keyword in stock._COMMAND_SET_KEYWORDS[kind]:
        value = getattr(primitive, keyword, None)
        if value is not None:
            values[keyword] = value
    values["CommandField"] = _FIELDS[kind]
    return values


def _own_body(primitive: Any, kind: str) -> Iterable[Buffer] | None:
    path = getattr(primitive, "_dataset_path", None)
    if path:
        return _file_chunks(*path)
    stream = getattr(primitive, stock._DATASET_KEYWORDS.get(kind, ""), None)
    encoded = stream.getvalue() if stream is not None else b""
    return [encoded] if encoded else None


def _file_chunks(path: Any, offset: int) -> Iterator[bytes]:
    with open(path, "rb") as file:  # noqa: PTH123
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            yield chunk


def _command_dataset(command: Mapping[str, Value]) -> Dataset:
    dataset = Dataset()
    for keyword, value in command.items():
        setattr(dataset, keyword, value)
    return dataset
