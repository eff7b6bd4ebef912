"""N-EVENT-REPORT by the SCP: sent and forgotten.

An event never overtakes the response that is being prepared, waits for nothing, and changes nothing when it is
lost: its late response is ignored. See PS3.4 H.4.5.2.1 and H.4.6.2.1 for who sends which.
"""

from __future__ import annotations

import logging
from io import BytesIO

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext

from appliance.network.answers import META_CLASSES
from appliance.network.association import BoundedAssociation

log = logging.getLogger("appliance.network")


def send_event(
    association: BoundedAssociation,
    event_type: int,
    sop_class: str,
    sop_instance: str,
    information: Dataset | None = None,
) -> bool:
    """Send an event report, or hold it until the response being prepared is out. Never waits, never raises.

    False when nobody can have it: the association has ended, or no context for the SOP class was accepted in which we
    are the SCP.
    """
    context = event_context(association, sop_class)
    if context is None or not association.is_established:
        return False
    try:
        association.dimse.send_or_hold(
            _report(association, context, event_type, sop_class, sop_instance, information), context.context_id or 0
        )
    except Exception as error:
        log.warning("an event to %s was lost: %s", association.peer, type(error).__name__)
        return False
    return True


def event_context(association: BoundedAssociation, sop_class: str) -> PresentationContext | None:
    """The accepted context for events of a SOP class: its own, else that of a Meta SOP class it belongs to."""
    contexts = [context for context in association.accepted_contexts if context.as_scp]
    own = (context for context in contexts if context.abstract_syntax == sop_class)
    meta = (context for context in contexts if sop_class in META_CLASSES.get(str(context.abstract_syntax), ()))
    return next(own, None) or next(meta, None)


def _report(
    association: BoundedAssociation,
    context: PresentationContext,
    event_type: int,
    sop_class: str,
    sop_instance: str,
    information: Dataset | None,
) -> N_EVENT_REPORT:
    report = N_EVENT_REPORT()
    report.MessageID = association.next_message_id()
    report.AffectedSOPClassUID = sop_class
    report.AffectedSOPInstanceUID = sop_instance
    report.EventTypeID = event_type
    if information:
        syntax = context.transfer_syntax[0]
        encoded = encode(information, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        if encoded is None:
            raise ValueError("the event information can't be encoded")
        report.EventInformation = BytesIO(encoded)
    return report
