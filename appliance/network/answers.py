"""Responses as PS3.7 wants them: what a handler returned becomes one DIMSE response, whatever it returned or raised.

A handler bound to pynetdicom's events returns a status, or for DIMSE-N (status, data set or None). A status is an int,
or a mapping by keyword (or Dataset) of Status and further elements of the command set: Affected SOP Instance UID, Error
Comment, Error ID, Attribute Identifier List, Offending Element. An empty data set goes out as none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.dimse_primitives import (
    C_ECHO,
    C_STORE,
    N_ACTION,
    N_CREATE,
    N_DELETE,
    N_EVENT_REPORT,
    N_GET,
    N_SET,
)
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import StorageServiceClass, VerificationServiceClass
from pynetdicom.sop_class import uid_to_service_class

from appliance.errors import ApplianceError
from appliance.network.commands import Value
from appliance.network.messages import set_uid
from appliance.store import files

if TYPE_CHECKING:
    from appliance.network.association import BoundedAssociation

log = logging.getLogger("appliance.network")

_PROCESSING_FAILURE = 0x0110
_CLASS_NOT_SUPPORTED = 0x0122
_UNRECOGNISED_OPERATION = 0x0211
_CANNOT_UNDERSTAND = 0xC000

_EXTRAS = ("AffectedSOPInstanceUID", "ErrorComment", "ErrorID", "AttributeIdentifierList", "OffendingElement")


@dataclass(frozen=True, kw_only=True)
class Service:
    """How one DIMSE operation is answered (PS3.7 9.1, 10.1)."""

    event: Any  # of pynetdicom
    target: str  # "Affected" or "Requested": whose SOP Class and Instance UID the request carries
    reply: str | None  # keyword of the primitive's data set in the response
    failure: int  # status when the handler fails without saying how


_SERVICES: dict[type, Service] = {
    C_ECHO: Service(event=evt.EVT_C_ECHO, target="Affected", reply=None, failure=_PROCESSING_FAILURE),
    C_STORE: Service(event=evt.EVT_C_STORE, target="Affected", reply=None, failure=_CANNOT_UNDERSTAND),
    N_EVENT_REPORT: Service(
        event=evt.EVT_N_EVENT_REPORT, target="Affected", reply="EventReply", failure=_PROCESSING_FAILURE
    ),
    N_GET: Service(event=evt.EVT_N_GET, target="Requested", reply="AttributeList", failure=_PROCESSING_FAILURE),
    N_SET: Service(event=evt.EVT_N_SET, target="Requested", reply="AttributeList", failure=_PROCESSING_FAILURE),
    N_ACTION: Service(event=evt.EVT_N_ACTION, target="Requested", reply="ActionReply", failure=_PROCESSING_FAILURE),
    N_CREATE: Service(event=evt.EVT_N_CREATE, target="Affected", reply="AttributeList", failure=_PROCESSING_FAILURE),
    N_DELETE: Service(event=evt.EVT_N_DELETE, target="Requested", reply=None, failure=_PROCESSING_FAILURE),
}

_OF_OTHER_OPERATIONS = (VerificationServiceClass, StorageServiceClass)
"""Service classes that would answer C-FIND, C-MOVE and C-GET as their own C-ECHO or C-STORE."""

# PS3.4 H.3.2.2: the SOP classes behind each Print Management Meta SOP class
_PRINTER, _SESSION, _FILM = "1.2.840.10008.5.1.1.16", "1.2.840.10008.5.1.1.1", "1.2.840.10008.5.1.1.2"
META_CLASSES: dict[str, frozenset[str]] = {
    "1.2.840.10008.5.1.1.9": frozenset({_SESSION, _FILM, "1.2.840.10008.5.1.1.4", _PRINTER}),
    "1.2.840.10008.5.1.1.18": frozenset({_SESSION, _FILM, "1.2.840.10008.5.1.1.4.1", _PRINTER}),
}


def serve(association: BoundedAssociation, request: Any, context: PresentationContext) -> None:
    """Answer a valid request, exactly once."""
    context_id = int(context.context_id or 0)
    service = _SERVICES.get(type(request))
    if service is None:
        _serve_stock(association, request, context)
        return
    sop_class = str(getattr(request, f"{service.target}SOPClassUID"))
    if not _negotiated(association, request, sop_class, context):
        refuse(association, request, context_id, _CLASS_NOT_SUPPORTED, "SOP class not negotiated for this context")
    elif not _bound(association, service):
        refuse(association, request, context_id, _UNRECOGNISED_OPERATION, "operation not offered here")
    elif getattr(request.body, "error", None) is not None and not hasattr(request.body, "looked_at"):
        refuse(association, request, context_id, request.body.error.dimse_status, str(request.body.error))
    else:
        _ask(association, service, request, context)


def _serve_stock(association: BoundedAssociation, request: Any, context: PresentationContext) -> None:
    """C-FIND, C-MOVE and C-GET: pynetdicom's own service classes."""
    sop_class = str(request.AffectedSOPClassUID)
    service_class = uid_to_service_class(sop_class)(association)
    try:
        if sop_class != context.abstract_syntax or isinstance(service_class, _OF_OTHER_OPERATIONS):
            raise NotImplementedError
        service_class.SCP(request, context)
    except (NotImplementedError, ValueError):
        refuse(
            association, request, int(context.context_id or 0), _CLASS_NOT_SUPPORTED, "not offered for this SOP class"
        )


def _negotiated(association: BoundedAssociation, request: Any, sop_class: str, context: PresentationContext) -> bool:
    """Whether a SOP class may be used. DIMSE-N may come on a neighbouring context: some printers' clients do so."""
    if isinstance(request, C_STORE | C_ECHO):
        common: Any = association.acceptor.accepted_common_extended
        return context.abstract_syntax in (
            sop_class,
            *(str(uid) for uid in common.get(request.AffectedSOPClassUID, ())[:1]),
        )
    syntaxes = {str(accepted.abstract_syntax) for accepted in association.accepted_contexts}
    return sop_class in syntaxes or any(sop_class in META_CLASSES.get(syntax, ()) for syntax in syntaxes)


def _bound(association: BoundedAssociation, service: Service) -> bool:
    handler, _ = association.get_handlers(service.event)
    return (
        handler is not None and handler is not evt.get_default_handler(service.event) or service.event is evt.EVT_C_ECHO
    )


def _ask(association: BoundedAssociation, service: Service, request: Any, context: PresentationContext) -> None:
    failed: Exception | None = None
    try:
        with _unblocked_abort(association):
            returned = evt.trigger(association, service.event, {"request": request, "context": context.as_tuple})
            extra, dataset = _parts(returned, has_dataset=service.target == "Requested" or service.reply is not None)
    except ApplianceError as error:
        extra, dataset = {"Status": error.dimse_status, "ErrorComment": _comment(str(error))}, None
    except Exception as error:
        failed = error
        extra, dataset = {"Status": service.failure}, None
    if failed is not None:
        log.error("the handler of %s failed: %s", request.msg_type, type(failed).__name__, exc_info=failed)
    extra = _never_success_over_a_lost_body(request, extra)
    if association.is_established:
        files.failpoint("answer.ready")
        _respond(association, service, request, context, extra, dataset)
        files.failpoint("answer.given")


def _never_success_over_a_lost_body(request: Any, extra: dict[str, Value]) -> dict[str, Value]:
    """A handler that did not ask for the file of a data set that could not be kept must not answer success."""
    error = request.body.error
    if error is None or request.body.looked_at or extra["Status"] != 0:
        return extra
    return {"Status": error.dimse_status, "ErrorComment": _comment(str(error))}


@contextmanager
def _unblocked_abort(association: BoundedAssociation) -> Iterator[None]:
    """abort() inside a handler must not wait for the thread it runs in."""
    association.abort = association._abort_nonblocking  # type: ignore[method-assign]
    try:
        yield
    finally:
        association.abort = association._abort_blocking  # type: ignore[method-assign]


def _parts(returned: Any, has_dataset: bool) -> tuple[dict[str, Value], Dataset | None]:
    """The command elements and the data set of what a handler returned."""
    status, dataset = returned if isinstance(returned, tuple) else (returned, None)
    return _elements(status), dataset if has_dataset else None


def _elements(status: Any) -> dict[str, Value]:
    """The command elements of a status: a number, or Status and more by keyword."""
    if isinstance(status, int):
        return {"Status": int(status)}
    if isinstance(status, Dataset):
        status = {keyword: status[keyword].value for keyword in ("Status", *_EXTRAS) if keyword in status}
    if not isinstance(status, Mapping) or "Status" not in status:
        raise TypeError("the handler returned no status")
    found = {keyword: value for keyword, value in status.items() if value not in (None, "", [])}
    if "ErrorComment" in found:
        comment = found["ErrorComment"]
        found["ErrorComment"] = _comment(comment if isinstance(comment, str) else "/".join(comment))
    return found | {"Status": int(status["Status"])}


def _comment(text: str) -> str:
    """Fit for Error Comment: LO of 64 characters of the default repertoire, no control characters, no backslash."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text.replace("\\", "/"))
    return plain[:64]


def _respond(
    association: BoundedAssociation,
    service: Service,
    request: Any,
    context: PresentationContext,
    extra: dict[str, Value],
    dataset: Dataset | None,
) -> None:
    response = _begin(request, service)
    if isinstance(request, N_CREATE) and request.AffectedSOPInstanceUID is None:
        dataset = _place_instance_uid(extra, dataset)
    if not isinstance(request, N_CREATE):
        extra.pop("AffectedSOPInstanceUID", None)
    if dataset and service.reply is not None and _may_have_dataset(int(extra["Status"])):
        syntax = context.transfer_syntax[0]
        encoded = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        if encoded is None:
            log.error("the response to %s could not be encoded", request.msg_type)
            extra = {"Status": _PROCESSING_FAILURE}
        else:
            setattr(response, service.reply, BytesIO(encoded))
    association.dimse.send_msg(response, int(context.context_id or 0), extra)


def _may_have_dataset(status: int) -> bool:
    """Success and warnings (PS3.7 Annex C); the attribute warnings of failures too, with what could not be used."""
    return status in (0x0000, 0x0001, 0x0107, 0x0116) or status >> 12 == 0xB


def _place_instance_uid(extra: dict[str, Value], dataset: Dataset | None) -> Dataset | None:
    """The UID we made for an instance belongs into the command set (PS3.7 10.1.5.1.4), on success and on a warning."""
    if dataset is not None and "AffectedSOPInstanceUID" in dataset:
        extra.setdefault("AffectedSOPInstanceUID", dataset.AffectedSOPInstanceUID)
        dataset = Dataset({element.tag: element for element in dataset if element.tag.group != 0})
    if "AffectedSOPInstanceUID" not in extra and _may_have_dataset(int(extra["Status"])):
        log.error("an N-CREATE without a SOP Instance UID was answered without one")
        extra["Status"] = _PROCESSING_FAILURE
    return dataset


def _begin(request: Any, service: Service | None) -> Any:
    """The response to `request`, with what it repeats."""
    response = type(request)()
    response.MessageIDBeingRespondedTo = request.MessageID
    if hasattr(response, "MessageID"):
        response.MessageID = None
    target = service.target if service is not None else "Affected"
    set_uid(response, "AffectedSOPClassUID", getattr(request, f"{target}SOPClassUID", None))
    if hasattr(response, "AffectedSOPInstanceUID"):
        set_uid(response, "AffectedSOPInstanceUID", getattr(request, f"{target}SOPInstanceUID", None))
    for keyword in ("ActionTypeID", "EventTypeID"):
        if hasattr(request, keyword):
            setattr(response, keyword, getattr(request, keyword))
    return response


def refuse(association: BoundedAssociation, request: Any, context_id: int, status: int, comment: str) -> None:
    """Answer with a failure; a request without a Message ID can't be answered and ends the association."""
    if request.MessageID is None:
        association.abort()
        return
    response = _begin(request, _SERVICES.get(type(request)))
    association.dimse.send_msg(response, context_id, {"Status": status, "ErrorComment": _comment(comment)})
