"""The DICOM ports: several listeners that share limits, a report of incidents, and an end that ends."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from pynetdicom import AE, evt
from pynetdicom.transport import AddressInformation, RequestHandler, ThreadedAssociationServer

from appliance.network.anteroom import (
    Anteroom,
    Waiting,
    announced,
    association_request,
    client_hello,
)
from appliance.network.association import BoundedAssociation
from appliance.network.bounded_socket import BoundedSocket, tune
from appliance.network.gate import Connection, Gate
from appliance.network.incidents import OnIncident, Reporter
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.spool import Spool, spool_into
from appliance.network.tidying import Tidier
from appliance.network.upper_layer import INVALID_PARAMETER, KNOWN_PDUS, abort_pdu

log = logging.getLogger("appliance.network")

_ABORTED_WITHIN = 1.5
_OUT_OF_DESCRIPTORS_PAUSE = 0.1
_STOPPED_WITHIN = 5.0


@dataclass(frozen=True, kw_only=True)
class Listen:
    """One port."""

    address: str = "127.0.0.1"  # IP address to listen on
    port: int = 0  # 0: any free one, see ServerGroup.addresses
    ssl_context: ssl.SSLContext | Callable[[], ssl.SSLContext] | None = None  # DICOM TLS on this port; or who has it


class ServerAE(AE):
    """An AE that does not look through every thread for each association: those of a server are counted by its gate."""

    @property
    def active_associations(self) -> list[Any]:
        return []


class ServerGroup:
    """Listeners that share limits. Made by :func:`start_server`."""

    def __init__(
        self,
        ae: AE,
        *,
        limits: Limits,
        spool: Spool | None,
        on_incident: OnIncident | None,
        on_end: Callable[[BoundedAssociation], None] | None,
    ) -> None:
        self.ae = ae
        self.limits = limits
        self.report = Reporter(on_incident)
        self.gate = Gate(limits, self.report)
        self.tidier = Tidier()
        self.spool = spool
        self.draining = False
        self._on_end = on_end
        self._lock = threading.Lock()
        self._associations: set[BoundedAssociation] = set()
        self._servers: list[_Server] = []
        self._threads: list[threading.Thread] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(IP address, port) of each listener, in the order they were given."""
        return [server.server_address[:2] for server in self._servers]

    @property
    def port(self) -> int:
        """Port of the first listener."""
        return self.addresses[0][1]

    def is_accepting(self, within: float = 10.0) -> bool:
        """Whether every listener came round lately to look for connections: what a watchdog may be fed by."""
        moment = time.monotonic()
        return all(moment - server.looked < within for server in self._servers)

    @property
    def associations(self) -> list[BoundedAssociation]:
        """Connections as they are now, established or not."""
        with self._lock:
            return list(self._associations)

    def _listen(self, listen: Listen, handlers: Sequence[Any]) -> None:
        server = _Server(self, listen, handlers)
        thread = threading.Thread(
            target=server.serve_forever, args=(0.5,), name=f"dicom-port-{listen.port}", daemon=True
        )
        self._servers.append(server)
        self._threads.append(thread)

    def _start(self) -> None:
        for thread in self._threads:
            thread.start()

    def _began(self, association: BoundedAssociation) -> None:
        with self._lock:
            self._associations.add(association)

    def _ended(self, association: BoundedAssociation, connection: Connection) -> None:
        self.gate.leave(connection)
        with self._lock:
            self._associations.discard(association)
        self.tidier.ended()
        if self._on_end is not None:
            self._on_end(association)

    def send_idle_strangers_away(self) -> None:
        """Make room while it is crowded: peers nobody entered, who say nothing for long."""
        if not self.gate.is_crowded:
            return
        for association in self.associations:
            waits = association.is_established and not association.is_known
            if waits and association.idle_for > self.limits.stranger_idle:
                association.incident("idle", "an unknown peer idle for long while others come")
                association.abort_soon()

    def stop_accepting(self) -> None:
        """Close the listeners; what is established goes on."""
        self.draining = True
        servers, self._servers = self._servers, []
        for server in servers:
            server.shutdown()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2)

    def drain(self, grace: float = 30.0) -> bool:
        """Stop: accept nothing more, let running messages end for at most `grace` seconds, abort the rest.

        Ends within `grace` and about two seconds, whatever peers do. Returns whether every thread has ended.
        """
        self.stop_accepting()
        deadline = time.monotonic() + grace
        while self.associations and time.monotonic() < deadline:
            self._abort(association for association in self.associations if not association.busy)
            time.sleep(0.05)
        self._abort(self.associations)
        if not self._all_ended(_ABORTED_WITHIN):
            for association in self.associations:
                association.cut_now()
        return self._all_ended(0.5)

    def stop(self) -> bool:
        """Abort everything now."""
        return self.drain(0)

    @staticmethod
    def _abort(associations: Iterable[BoundedAssociation]) -> None:
        for association in associations:
            association.abort_soon()

    def _all_ended(self, within: float) -> bool:
        deadline = time.monotonic() + within
        for association in self.associations:
            with contextlib.suppress(RuntimeError):  # not started yet
                association.join(max(0.0, deadline - time.monotonic()))
        return not self.associations

    def __enter__(self) -> ServerGroup:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(RequestHandler):
    """Makes an association of one connection, in a thread of its own where TLS needs one."""

    server: _Server

    def setup(self) -> None:
        self.connection = self.server.connections.pop(self.request)

    def handle(self) -> None:
        group = self.server.group
        try:
            association = self._associate()
        except Exception:
            group.gate.leave(self.connection)
            raise
        group._began(association)
        evt.trigger(association, evt.EVT_CONN_OPEN, {"address": self.client_address})
        try:
            association.start()
        except RuntimeError:  # no thread left
            association.never_begins()

    def _associate(self) -> BoundedAssociation:
        sock: Any = self.request
        tune(sock, self.server.group.limits.user_timeout)
        if self.server.tls is not None:
            tls = self.server.tls
            sock = self._handshake(sock, tls if isinstance(tls, ssl.SSLContext) else tls())
        return self._association(sock)

    def _handshake(self, sock: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        group = self.server.group
        sock.settimeout(group.limits.tls_deadline)
        try:
            ours = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self.connection.goes_on_by(ours)
            with _closed_on_failure(ours):
                ours.do_handshake()
            return ours
        except (OSError, ValueError) as error:
            reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or type(error).__name__
            group.report("tls-failed", self.client_address[0], f"TLS handshake failed: {reason}")
            raise _HandshakeError from error

    def _association(self, sock: Any) -> BoundedAssociation:
        group, connection = self.server.group, self.connection
        association = BoundedAssociation(
            self.ae,
            "acceptor",
            limits=group.limits,
            report=group.report,
            spool=group.spool,
            since=connection.since,
            admit=lambda: "it is stopping" if group.draining else group.gate.admit(connection),
            ended=lambda ended: group._ended(ended, connection),
        )
        association._server = self.server
        association.name = f"association-{self.client_address[0]}:{self.client_address[1]}"
        association.set_socket(BoundedSocket(association, client_socket=sock))
        self._describe(association)
        association.bind_all(cast("dict[Any, Any]", self.server._handlers))
        return association

    def _describe(self, association: BoundedAssociation) -> None:
        acceptor = association.acceptor
        acceptor.maximum_length = self.server.group.limits.pdu_max
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.server.address_info
        acceptor.implementation_version_name = self.ae.implementation_version_name
        # Shared, not copied: negotiation only reads them, and copying a storage SCP's contexts takes 20 ms.
        acceptor.supported_contexts = self.server.contexts
        association.requestor.address_info = AddressInformation.from_tuple(self.client_address)


def _as_typed(address: str) -> str:
    """An IPv4 address as people know it: a port on "::" has it inside an IPv6 one."""
    mapped = address.removeprefix("::ffff:")
    return mapped if "." in mapped else address


@contextlib.contextmanager
def _closed_on_failure(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise


class _HandshakeError(Exception):
    """The connection has been dealt with."""


class _Server(ThreadedAssociationServer):
    """One listener."""

    daemon_threads = True

    def __init__(self, group: ServerGroup, listen: Listen, handlers: Sequence[Any]) -> None:
        self.group = group
        self.tls = listen.ssl_context
        self.request_queue_size = group.limits.backlog
        self.connections: dict[Any, Connection] = {}
        self.looked = time.monotonic()  # when it last came round to look for connections
        super().__init__(
            group.ae,
            (listen.address, listen.port),
            group.ae.ae_title,
            group.ae.supported_contexts,
            ssl_context=None,
            evt_handlers=list(handlers),
            request_handler=_Handler,
        )
        self.address_info = AddressInformation.from_tuple(self.server_address)
        opening = association_request(group.limits.request_pdu_max) if self.tls is None else client_hello
        self.anteroom = Anteroom(self.fileno(), opening)
        self._stopping = False
        self._stopped = threading.Event()

    def _bind_defaults(self) -> None:
        for event in evt._INTERVENTION_EVENTS:
            self.bind(event, evt.get_default_handler(event))

    @property
    def active_associations(self) -> list[Any]:
        return [association for association in self.group.associations if association._server is self]

    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            sock, address = cast(socket.socket, self.socket).accept()
        except OSError as error:
            self.group.report("cannot-accept", "", f"{error.strerror}")
            time.sleep(_OUT_OF_DESCRIPTORS_PAUSE)  # else accept() fails again at once, for ever
            raise
        address = (_as_typed(address[0]), *address[1:])
        connection = self.connections[sock] = Connection(sock, address[0])
        self.group.gate.enter(connection)
        return sock, address

    def process_request(self, request: Any, client_address: Any) -> None:
        limits = self.group.limits
        let_in = self._associate if self.tls is None else self._shake_hands
        deadline = limits.request_deadline if self.tls is None else limits.tls_deadline
        waiting = Waiting(
            sock=request,
            let_in=partial(let_in, request, client_address),
            put_out=partial(self._put_out, request, client_address),
            deadline=self.connections[request].since + deadline,
        )
        self.anteroom.enter(waiting)

    def _associate(self, request: socket.socket, client_address: Any) -> None:
        """Unless its first PDU is too long: that costs no association."""
        kind, length = announced(request)
        if kind in KNOWN_PDUS and length > self.group.limits.request_pdu_max:
            self._turn_away(request, client_address, length)
        else:
            self.process_request_thread(request, client_address)

    def _turn_away(self, request: socket.socket, client_address: Any, length: int) -> None:
        self.group.report("pdu-too-long", client_address[0], f"a PDU of {length} bytes")
        with contextlib.suppress(OSError):
            request.recv(65536, socket.MSG_DONTWAIT)  # closing over unread bytes makes a reset that overtakes the PDU
            request.send(abort_pdu(INVALID_PARAMETER), socket.MSG_DONTWAIT)
        self._leave(request)
        self.shutdown_request(request)

    def _shake_hands(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, for it waits for the peer."""
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread left
            self.handle_error(request, client_address)
            self.shutdown_request(request)

    def _put_out(self, request: socket.socket, client_address: Any, begun: bool) -> None:
        """It never asked for an association."""
        if begun:
            what = "an association request" if self.tls is None else "the opening of a TLS handshake"
            self.group.report("pdu-deadline", client_address[0], f"{what} was not complete in time")
        self._leave(request)
        self.shutdown_request(request)

    def _leave(self, request: Any) -> None:
        connection = self.connections.pop(request, None)
        if connection is not None:
            self.group.gate.leave(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self._leave(request)
        log.debug("connection from %s not served", client_address[0], exc_info=True)

    def service_actions(self) -> None:
        """Each time it came round."""
        self.looked = time.monotonic()
        self.group.tidier.turn()
        self.group.send_idle_strangers_away()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Until :meth:`shutdown`: take who is at the door, let in who waits and has spoken."""
        try:
            while not self._stopping:
                if self.anteroom.turn(poll_interval) and not self._stopping:
                    self._handle_request_noblock()  # type: ignore[attr-defined]
                self.service_actions()
        finally:
            self._stopped.set()

    def shutdown(self) -> None:
        self._stopping = True
        self.anteroom.wake()
        self._stopped.wait(_STOPPED_WITHIN)
        self.server_close()
        self.anteroom.close()


def start_server(
    ae: AE,
    listen: Sequence[Listen],
    handlers: Sequence[Any],
    *,
    limits: Limits = DEFAULT_LIMITS,
    spool: Spool | Path | None = None,
    on_incident: OnIncident | None = None,
    on_end: Callable[[BoundedAssociation], None] | None = None,
) -> ServerGroup:
    """Listen on several ports that share `limits`; returns once they are open.

    `ae` has the supported contexts and the AE title; `handlers` are pynetdicom's (event, function[, arguments]).
    `spool` is a folder, or decides for each N-SET and C-STORE where its data set goes; see
    :func:`appliance.network.spool.spooled_dataset`. `on_end` is called once for every connection
    that asked for something, at its end.
    Raises OSError when a port is taken.
    """
    ae.maximum_associations = 1_000_000  # ours are counted in the gate
    group = ServerGroup(
        ae,
        limits=limits,
        spool=spool_into(spool) if isinstance(spool, Path) else spool,
        on_incident=on_incident,
        on_end=on_end,
    )
    try:
        for each in listen:
            group._listen(each, handlers)
    except OSError:
        for server in group._servers:
            server.server_close()
        raise
    group._start()
    return group
