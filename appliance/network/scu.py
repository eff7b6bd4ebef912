"""Echo, query and retrieve: the appliance as SCU towards archives and modalities (PS3.4 annexes A, B, C)."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import _config, build_role, evt
from pynetdicom.dimse_primitives import C_ECHO

from appliance.errors import DeviceError, UsageError
from appliance.network.following import Following, Progress, Retrieved, Watch, answer, each_response
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.requestor import NoAssociationError, NoResponseError, Peer, associated, context, exchange
from appliance.network.spool import Spool
from appliance.words import say

VERIFICATION = "1.2.840.10008.1.1"
# PS3.4 C.6: information model → its FIND, MOVE and GET SOP classes
MODELS = {
    "patient": ("1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.1.3"),
    "study": ("1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"),
}
_FIND, _MOVE, _GET = 0, 1, 2
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
# Else pynetdicom spells out each match for its log, and drops those of which one element can't be read.
_config.LOG_RESPONSE_IDENTIFIERS = False
UNWATCHED = Following()
ECHO_LIMITS = replace(DEFAULT_LIMITS, response_timeout=20.0)
"""An echo asks for no work."""
_CONTEXTS_AT_ONCE = 127  # 128 presentation contexts an association, one for the retrieve itself


@dataclass(frozen=True, kw_only=True)
class EchoResult:
    """How a C-ECHO went."""

    ok: bool
    message: str  # what happened and what to do, for a person
    seconds: float  # from calling to the response


def echo(peer: Peer, *, limits: Limits = ECHO_LIMITS) -> EchoResult:
    """Ask `peer` whether it is there (C-ECHO). Never raises for what it does."""
    started = time.monotonic()
    try:
        with associated(peer, [context(VERIFICATION, ImplicitVRLittleEndian)], limits=limits) as association:
            request = C_ECHO()
            request.AffectedSOPClassUID = VERIFICATION
            status, _, _ = exchange(association, association.accepted_contexts[0], request)
    except (NoAssociationError, NoResponseError) as error:
        return EchoResult(ok=False, message=str(error), seconds=time.monotonic() - started)
    ok = status == 0
    message = (
        say("%(peer)s answers", peer=peer)
        if ok
        else say("%(peer)s answers with status %(status)s", peer=peer, status=f"{status:04X}")
    )
    return EchoResult(ok=ok, message=message, seconds=time.monotonic() - started)


def find(
    peer: Peer,
    identifier: Dataset,
    *,
    model: str = "study",
    following: Following = UNWATCHED,
    limits: Limits = DEFAULT_LIMITS,
) -> Generator[Dataset]:
    """Query `peer` (C-FIND); yields a data set for each match.

    `identifier` has the keys and Query/Retrieve Level (PS3.4 C.4.1.1.3). Stopping the iteration ends the query;
    `following` cancels it. Raises NoAssociationError, NoResponseError, DeviceError with the peer's status: what was
    yielded before is not all then.
    """
    _check_level(identifier)
    if answer(following.cancelled, False):
        raise _given_up(peer)
    sop_class = MODELS[model][_FIND]
    with associated(peer, [context(sop_class, *_SYNTAXES)], limits=limits) as association:
        message_id = association.next_message_id()
        responses = association.send_c_find(identifier, sop_class, msg_id=message_id)
        cancel = lambda: association.send_c_cancel(message_id, None, sop_class)  # noqa: E731
        watch = Watch(association, following, cancel, limits)
        with closing(each_response(responses, watch)) as answers:
            told, unread = 0, False
            for status, match in answers:
                if watch.cancelled:
                    raise _given_up(peer)
                code = _status(status, peer)
                if code in (0xFF00, 0xFF01):
                    if match is None:
                        unread = True
                        continue
                    told += 1
                    yield match
                elif code != 0:
                    raise _refused_query(peer, status, told)
            if unread:
                raise DeviceError(say("%(peer)s gave answers that can't be read", peer=peer))


def _refused_query(peer: Peer, status: Dataset, told: int) -> DeviceError:
    if told:
        return DeviceError(say("%(peer)s has not told everything: %(status)s", peer=peer, status=_refusal(status)))
    return DeviceError(say("%(peer)s refuses the query: %(status)s", peer=peer, status=_refusal(status)))


def _given_up(peer: Peer) -> NoResponseError:
    return NoResponseError(say("%(peer)s has not told everything in time", peer=peer))


def move(
    peer: Peer,
    identifier: Dataset,
    destination: str,
    *,
    model: str = "study",
    following: Following = UNWATCHED,
    limits: Limits = DEFAULT_LIMITS,
) -> Retrieved:
    """Have `peer` send what `identifier` names to the AE title `destination` (C-MOVE).

    `following` is told of the progress, and cancels. Raises NoAssociationError, NoResponseError.
    """
    _check_level(identifier)
    sop_class = MODELS[model][_MOVE]
    with associated(peer, [context(sop_class, *_SYNTAXES)], limits=limits) as association:
        message_id = association.next_message_id()
        responses = association.send_c_move(identifier, destination, sop_class, msg_id=message_id)
        cancel = lambda: association.send_c_cancel(message_id, None, sop_class)  # noqa: E731
        return _follow(peer, responses, Watch(association, following, cancel, limits), following.progress)


def get(
    peer: Peer,
    identifier: Dataset,
    storage: dict[str, tuple[str, ...]],
    store: Callable[[evt.Event], Any],
    *,
    spool: Spool | None = None,
    model: str = "study",
    following: Following = UNWATCHED,
    limits: Limits = DEFAULT_LIMITS,
) -> Retrieved:
    """Have `peer` send what `identifier` names over this association (C-GET).

    `storage` is SOP class → transfer syntaxes to take, at most 127; `store` handles each C-STORE, returns its status,
    with :func:`appliance.network.spool.spooled_dataset` when `spool` is given.
    Raises NoAssociationError, NoResponseError.
    """
    _check_level(identifier)
    if len(storage) > _CONTEXTS_AT_ONCE:
        raise UsageError(
            say(
                "C-GET takes at most %(contexts_at_once)s storage SOP classes at a time",
                contexts_at_once=_CONTEXTS_AT_ONCE,
            )
        )
    sop_class = MODELS[model][_GET]
    contexts = [context(sop_class, *_SYNTAXES), *(context(uid, *syntaxes) for uid, syntaxes in storage.items())]
    roles = [build_role(uid, scp_role=True) for uid in storage]
    with associated(
        peer, contexts, handlers=[(evt.EVT_C_STORE, store)], extended=roles, spool=spool, limits=limits
    ) as association:
        if sop_class not in {accepted.abstract_syntax for accepted in association.accepted_contexts}:
            # it takes images, as every archive does, and still gives none over this association
            raise NoAssociationError(say("%(peer)s does not offer C-GET", peer=peer), permanent=True)
        message_id = association.next_message_id()
        responses = association.send_c_get(identifier, sop_class, msg_id=message_id)
        cancel = lambda: association.send_c_cancel(message_id, None, sop_class)  # noqa: E731
        return _follow(peer, responses, Watch(association, following, cancel, limits), following.progress)


def _follow(
    peer: Peer, responses: Iterator[tuple[Dataset, Dataset | None]], watch: Watch, progress: Progress
) -> Retrieved:
    counts = Retrieved()
    for status, _ in each_response(responses, watch):
        if "Status" not in status and watch.cancelled:
            return replace(counts, done=True, message="cancelled")
        code = _status(status, peer)
        counts = _counts(status, counts, done=code != 0xFF00, message=_outcome(code, status, peer))
        progress(counts)
    return counts


def _counts(status: Dataset, before: Retrieved, *, done: bool, message: str) -> Retrieved:
    return Retrieved(
        completed=int(status.get("NumberOfCompletedSuboperations", before.completed) or 0),
        failed=int(status.get("NumberOfFailedSuboperations", before.failed) or 0),
        warning=int(status.get("NumberOfWarningSuboperations", before.warning) or 0),
        remaining=int(status.get("NumberOfRemainingSuboperations", 0) or 0),
        done=done,
        message=message,
    )


def _outcome(code: int, status: Dataset, peer: Peer) -> str:
    if code in (0x0000, 0xFF00):
        return ""
    if code == 0xFE00:
        return "cancelled"
    if code == 0xB000:
        return say("%(peer)s could not send everything", peer=peer)
    return say("%(peer)s refuses: %(why)s", peer=peer, why=_refusal(status))


# PS3.4 C.4.2.1.5, C.4.1.1.4
_REFUSALS = {
    0xA700: say("it is out of resources"),
    0xA701: say("it is out of resources and can't count the matches"),
    0xA702: say("it is out of resources and can't send"),
    0xA801: say("it does not know the destination: enter our AE title, address and port there"),
    0xA900: say("the query does not fit its information model"),
    0xB000: say("it tells no more at a time"),
    0xB001: say("it tells no more at a time"),
    0xFE00: say("it tells no more at a time"),
    0x0122: say("it does not offer this service"),
    0x0124: say("we are not authorised"),
}


def _refusal(status: Dataset) -> str:
    words = _REFUSALS.get(int(status.Status), "")
    comment = str(status.get("ErrorComment", "") or "")
    return ", ".join(text for text in (words, comment, f"status {status.Status:04X}") if text)


def _status(status: Dataset, peer: Peer) -> int:
    if "Status" not in status:
        raise NoResponseError(say("%(peer)s has stopped answering", peer=peer))
    return int(status.Status)


def _check_level(identifier: Dataset) -> None:
    if identifier.get("QueryRetrieveLevel") not in LEVELS:
        raise UsageError(
            say("Query/Retrieve Level must be one of %(levels)s", levels=", ".join(LEVELS)), field="QueryRetrieveLevel"
        )
