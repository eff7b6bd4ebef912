"""The appliance calls itself: whether its own door answers, by the way every modality comes."""

from __future__ import annotations

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dimse_primitives import C_ECHO

from appliance.dicom.print_classes import VERIFICATION
from appliance.network.limits import Limits
from appliance.network.requestor import NoAssociationError, NoResponseError, Peer, associated, context, exchange

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def door_answers(address: str, port: int, *, called: str, calling: str, seconds: float) -> bool:
    """Whether a C-ECHO is answered. A rejection is an answer, too: the house may be full."""
    peer = Peer(host=ANY_ADDRESS.get(address, address), port=port, called=called, calling=calling)
    limits = Limits(connect_timeout=seconds, response_timeout=seconds)
    request = C_ECHO()
    request.AffectedSOPClassUID = VERIFICATION
    try:
        with associated(peer, [context(VERIFICATION, ImplicitVRLittleEndian)], limits=limits) as association:
            return exchange(association, association.accepted_contexts[0], request)[0] == 0
    except NoAssociationError as error:
        return error.rejected
    except NoResponseError:
        return False
