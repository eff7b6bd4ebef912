"""A pytest plugin: puts appliance.network's classes into pynetdicom before its own tests are imported."""

from __future__ import annotations

import contextlib
import importlib
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import pynetdicom
import pynetdicom.ae
import pynetdicom.association
import pynetdicom.dimse
import pynetdicom.dul
import pynetdicom.transport
import pytest

from appliance.network.anteroom import Anteroom
from appliance.network.association import BoundedAssociation
from appliance.network.bounded_socket import BoundedSocket
from appliance.network.gate import Connection
from appliance.network.limits import DEFAULT_LIMITS
from appliance.network.messages import MessageProvider
from appliance.network.server import ServerGroup, _Server
from appliance.network.upper_layer import UpperLayer

WORDS = "asks for pynetdicom's log lines; ours are incidents"
DUMMIES = "drives one class with dummies in place of its neighbours, which ours know better"
STATUS = "a handler that failed, or said no status, is answered 0110 or C000 with a comment, not with pynetdicom's C002"
STRICT = "a SOP class that was not negotiated is refused (0122) but for the printing ones (PS3.4 H.3.2.2)"
TIMER = "sets a timer or a socket from outside and waits for a loop that polls; ours sleeps until it is woken"
RACE = "sends while the peer closes, and asks for the sending to be seen first; ours may see the closing first"
OUTSIDE = "needs the internet, or a terminal's interrupt"
APART = {
    "test_acse.py::TestNegotiateRelease::test_release_n_event_report": WORDS,
    "test_acse.py::TestNegotiateRelease::test_release_c_echo_request": WORDS,
    "test_ae.py::TestAEVerificationSCP::test_start_server_keyboard_interrupt": OUTSIDE,
    "test_ae.py::TestAEGoodAssociation::test_association_timeouts": OUTSIDE,
    "test_ae.py::TestAEGoodAssociation::test_connection_timeout": OUTSIDE,
    "test_assoc.py::TestAssociation::test_invalid_context": WORDS,
    "test_assoc.py::TestCStoreSCP::test_no_context": DUMMIES,
    "test_assoc.py::TestCStoreSCP::test_handler_*": DUMMIES,
    "test_assoc.py::TestAssociationSendCEcho::test_run_accept_scp_not_implemented": STATUS,
    "test_assoc.py::TestAssociationSendCEcho::test_network_timeout_requestor": WORDS,
    "test_assoc.py::TestAssociationSendCEcho::test_network_timeout_release": WORDS,
    "test_assoc.py::*::test_rsp_not_*": DUMMIES,
    "test_assoc.py::*::test_rsp_invalid_*": DUMMIES,
    "test_assoc.py::*::test_query_uid_private": WORDS,
    "test_assoc.py::TestAssociationSendCGet::test_unrestricted_failure": (
        "an image of a C-GET is taken though its archive forgot to confirm the role that we proposed"
    ),
    "test_assoc.py::TestGetValidContext::test_ups_push_action": STRICT,
    "test_assoc_n.py::TestAssociationSendN[!DE]*::test_meta_uid_good": STRICT,
    "test_assoc_n.py::TestAssociationSendNEventReport::test_extra_status": (
        "a response names the instance its request named, whatever the handler says (PS3.7 10.1.1.1)"
    ),
    "test_assoc_n.py::TestAssociationSendNCreate::test_decode_failure": DUMMIES,
    "test_dimse_provider.py::TestDIMSEProvider::test_invalid_message": DUMMIES,
    "test_dul.py::TestDUL::test_recv_primitive": DUMMIES,
    "test_dul.py::TestDUL::test_stop_dul_sta1": DUMMIES,
    "test_dul.py::TestDUL::test_recv_*": WORDS,
    "test_fsm.py::TestState04::*": TIMER,
    "test_fsm.py::TestState06::test_evt09": RACE,
    "test_fsm.py::TestState06::test_evt11": RACE,
    "test_fsm.py::TestState06::test_evt18": TIMER,
    "test_fsm.py::TestState0[789]::test_evt18": TIMER,
    "test_fsm.py::TestState1[012]::test_evt18": TIMER,
    "test_service_n.py::TestNServiceClass::test_handler_status_none*": STATUS,
    "test_service_n.py::TestNServiceClass::test_bad_request*": STATUS,
    "test_service_storage.py::*::test_scp_handler_no_status": STATUS,
    "test_service_storage.py::*::test_scp_handler_exception*": STATUS,
    "test_service_storage.py::*::test_scp_handler_dataset_path": "data sets lie in our spool, not in pynetdicom's",
    "test_service_verification.py::*::test_scp_handler_*no_status": "an echo that failed is not answered with success",
    "test_service_verification.py::*::test_scp_handler_exception": "an echo that failed is not answered with success",
    "test_service_verification.py::*::test_abort": WORDS,
    "test_service_verification.py::*::test_disconnection": WORDS,
    "test_transport.py::TestAssociationSocket::test_no_socket_connect_raises": WORDS,
    "test_transport.py::TestTLS::test_tls_yes_server_not_client*": WORDS,
    "test_transport.py::TestEventHandlingRequestor::test_connection_failure_log": WORDS,
    "test_transport.py::TestAssociationServer::test_gc": "watches pynetdicom collect garbage; ours: network/tidying.py",
    "test_transport.py::TestTLS::test_no_ssl_sc?": "hides Python's ssl, which ours need",
    "test_service_n.py::TestNCreate::test_rq_no_instance_uid_success*error": WORDS,
}
"""Tests that do not hold for ours, and why."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave those out, with the reason (``-rs`` shows it)."""
    for item in items:
        name = "::".join([item.path.name, *item.nodeid.split("::")[1:]])
        for pattern, reason in APART.items():
            if name == pattern or fnmatch(name, pattern):
                item.add_marker(pytest.mark.skip(reason=reason))
                break


class OwnTestsAssociation(BoundedAssociation):
    """Ours, but as forgiving of time as pynetdicom's tests expect, and with its log handlers."""

    def __init__(self, ae: pynetdicom.AE, mode: str) -> None:
        super().__init__(ae, mode)
        self.acse_timeout, self.network_timeout = ae.acse_timeout, ae.network_timeout

    _bind_defaults = pynetdicom.association.Association._bind_defaults


for module in (pynetdicom, pynetdicom.ae, pynetdicom.association):
    module.Association = OwnTestsAssociation  # type: ignore[attr-defined]
for module in (pynetdicom.transport, pynetdicom.ae):
    module.AssociationSocket = BoundedSocket  # type: ignore[attr-defined]
pynetdicom.dul.DULServiceProvider = UpperLayer  # type: ignore[misc]
pynetdicom.dimse.DIMSEServiceProvider = MessageProvider  # type: ignore[misc]


class OwnTestsHandler(pynetdicom.transport.RequestHandler):
    """pynetdicom's, of a connection that has been in the anteroom."""

    def setup(self) -> None:
        self.server._leave(self.request)  # type: ignore[attr-defined]


class OwnTestsServer(_Server):
    """Ours, with its anteroom, made as pynetdicom's tests make one: each by itself, its associations as above."""

    def __init__(
        self,
        ae: pynetdicom.AE,
        address: Any,
        ae_title: str,
        contexts: list[Any],
        ssl_context: ssl.SSLContext | None = None,
        evt_handlers: list[Any] | None = None,
        request_handler: Any = None,
    ) -> None:
        self.group = ServerGroup(ae, limits=DEFAULT_LIMITS, spool=None, on_incident=None, on_end=None)
        self.tls = ssl_context
        self.connections: dict[Any, Connection] = {}
        self.looked = time.monotonic()
        self._stopping, self._stopped = False, threading.Event()
        given = (ae, address, ae_title, contexts, ssl_context, evt_handlers, request_handler or OwnTestsHandler)
        pynetdicom.transport.ThreadedAssociationServer.__init__(self, *given)
        self.anteroom = Anteroom(self.fileno(), DEFAULT_LIMITS.request_pdu_max)

    _bind_defaults = pynetdicom.transport.AssociationServer._bind_defaults
    active_associations = pynetdicom.transport.AssociationServer.active_associations

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        if self.ssl_context is None:
            return sock, address
        connection = self.connections.pop(sock)
        wrapped = self.ssl_context.wrap_socket(sock, server_side=True)
        self.connections[wrapped] = connection
        return wrapped, address

    def shutdown(self) -> None:
        super().shutdown()
        for association in self.active_associations:  # as a group's stop: who was just released is let end
            association.join(1)
        self.ae._servers.remove(self)


pynetdicom.ae.ThreadedAssociationServer = OwnTestsServer  # type: ignore[misc]

_reload = importlib.reload


def _keeping_ours(module: Any) -> Any:
    """test_transport.py loads these two anew after each test with TLS, which would put pynetdicom's own back in."""
    return module if module in (pynetdicom.transport, pynetdicom.ae) else _reload(module)


importlib.reload = _keeping_ours

_bind = pynetdicom.transport.AssociationServer.server_bind
_servers: weakref.WeakSet[Any] = weakref.WeakSet()


def _remembering_bind(server: Any) -> None:
    _servers.add(server)
    _bind(server)


pynetdicom.transport.AssociationServer.server_bind = _remembering_bind  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _nothing_left_listening() -> Iterator[None]:
    """A test that fails leaves its server on the fixed port of all: without this all after it fail too."""
    yield
    for server in list(_servers):
        with contextlib.suppress(Exception):
            server.server_close()
        _servers.discard(server)
