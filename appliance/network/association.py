"""An association with limits: pynetdicom's, waiting for events instead of polling, and ending when it is told to."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.association import Association

from appliance.about import lines_are_about
from appliance.network import answers
from appliance.network.incidents import Reporter
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.messages import MessageProvider, Refused
from appliance.network.upper_layer import UpperLayer
from appliance.network.waiting import LeanEvent

if TYPE_CHECKING:
    from pynetdicom.ae import ApplicationEntity

    from appliance.network.spool import Spool

log = logging.getLogger("appliance.network")

_TAPS = (
    *(evt.EVT_PDU_RECV, evt.EVT_DATA_RECV, evt.EVT_PDU_SENT, evt.EVT_DATA_SENT),
    evt.EVT_FSM_TRANSITION,
)
_LONGEST_WAIT = 5.0
NO_THREAD = "the system gives no thread for it: fewer associations at once, or a higher limit of tasks (TasksMax=)"
_ABORT_GRACE = 2.0
_DEFAULT_HANDLERS: dict[Any, Any] = {
    event: (evt.get_default_handler(event), None) for event in evt._INTERVENTION_EVENTS
}


class _Checkpoint(LeanEvent):
    """Set while the reactor may take messages. Clearing it waits until the reactor is not just taking one."""

    def __init__(self, turn: Any) -> None:
        super().__init__()
        self._turn = turn

    def clear(self) -> None:
        with self._turn:
            super().clear()


class BoundedAssociation(Association):
    """An association as acceptor or requestor, within limits."""

    dul: UpperLayer
    dimse: MessageProvider
    is_watched = False  # someone wants to see each PDU: they go the long way

    def __init__(
        self,
        ae: ApplicationEntity,
        mode: str,
        *,
        limits: Limits = DEFAULT_LIMITS,
        report: Reporter | None = None,
        spool: Spool | None = None,
        since: float | None = None,
        admit: Callable[[], str] = str,
        ended: Callable[[BoundedAssociation], None] = lambda association: None,
    ) -> None:
        """`admit` is asked once the A-ASSOCIATE-RQ is here, and says why not.

        `ended` is called once, at the very end of the thread.
        `since` is the monotonic moment of the connection: the deadline of the request counts from it.
        """
        self.about = {"association": os.urandom(4).hex()}  # lines of the log
        self._since = time.monotonic() if since is None else since
        self.limits = limits
        self.report = report or Reporter()
        self.spool = spool
        self.admit = admit
        self.ended = ended
        self.message_ids = iter(range(1, 1))
        self.is_known = False  # whether somebody has entered this peer: said by the front door
        self.connect_error: OSError | None = None  # as requestor: why there is no connection
        super().__init__(ae, mode)
        del self.dul.state_machine  # pynetdicom's own layer goes now, and does not wait to be collected as a cycle
        self.dul = UpperLayer(self)
        self.dimse = MessageProvider(self)
        self.acse_timeout = limits.request_deadline if mode == "acceptor" else ae.acse_timeout
        self.network_timeout = limits.idle if mode == "acceptor" else ae.network_timeout
        self._turn = threading.RLock()
        self._dul_ready = LeanEvent()
        self._reactor_checkpoint = _Checkpoint(self._turn)
        self._reactor_checkpoint.set()
        self._negotiated = LeanEvent() if mode == "requestor" else None

    def request(self) -> None:
        """Ask the peer for the association, and wait for the outcome."""
        assert self._negotiated is not None
        try:
            super().request()
        finally:
            self._negotiated.set()

    def wait_negotiated(self) -> None:
        """As requestor: wait until it is known which contexts were accepted, and for as long as that may take."""
        if self._negotiated is not None:
            self._negotiated.wait(self.acse_timeout)

    def bind_all(self, handlers: dict[Any, Any]) -> None:
        """Take a server's handlers in place of those it has."""
        self._handlers = {event: it if event.is_intervention else list(it) for event, it in handlers.items()}
        self._look_for_taps()

    def bind(self, event: Any, handler: Callable[..., Any], args: list[Any] | None = None) -> None:
        super().bind(event, handler, args)
        self._look_for_taps()

    def unbind(self, event: Any, handler: Callable[..., Any]) -> None:
        super().unbind(event, handler)
        self._look_for_taps()

    def _look_for_taps(self) -> None:
        self.is_watched = any(self.get_handlers(event) for event in _TAPS)

    def _bind_defaults(self) -> None:
        """Bind no log handlers: they cost a quarter of the speed and write patient data."""
        self._handlers = dict(_DEFAULT_HANDLERS)

    # Who it is

    @property
    def address(self) -> str:
        """The peer's IP address, or "" before it is known."""
        user = self.requestor if self.is_acceptor else self.acceptor
        return user.address_info.address if user.address_info is not None else ""

    @property
    def peer(self) -> str:
        """AE title and address of the peer, for logs."""
        user = self.requestor if self.is_acceptor else self.acceptor
        return f"{user.ae_title.strip() or '?'}@{self.address}"

    def incident(self, kind: str, message: str) -> None:
        """Report what this peer did."""
        user = self.requestor if self.is_acceptor else self.acceptor
        self.report(kind, self.address, message, user.ae_title.strip())

    @property
    def busy(self) -> bool:
        """Whether a message is being received or served."""
        return self.dimse.receiving or self.dimse.serving

    @property
    def network_timeout(self) -> float | None:
        """Seconds without a message after which the association is ended; None: never."""
        return self._network_timeout

    @network_timeout.setter
    def network_timeout(self, value: float | None) -> None:
        self.dul._idle_timer.timeout = value
        self._network_timeout = value
        self.nudge()  # it may be waiting for longer

    @property
    def idle_for(self) -> float:
        """Seconds since the peer was last heard; 0 while a message is received or served."""
        return 0.0 if self.busy else self.dul._idle_timer.elapsed

    # The thread

    def nudge(self) -> None:
        """Wake the reactor: something other than a message has happened."""
        if hasattr(self, "dimse") and isinstance(self.dimse, MessageProvider):
            self.dimse.msg_queue.nudge()

    def run_reactor(self) -> None:
        """Negotiate, serve, and leave nothing behind."""
        lines_are_about(self.about)
        try:
            if not self._started_dul:
                self._started_dul = True
                self.dul.start()
                self._dul_ready.wait()
            if self.is_acceptor:
                self._accept()
            elif not (self.is_established or self.is_aborted or self.is_released or self.is_rejected):
                self.acse.negotiate_association()
            if self.is_established:
                self._run_reactor()
        except RuntimeError:
            if self.dul.ident is not None:
                raise
            self._kill = True
            self.incident("no-thread", NO_THREAD)
        finally:
            self._clean_up()

    def never_begins(self) -> None:
        """There was no thread to run it: it ends here, with all it holds."""
        self.incident("no-thread", NO_THREAD)
        self._clean_up()

    def _accept(self) -> None:
        left = self._since + self.limits.request_deadline - time.monotonic()
        primitive = self.dul.receive_pdu(wait=True, timeout=max(0.001, left))
        if primitive is None or not hasattr(primitive, "calling_ae_title"):
            self.kill()
            return
        self.requestor.primitive = cast(Any, primitive)
        evt.trigger(self, evt.EVT_REQUESTED, {})
        if self.is_aborted or self.is_rejected:
            return
        proposed = primitive.presentation_context_definition_list
        if not all(context.abstract_syntax and context.transfer_syntax for context in proposed):
            # pynetdicom falls over a context without one of them (PS3.8 9.3.2.2: one abstract, one transfer at least)
            self.incident("malformed-request", "a presentation context without an abstract or a transfer syntax")
            self._abort_nonblocking()
        elif not (full := self.admit()):
            self.acse.negotiate_association()
        else:
            self.requestor.ae_title = self.requestor.primitive.calling_ae_title
            self.incident("too-many-associations", f"rejected: {full}")
            self.acse.send_reject(0x02, 0x03, 0x02)
            evt.trigger(self, evt.EVT_REJECTED, {})
            self.kill()

    def _clean_up(self) -> None:
        if self.is_acceptor or self._kill:
            self.dul.end(_ABORT_GRACE)
        if not self.dul.is_alive():
            self.dul.wake.close()
            if self.dul.socket is not None:
                self.dul.socket._shutdown_socket()
        self.dimse.discard()
        self.dimse.discard_queued()
        self.ended(self)

    def _run_reactor(self) -> None:
        """Serve requests until the association ends."""
        while not self._kill:
            self._is_paused = True
            self._reactor_checkpoint.wait()
            self.dimse.msg_queue.wait(self._patience())
            action = self._next_action()
            if action is not None:
                self._is_paused = False
                action()

    def _patience(self) -> float:
        """Seconds to wait for a message. One nudge may have stood for a message and a release that follows it."""
        if self.dul.to_user_queue.queue or not self.dul.is_alive():
            return 0.001
        timer = self.dul._idle_timer
        if timer.timeout is None:
            return _LONGEST_WAIT
        return min(_LONGEST_WAIT, max(0.0, timer.remaining) + 0.001)

    def _next_action(self) -> Callable[[], None] | None:
        """What to do next, decided while no other thread may begin a request of its own."""
        with self._turn:
            if not self._reactor_checkpoint.is_set():
                return None
            context_id, message = self.dimse.get_msg(block=False)
            if message is not None:
                return lambda: self._serve_queued(message, context_id)
            if self.is_established and self.acse.is_release_requested():
                return self._be_released
            if self.acse.is_aborted():
                return self._be_aborted
        if not self.dul.is_alive():
            return self.kill
        if self.dul.idle_timer_expired() and not self.busy:
            return self._be_idle_too_long
        return None

    def _be_released(self) -> None:
        self.acse.send_release(is_response=True)
        self.is_released = True
        self.is_established = False
        evt.trigger(self, evt.EVT_RELEASED, {})
        self.kill()

    def _be_aborted(self) -> None:
        self.dul.receive_pdu(wait=False)
        self.is_aborted = True
        self.is_established = False
        evt.trigger(self, evt.EVT_ABORTED, {})
        self.kill()

    def _be_idle_too_long(self) -> None:
        if self.network_timeout_response == "A-RELEASE":
            self._is_paused = True  # release() waits for the reactor to rest, and this is its thread
            self.release()
        else:
            self.incident("idle", "idle for too long")
            self.abort()
        self.kill()

    # Serving

    def _serve_queued(self, msg: Any, context_id: int) -> None:
        try:
            self.serve_request(msg, context_id)
        finally:
            self.dimse.msg_queue.task_done()

    def serve_request(self, msg: Any, context_id: int) -> None:
        """Serve one request; what is left of its data set afterwards is removed."""
        try:
            if not self._sent_release:
                with self.dimse.serve():
                    if threading.current_thread() is self:
                        self._is_paused = True  # the handler may send requests of its own
                    self._answer(msg, context_id)
        finally:
            msg.body.discard()

    def _c_store_scp(self, req: Any) -> None:
        """A C-STORE on an association of our own C-GET."""
        self.serve_request(req, req._context_id)

    def _answer(self, msg: Any, context_id: int) -> None:
        context = self._accepted_cx.get(context_id)
        if context is None:
            self.incident("wrong-context", f"a message under presentation context {context_id}, which was not accepted")
            self.abort()
        elif isinstance(msg, Refused):
            self.incident("malformed-request", msg.message)
            answers.refuse(self, msg.primitive, context_id, msg.status, msg.message)
        elif msg.is_valid_request:
            self.dimse.cancel_req = {}
            answers.serve(self, msg, context)
            self.dimse.cancel_req = {}
        elif msg.MessageIDBeingRespondedTo is None:
            self.incident("malformed-request", f"{msg.msg_type} lacks what it must have")
            answers.refuse(self, msg, context_id, 0x0212, "a mandatory element of the command is missing")

    # Ending

    def kill(self) -> None:
        """End the association and its upper layer, within bounds."""
        self._reactor_checkpoint.set()
        self._kill = True
        self.is_established = False
        self._is_paused = True
        self.nudge()
        if threading.current_thread() is not self.dul:
            self.dul.end(_ABORT_GRACE)

    def abort_soon(self) -> None:
        """Ask for an abort without waiting for it."""
        if not (self._sent_abort or self.is_released or self.is_aborted):
            self._sent_abort = True
            self.acse.send_abort(0x00)
            self.nudge()

    def cut_now(self) -> None:
        """Close the connection under a peer or a handler that stalls; the threads then end by themselves."""
        self._kill = True
        self.dul.kill_dul()
        if self.dul.socket is not None:
            self.dul.socket.shut()
        self._reactor_checkpoint.set()
        self.nudge()

    def next_message_id(self) -> int:
        """A Message ID for a request of ours; they come round after 65,535."""
        number = next(self.message_ids, None)
        if number is None:
            self.message_ids = iter(range(1, 65536))
            number = next(self.message_ids)
        return number
