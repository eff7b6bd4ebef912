"""A conversation with a film imager: one association as Print SCU (PS3.4 Annex H)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import evt
from pynetdicom.association import Association

from appliance.network.limits import DEFAULT_LIMITS
from appliance.network.requestor import NoAssociationError, Peer, associated, context
from appliance.printing.device import imager_data as data
from appliance.printing.device.address import ForbiddenAddressError, Route, UnreachableError
from appliance.printing.device.delivery import InterruptedTransferError, shown
from appliance.printing.device.options import DeviceOptions
from appliance.store.files import failpoint

SLOWEST = 20_000  # bytes a second that count as progress while an image is being sent


class ImagerRefusedError(Exception):
    """The imager answered a request with a failure status."""

    def __init__(self, what: str, status: Dataset) -> None:
        self.status = int(status.Status)
        self.of_media = False  # the refusal is about sheet or medium
        self.comment = shown(status.get("ErrorComment", ""))
        words = f"{what} was refused with status {self.status:04X}H"
        super().__init__(f"{words} ({self.comment})" if self.comment else words)


class RejectedError(ForbiddenAddressError):
    """The imager wants no association with us, and won't by itself."""


class Imager:
    """An open association with a film imager."""

    def __init__(self, association: Association, meta: UID, options: DeviceOptions, events: dict[str, str]) -> None:
        self.association = association
        self.meta = meta
        self.options = options
        self.warnings: list[str] = []
        self.events = events  # print job UID -> last Execution Status told
        self.accepted = {context.abstract_syntax for context in association.accepted_contexts}

    def get(self, sop_class: UID, instance: UID, tags: Iterable[int] = ()) -> Dataset:
        """N-GET. Raises ImagerRefusedError, InterruptedTransferError."""
        meta = None if sop_class in self.accepted else self.meta
        answer = self._ask("N-GET", self.association.send_n_get, list(tags), sop_class, instance, meta_uid=meta)
        return answer or Dataset()

    def create(self, sop_class: UID, attributes: Dataset, instance: UID | None = None) -> tuple[UID, Dataset]:
        """N-CREATE of an instance of ours; its UID and what the imager made of it."""
        uid = instance or generate_uid()
        meta = None if sop_class in self.accepted else self.meta
        what = f"N-CREATE of {sop_class.name}"
        answer = self._ask(what, self.association.send_n_create, attributes, sop_class, uid, meta_uid=meta)
        return uid, answer or Dataset()

    def set(self, sop_class: UID, instance: UID, attributes: Dataset, size: int = 0) -> None:
        """N-SET; `size` bytes may take their time."""
        meta = None if sop_class in self.accepted else self.meta
        what = f"N-SET of {sop_class.name}"
        deadline = self.options.stall_deadline + size / SLOWEST
        self._ask(what, self.association.send_n_set, attributes, sop_class, instance, meta_uid=meta, deadline=deadline)

    def print(self, sop_class: UID, instance: UID) -> UID | None:
        """N-ACTION Print of a film box or session; the UID of the print job when the imager tells one."""
        what = f"N-ACTION of {sop_class.name}"
        answer = self._ask(
            what,
            self.association.send_n_action,
            None,
            1,
            sop_class,
            instance,
            meta_uid=self.meta,
            deadline=self.options.close_deadline,
        )
        jobs = (answer or Dataset()).get("ReferencedPrintJobSequencePullStoredPrint") or []
        return UID(jobs[0].ReferencedSOPInstanceUID) if jobs else None

    def delete(self, sop_class: UID, instance: UID) -> None:
        """N-DELETE, for tidiness: a refusal changes nothing, the end of the association deletes it too."""
        with suppress(ImagerRefusedError, InterruptedTransferError):
            self._ask("N-DELETE", self.association.send_n_delete, sop_class, instance, meta_uid=self.meta)

    def _ask(self, what: str, send: Callable[..., Any], *arguments: Any, deadline: float = 0, **more: Any) -> Any:
        """One request and its answer. Raises ImagerRefusedError for a failure, InterruptedTransferError for none."""
        self.association.dimse_timeout = deadline or self.options.stall_deadline
        try:
            reply = send(*arguments, **more)
        except RuntimeError:
            raise InterruptedTransferError("the imager ended the association") from None
        status, answer = reply if isinstance(reply, tuple) else (reply, None)
        if "Status" not in status:
            raise InterruptedTransferError(f"no answer to {what}")
        code = int(status.Status)
        if code and (code in (0x0001, 0x0107, 0x0116) or code & 0xF000 == 0xB000):
            self.warnings.append(f"{what}: warning {code:04X}H")
        elif code:
            raise ImagerRefusedError(what, status)
        return answer


@contextmanager
def conversation(
    route: Route, called_ae_title: str, meta: UID, options: DeviceOptions, *, deadline: float | None = None
) -> Iterator[Imager]:
    """An association with everything a film may need proposed; released at the end, aborted after an error.

    Raises UnreachableError when there is none, RejectedError when the imager wants none.
    """
    events: dict[str, str] = {}
    limits = replace(
        DEFAULT_LIMITS,
        connect_timeout=deadline or options.connect_deadline,
        send_timeout=options.stall_deadline,
        user_timeout=options.stall_deadline,
    )
    peer = Peer(
        host=str(route.addresses[0][1][0]),
        port=route.endpoint.port,
        called=called_ae_title,
        calling=options.calling_ae_title,
    )
    classes = (meta, data.PRESENTATION_LUT, data.BASIC_ANNOTATION_BOX, data.PRINT_JOB)
    contexts = [context(uid, ImplicitVRLittleEndian, ExplicitVRLittleEndian) for uid in classes]  # some know the first
    failpoint("device.connect")
    try:
        with associated(
            peer, contexts, handlers=[(evt.EVT_N_EVENT_REPORT, _note_event, [events])], limits=limits
        ) as association:
            imager = Imager(association, meta, options, events)
            if meta not in imager.accepted:
                raise RejectedError(f"it does not take {meta.name}")
            yield imager
    except NoAssociationError as error:
        raise (RejectedError if error.permanent else UnreachableError)(str(error)) from None


def _note_event(event: Any, events: dict[str, str]) -> tuple[int, None]:
    """N-EVENT-REPORT of a print job (PS3.4 Table H.4-17); all others are merely answered."""
    names = {1: "PENDING", 2: "PRINTING", 3: "DONE", 4: "FAILURE"}
    request = event.request
    if request.AffectedSOPClassUID == data.PRINT_JOB:
        events[str(request.AffectedSOPInstanceUID)] = names.get(event.event_type, "")
    return 0x0000, None
