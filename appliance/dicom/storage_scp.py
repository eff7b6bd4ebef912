"""C-STORE: every storage SOP class of the standard, each transfer syntax as it is sent (PS3.4 Annex B)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pynetdicom.events import Event

from appliance.dicom.answering import Answer, answered
from appliance.dicom.callers import Caller
from appliance.dicom.instances_received import Counts, InstancesReceived
from appliance.network.spool import SpoolRequest, spooled_dataset
from appliance.store.store import Store
from appliance.studies.completeness import count_again
from appliance.studies.intake import OUT_OF_RESOURCES, Arrival, Intake, Taken
from appliance.studies.storage_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES, in_order_of

log = logging.getLogger(__name__)


class StorageScp:
    """The part of the plug board that takes instances."""

    def __init__(self, store: Store, intake: Intake | None = None) -> None:
        self._store = store
        self._intake = intake or Intake(store)
        self._received = InstancesReceived(store.database)
        self._taken: dict[int, Counts] = {}  # by association

    def supported(self, caller: Caller) -> Mapping[str, Sequence[str]]:
        if "store" not in caller.peer.allows:
            return {}
        classes = dict.fromkeys((*STORAGE_CLASSES, *self._store.settings.dicom.private_classes), TRANSFER_SYNTAXES)
        return classes | _compressed_first(caller, classes)

    def opened(self, caller: Caller) -> None:
        self._taken[id(caller)] = Counter()

    def closed(self, caller: Caller) -> None:
        """What came by the association, for the audit and for studies that lacked it."""
        taken = self._taken.pop(id(caller), Counter())
        if not taken:
            return
        try:
            self._received.tell(caller.actor, taken)
        except Exception as error:  # the instances are safe; the log must do for the audit
            log.error(
                "the audit of instances from %s failed: %s; %s", caller, type(error).__name__, sum(taken.values())
            )
        try:
            count_again(self._store, {study for study, _ in taken})
        except Exception as error:  # the next fetch, or the next instance, says it anew
            log.error("what is missing was not counted after %s: %s", caller, type(error).__name__)

    def spool_folder(self, caller: Caller, request: SpoolRequest) -> Path | None:
        return self._store.folder.spool

    def serve(self, caller: Caller, event: Event, service: str) -> Answer:
        what = f"C-STORE from {caller}"
        if service != "C-STORE":
            return Answer(status=0x0211, comment="only C-STORE is served here")
        return answered(what, lambda: self._store_one(caller, event), full_status=OUT_OF_RESOURCES)

    def _store_one(self, caller: Caller, event: Event) -> Answer:
        spooled = spooled_dataset(event)
        assert spooled.sha256 is not None
        request: Any = event.request
        arrival = Arrival(
            path=spooled.path,
            offset=spooled.offset,
            size=spooled.size,
            sha256=spooled.sha256,
            transfer_syntax=spooled.transfer_syntax,
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            source=caller.calling_ae_title,
            peer=caller.peer.name,
            has_rule=bool(caller.peer.rule),
            assumed_charset=caller.peer.assumed_charset,
        )
        self._count(caller, self._intake.take(arrival, caller.actor))
        return Answer()

    def _count(self, caller: Caller, taken: Taken) -> None:
        counts = self._taken.get(id(caller))
        if counts is not None:
            counts[taken.study_instance_uid, taken.outcome] += 1


def _compressed_first(caller: Caller, classes: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Where a caller proposes a compressed syntax first, that is how it holds its images: they come as they are."""
    primitive = getattr(caller.association.requestor, "primitive", None)
    found: dict[str, Sequence[str]] = {}
    for context in getattr(primitive, "presentation_context_definition_list", None) or ():
        uid, syntaxes = str(context.abstract_syntax), [str(syntax) for syntax in context.transfer_syntax]
        if uid in classes and len(syntaxes) > 1:
            found[uid] = in_order_of(syntaxes)
    return found
