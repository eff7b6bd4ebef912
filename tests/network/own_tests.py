"""A pytest plugin: puts appliance.network's classes into pynetdicom before its own tests are imported."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

import pynetdicom
import pynetdicom.ae
import pynetdicom.association
import pynetdicom.dimse
import pynetdicom.dul
import pynetdicom.transport
import pytest

from appliance.network.association import BoundedAssociation
from appliance.network.bounded_socket import BoundedSocket
from appliance.network.messages import MessageProvider
from appliance.network.upper_layer import UpperLayer


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
