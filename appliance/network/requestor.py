"""Calling a peer: one bounded association as SCU, and every way it can fail in words."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from appliance.errors import DeviceError
from appliance.network.association import BoundedAssociation
from appliance.network.bounded_socket import BoundedSocket
from appliance.network.file_head import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from appliance.network.fragments import Buffer
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.outside import why_mute
from appliance.network.replies import read_reply
from appliance.network.spool import Spool
from appliance.words import say

# PS3.8 Table 9-21, in words a person can act on
_REJECTIONS = {
    (1, 1): say("it gives no reason"),
    (1, 2): say("it does not know the DICOM application context"),
    (2, 1): say("it gives no reason"),
    (2, 2): say("it speaks another version of the protocol"),
    (3, 1): say("it is congested: try again later"),
    (3, 2): say("it has no association free: try again later"),
}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Whom to call, and as whom."""

    host: str
    port: int
    called: str  # AE title of the peer
    calling: str = "APPLIANCE"  # our AE title
    tls: ssl.SSLContext | None = None  # see appliance.network.tls.client_context
    addresses: tuple[tuple[Any, ...], ...] = ()  # socket addresses of the host, looked up before; else it is now

    def __str__(self) -> str:
        return say("%(called)s at %(host)s port %(port)s", called=self.called, host=self.host, port=self.port)


class NoAssociationError(DeviceError):
    """The peer could not be reached or would not have us. `rejected` when it answered with a rejection."""

    def __init__(self, message: str, *, rejected: bool = False, permanent: bool = False) -> None:
        super().__init__(message)
        self.rejected = rejected
        self.permanent = permanent


class NoResponseError(DeviceError):
    """The peer did not answer a request, or ended the association: whether it did what was asked is not known."""


def context(abstract_syntax: str, *transfer_syntaxes: str) -> PresentationContext:
    """A presentation context to propose, with its transfer syntaxes in order of preference."""
    proposed = PresentationContext()
    proposed.abstract_syntax = UID(abstract_syntax)
    for syntax in transfer_syntaxes:
        proposed.add_transfer_syntax(syntax)
    return proposed


@contextmanager
def associated(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    *,
    handlers: Iterable[Any] = (),
    extended: Iterable[Any] = (),
    spool: Spool | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[BoundedAssociation]:
    """An association with `peer`: released at the end, aborted when the block raises. Raises NoAssociationError."""
    association = _associate(peer, contexts, handlers, extended, spool, limits)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def _associate(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    handlers: Iterable[Any],
    extended: Iterable[Any],
    spool: Spool | None,
    limits: Limits,
) -> BoundedAssociation:
    """Each address of the peer has its share of the time: one family may be a black hole."""
    addresses = peer.addresses or _look_up(peer)
    handlers, extended = tuple(handlers), tuple(extended)
    end = time.monotonic() + limits.connect_timeout
    for tried, address in enumerate(addresses):
        share = (end - time.monotonic()) / (len(addresses) - tried)
        association = _prepared(peer, address, max(0.1, share), spool, limits)
        _propose(association, contexts, handlers, extended)
        association.request()
        if association.is_established:
            association.start()
            return association
        if not _is_elsewhere(association.connect_error):
            break
    raise _why_not(peer, association, [str(address[0]) for address in addresses])


def _look_up(peer: Peer) -> tuple[tuple[Any, ...], ...]:
    """The addresses of a peer, IPv4 first: of DICOM applications many listen there alone."""
    try:
        found = socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoAssociationError(
            say("%(peer)s can't be reached: the name %(host)s is not known", peer=peer, host=peer.host)
        ) from error
    return tuple(entry[4] for entry in sorted(found, key=lambda entry: entry[0] != socket.AF_INET))


def _is_elsewhere(error: OSError | None) -> bool:
    """Whether nobody was met at an address, so that the peer may be at the next."""
    return error is not None and not isinstance(error, ssl.SSLError)


def _prepared(
    peer: Peer, address: tuple[Any, ...], connect_timeout: float, spool: Spool | None, limits: Limits
) -> BoundedAssociation:
    ae = AE(peer.calling)
    ae.connection_timeout, ae.acse_timeout = connect_timeout, limits.connect_timeout
    ae.dimse_timeout, ae.network_timeout = limits.response_timeout, None
    association = BoundedAssociation(ae, "requestor", limits=limits, spool=spool)
    remote = AddressInformation.from_tuple(address)  # type: ignore[arg-type]
    local = AddressInformation("0.0.0.0" if remote.is_ipv4 else "::", 0)
    sock = BoundedSocket(association, address=local)
    if peer.tls is not None:
        sock.tls_args = (peer.tls, peer.host)
    association.set_socket(sock)
    association.acceptor.ae_title, association.acceptor.address_info = peer.called, remote
    user = association.requestor
    user.address_info, user.ae_title, user.maximum_length = local, peer.calling, limits.pdu_max
    user.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    user.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return association


def _propose(
    association: BoundedAssociation,
    contexts: Sequence[PresentationContext],
    handlers: Sequence[Any],
    extended: Sequence[Any],
) -> None:
    for item in extended:
        association.requestor.add_negotiation_item(item)
    for number, proposed in enumerate(contexts):
        proposed.context_id = 2 * number + 1
    association.requestor.requested_contexts = list(contexts)
    for handler in [*handlers, (evt.EVT_ACCEPTED, _forget_unasked)]:
        association.bind(*handler)


def _forget_unasked(event: evt.Event) -> None:
    """A context accepted with a transfer syntax we did not offer (PS3.8 9.3.3.2) is none: nothing could be encoded."""
    association: Any = event.assoc
    offered = {context.context_id: context.transfer_syntax for context in association.requestor.requested_contexts}
    for number, context in list(association._accepted_cx.items()):
        if not context.transfer_syntax or context.transfer_syntax[0] not in offered.get(number, ()):
            del association._accepted_cx[number]


def _rejection(peer: Peer, source: int, diagnostic: int) -> str:
    """Why it rejects, in words."""
    if (source, diagnostic) == (1, 3):
        return say("it does not know our AE title %(calling)s: enter it there", calling=peer.calling)
    if (source, diagnostic) == (1, 7):
        return say("it is not called %(called)s: check the AE title", called=peer.called)
    return _REJECTIONS.get((source, diagnostic), say("it gives no known reason"))


def _why_not(peer: Peer, association: BoundedAssociation, addresses: Sequence[str]) -> NoAssociationError:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        words = _rejection(peer, answer.result_source or 0, answer.diagnostic or 0)
        return NoAssociationError(
            say("%(peer)s rejects the association: %(words)s", peer=peer, words=words),
            rejected=True,
            permanent=answer.result == 1,
        )
    if answer is not None:
        return NoAssociationError(
            say("%(peer)s accepts the association but none of the services asked for", peer=peer), permanent=True
        )
    reason = association.connect_error
    if reason is not None:
        why = _in_words(reason)
        if isinstance(reason, TimeoutError):
            why = why_mute(why, addresses)
        return NoAssociationError(say("%(peer)s can't be reached: %(why)s", peer=peer, why=why))
    return NoAssociationError(
        say("%(peer)s accepts the connection but does not answer as a DICOM application should", peer=peer)
    )


def _in_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return say("its TLS certificate is not trusted (%(verify_message)s)", verify_message=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return say("the TLS handshake failed (%(why)s): is it a TLS port?", why=error.reason)
    if isinstance(error, ConnectionRefusedError):
        return say("nothing listens on that port")
    if isinstance(error, TimeoutError):
        return say("no answer from the network: check address, cable and firewall")
    return error.strerror or str(error)


def exchange(
    association: BoundedAssociation,
    proposed: PresentationContext,
    request: Any,
    *,
    dataset: tuple[str, Dataset] | None = None,
    body: Iterable[Buffer] | None = None,
    reply: str | None = None,
) -> tuple[int, Dataset, Any]:
    """Send one DIMSE request and wait for its response.

    `dataset` is (keyword of the primitive, data set); `body` an encoded data set in pieces instead; `reply` the keyword
    of the response's data set. Returns (status, data set, primitive of the response). Raises NoResponseError.
    """
    syntax = proposed.transfer_syntax[0]
    if dataset is not None and dataset[1]:
        encoded = encode(dataset[1], syntax.is_implicit_VR, syntax.is_little_endian)
        if encoded is None:
            raise ValueError("the data set of the request can't be encoded")
        setattr(request, dataset[0], BytesIO(encoded))
    request.MessageID = association.next_message_id()
    response = _response(association, request, proposed.context_id or 0, body)
    stream = getattr(response, reply, None) if reply else None
    if stream is None or not stream.getvalue():
        return response.Status, Dataset(), response
    return response.Status, read_reply(stream, syntax), response


def _response(association: BoundedAssociation, request: Any, context_id: int, body: Iterable[Buffer] | None) -> Any:
    association._reactor_checkpoint.clear()
    try:
        if not association.is_established:
            raise NoResponseError(say("the peer has ended the association"))
        association.dimse.send_msg(request, context_id, body=body)
        end = time.monotonic() + (association.dimse_timeout or float("inf"))  # whatever else it says meanwhile
        while True:
            _, response = association.dimse.get_msg(block=True)
            if response is None or time.monotonic() > end:
                raise NoResponseError(_silence(association))
            if _answers(response, request):
                return response
    finally:
        association._reactor_checkpoint.set()


def _answers(response: Any, request: Any) -> bool:
    is_same = type(response) is type(request) and response.MessageIDBeingRespondedTo == request.MessageID
    return is_same and bool(response.is_valid_response)


def _silence(association: BoundedAssociation) -> str:
    if association.acse.is_aborted() or not association.is_established:
        return say("the peer has ended the association instead of answering")
    return say("the peer did not answer within %(dimse_timeout)s s", dimse_timeout=f"{association.dimse_timeout:.0f}")
