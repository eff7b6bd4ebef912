"""Who is on the other end of an association, settled when it is asked for."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from typing import Any

from appliance.events import Actor
from appliance.printing.desk import Desks, PrintDesk
from appliance.security.peers import Peer
from appliance.store.store import Store

# (result, source, diagnostic) of an A-ASSOCIATE-RJ (PS3.8 table 9-21)
CALLING_NOT_RECOGNISED = (1, 1, 3)
CALLED_NOT_RECOGNISED = (1, 1, 7)
COME_AGAIN = (2, 3, 1)  # transient, by the presentation services: temporary congestion


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One association's peer and what it called us."""

    association: Any  # appliance.network.association.BoundedAssociation
    calling_ae_title: str
    called_ae_title: str
    address: str
    peer: Peer
    desk: PrintDesk | None  # None: there is no printer

    @property
    def actor(self) -> Actor:
        return Actor(name=self.calling_ae_title, kind="peer", address=self.address)

    def __str__(self) -> str:
        return f"{self.calling_ae_title}@{self.address}"


def caller_of(desks: Desks, association: Any) -> Caller:
    """The caller of an association whose A-ASSOCIATE-RQ has come."""
    wanted = association.requestor.primitive
    calling, called = wanted.calling_ae_title.strip(), wanted.called_ae_title.strip()
    desk = desks.of(called, calling, association.address)
    peer = desk.peer if desk else desks.peer(calling, association.address)
    return Caller(
        association=association,
        calling_ae_title=calling,
        called_ae_title=called,
        address=association.address,
        peer=peer,
        desk=desk,
    )


def rejection(store: Store, caller: Caller) -> tuple[int, int, int] | None:
    """Why a caller is not let in, or None."""
    settings = store.settings.dicom
    if not caller.peer.known and settings.unknown_peers == "refuse":
        return CALLING_NOT_RECOGNISED
    wanted = caller.peer.certificate.replace(":", "").lower()
    if wanted and wanted != fingerprint(caller.association):
        return CALLING_NOT_RECOGNISED
    known = caller.called_ae_title == settings.ae_title or (caller.desk is not None and caller.desk.called_known)
    if settings.strict_called_ae and not known:
        return CALLED_NOT_RECOGNISED
    return None


def fingerprint(association: Any) -> str:
    """SHA-256 of the certificate the peer showed, in hex; "" without TLS or certificate."""
    sock = association.dul.socket.socket
    shown = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    return hashlib.sha256(shown).hexdigest() if shown else ""
