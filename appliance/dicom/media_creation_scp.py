"""Media Creation Management SOP class (PS3.4 Annex S): a peer orders discs of what it has stored here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom.events import Event

from appliance.dicom.answering import (
    DUPLICATE_INSTANCE,
    INVALID_INSTANCE,
    INVALID_VALUE,
    MISSING_ATTRIBUTE,
    MISSING_VALUE,
    NO_SUCH_ACTION,
    NO_SUCH_CLASS,
    UNRECOGNISED_OPERATION,
    Answer,
    StatusError,
    answered,
)
from appliance.dicom.callers import Caller
from appliance.dicom.film_attributes import sent_items, sent_value
from appliance.dicom.requests import Request, read_request
from appliance.errors import ConflictError, UsageError
from appliance.jobs.priorities import PRIORITIES
from appliance.media import creation
from appliance.media.creation import Reference, Wish
from appliance.network.spool import SpoolRequest
from appliance.network.uids import is_valid_uid
from appliance.store import discs
from appliance.store.store import Store

MEDIA_CREATION = "1.2.840.10008.5.1.1.33"
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
INITIATE, CANCEL = 1, 2  # Action Type ID
ATTRIBUTES_NOT_SUPPORTED = 0x0001  # N-GET: warning
MOST_REFERENCES = 100_000
YES_NO = {"YES": True, "NO": False}
NON_DICOM = ("NO", "FOR_PHYSICIAN", "FOR_PATIENT", "FOR_TEACHING", "FOR_RESEARCH")

# PS3.4 table S.3.2.1.1.1-1: attributes of a request that are given back, besides Referenced SOP Sequence
CREATED = (
    "SpecificCharacterSet",
    "StorageMediaFileSetID",
    "StorageMediaFileSetUID",
    "LabelUsingInformationExtractedFromInstances",
    "LabelText",
    "LabelStyleSelection",
    "BarcodeValue",
    "BarcodeSymbology",
    "MediaDisposition",
    "AllowMediaSplitting",
    "AllowLossyCompression",
    "IncludeNonDICOMObjects",
    "IncludeDisplayApplication",
    "PreserveCompositeInstancesAfterMediaCreation",
)


class MediaCreationScp:
    """The part of the plug board that takes orders of discs, from peers that are allowed to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def supported(self, caller: Caller) -> Mapping[str, Sequence[str]]:
        return {MEDIA_CREATION: SYNTAXES} if "media-creation" in caller.peer.allows else {}

    def opened(self, caller: Caller) -> None:
        return None

    def closed(self, caller: Caller) -> None:
        return None

    def spool_folder(self, caller: Caller, request: SpoolRequest) -> Path | None:
        return None

    def serve(self, caller: Caller, event: Event, service: str) -> Answer:
        request = read_request(event, service)
        return answered(f"{service} media creation of {caller}", lambda: self._serve(caller, request))

    def _serve(self, caller: Caller, request: Request) -> Answer:
        if request.sop_class != MEDIA_CREATION:
            raise StatusError(NO_SUCH_CLASS, f"no such SOP class: {request.sop_class[:32]}")
        services: dict[str, Callable[[Caller, Request], Answer]] = {
            "N-CREATE": self._create,
            "N-ACTION": self._act,
            "N-GET": self._get,
        }
        if request.service not in services:
            raise StatusError(UNRECOGNISED_OPERATION, f"{request.service} is no service of media creation")
        return services[request.service](caller, request)

    def _create(self, caller: Caller, request: Request) -> Answer:
        uid = request.instance or generate_uid()
        if not is_valid_uid(uid):
            raise StatusError(INVALID_INSTANCE, "the UID is none")
        dataset = request.dataset()
        wish = wish_of(dataset)
        try:
            creation.create_request(self._store, uid, wish, caller.actor, burner=caller.peer.burner)
        except ConflictError as error:
            raise StatusError(DUPLICATE_INSTANCE, str(error)) from None
        except UsageError as error:
            raise StatusError(INVALID_VALUE, str(error)) from None
        return Answer(dataset=_as_kept(creation.find(self._store, uid)), instance=uid)

    def _act(self, caller: Caller, request: Request) -> Answer:
        if request.action_type == CANCEL:
            status = creation.cancel_request(self._store, request.instance, caller.actor)
            return Answer(status=status, comment=CANCEL_REFUSED.get(status, ""))
        if request.action_type != INITIATE:
            raise StatusError(NO_SUCH_ACTION, "the action is 1, initiate, or 2, cancel")
        information = request.dataset()
        copies, priority = _copies(information), str(information.get("RequestPriority", "") or "").strip()
        if priority and priority not in PRIORITIES:
            raise StatusError(INVALID_VALUE, f"no such priority: {priority[:16]}", ("RequestPriority",))
        try:
            begun = creation.initiate(self._store, request.instance, caller.actor, copies=copies, priority=priority)
        except UsageError as error:
            raise StatusError(INVALID_VALUE, str(error), ("NumberOfCopies",)) from None
        if not begun:
            return Answer(status=creation.ALREADY_BEGUN, comment="media creation was initiated before")
        return Answer()

    def _get(self, caller: Caller, request: Request) -> Answer:
        found = status_of(self._store, creation.find(self._store, request.instance))
        if not request.attributes:
            return Answer(dataset=found)
        reply = Dataset()
        unknown = []
        for tag in request.attributes:
            if tag in found:
                reply[tag] = found[tag]
            elif keyword_for_tag(tag) not in CREATED:
                unknown.append(tag)
        if unknown:
            text = "attributes not supported here"
            return Answer(status=ATTRIBUTES_NOT_SUPPORTED, dataset=reply, comment=text, tags=tuple(unknown))
        return Answer(dataset=reply)


CANCEL_REFUSED = {
    creation.ALREADY_ENDED: "the request has ended",
    creation.NOT_INTERRUPTIBLE: "a disc is being burned",
    creation.NOT_CANCELED: "it changed in this moment",
}


def wish_of(dataset: Dataset) -> Wish:
    """What a request asks for. Raises StatusError."""
    if "ReferencedSOPSequence" not in dataset:
        raise StatusError(MISSING_ATTRIBUTE, "Referenced SOP Sequence is missing", ("ReferencedSOPSequence",))
    items = sent_items(dataset, "ReferencedSOPSequence")
    if not items:
        raise StatusError(MISSING_VALUE, "Referenced SOP Sequence is empty", ("ReferencedSOPSequence",))
    references = tuple(_reference(item) for item in items[: MOST_REFERENCES + 1])
    uids = (uid for each in references for uid in (each.sop_class_uid, each.sop_instance_uid))
    if len(references) > MOST_REFERENCES or not all(map(is_valid_uid, uids)):
        raise StatusError(INVALID_VALUE, "a UID is no UID, or there are too many", ("ReferencedSOPSequence",))
    kept = Dataset()
    for keyword in CREATED:
        if keyword in dataset:
            kept[keyword] = _textual(dataset, keyword)
    return Wish(
        references=references,
        file_set_id=_text(dataset, "StorageMediaFileSetID"),
        file_set_uid=_uid(dataset, "StorageMediaFileSetUID"),
        label_text=_text(dataset, "LabelText"),
        label_extracted=_yes_no(dataset, "LabelUsingInformationExtractedFromInstances"),
        label_style=_text(dataset, "LabelStyleSelection").lower(),
        split=_yes_no(dataset, "AllowMediaSplitting"),
        non_dicom=_one_of(dataset, "IncludeNonDICOMObjects", NON_DICOM),
        viewer=_yes_no(dataset, "IncludeDisplayApplication"),
        request=kept.to_json_dict(),
    )


def _reference(item: Dataset) -> Reference:
    return Reference(
        sop_class_uid=_text(item, "ReferencedSOPClassUID"),
        sop_instance_uid=_text(item, "ReferencedSOPInstanceUID"),
        profile=_text(item, "RequestedMediaApplicationProfile"),
    )


def _text(dataset: Dataset, keyword: str) -> str:
    value = sent_value(dataset, keyword)
    return "" if value is None else str(value).strip(" \0")


def _textual(dataset: Dataset, keyword: str) -> DataElement:
    """An element that is given back, under its own VR: all of them are text. Raises StatusError (0106)."""
    sent = dataset.get_item(Tag(keyword))
    value = sent_value(dataset, keyword)
    values = value if isinstance(value, MultiValue) else [value]
    if sent is None or sent.VR == "SQ" or not all(isinstance(each, str) for each in values):
        raise StatusError(INVALID_VALUE, f"{keyword} is no text", (keyword,))
    return DataElement(Tag(keyword), dictionary_VR(keyword), value, validation_mode=IGNORE)


def _uid(dataset: Dataset, keyword: str) -> str:
    value = _text(dataset, keyword)
    if value and not is_valid_uid(value):
        raise StatusError(INVALID_VALUE, f"{keyword} is no UID", (keyword,))
    return value


def _one_of(dataset: Dataset, keyword: str, terms: Sequence[str]) -> str | None:
    value = _text(dataset, keyword)
    if value and value not in terms:
        raise StatusError(INVALID_VALUE, f"{keyword} is {' or '.join(terms)}", (keyword,))
    return value or None


def _yes_no(dataset: Dataset, keyword: str) -> bool | None:
    value = _one_of(dataset, keyword, tuple(YES_NO))
    return YES_NO[value] if value else None


def _copies(information: Dataset) -> int:
    try:
        return int(_text(information, "NumberOfCopies") or 1)
    except (TypeError, ValueError):
        raise StatusError(INVALID_VALUE, "Number of Copies is no number", ("NumberOfCopies",)) from None


def _as_kept(disc: discs.Disc) -> Dataset:
    """A request as it was kept, with the File-set ID and the profiles that are used for it."""
    dataset = Dataset.from_json(disc.request["dataset"])
    dataset.StorageMediaFileSetID = disc.file_set_id
    references = creation.references_of(disc)
    dataset.ReferencedSOPSequence = [_item(reference, reference.profile or disc.profile) for reference in references]
    return dataset


def _item(reference: Reference, profile: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class_uid
    item.ReferencedSOPInstanceUID = reference.sop_instance_uid
    item.RequestedMediaApplicationProfile = profile
    return item


def status_of(store: Store, disc: discs.Disc) -> Dataset:
    """All attributes of a request as it stands (PS3.4 table S.3.2.3.1-1)."""
    with store.database.read() as connection:
        volumes, pieces = discs.volumes(connection, [disc.disc_id]), discs.pieces(connection, [disc.disc_id])
    dataset = _as_kept(disc)
    dataset.ExecutionStatus = disc.execution_status
    dataset.ExecutionStatusInfo = disc.execution_status_info
    made = [piece for piece in pieces if piece.state in ("burned", "verified", "unverified")]
    dataset.TotalNumberOfPiecesOfMediaCreated = len(made)
    classes = {each.sop_instance_uid: each.sop_class_uid for each in creation.references_of(disc)}
    dataset.FailedSOPSequence = [_failure(uid, classes.get(uid, ""), reason) for uid, reason in disc.failed]
    there = {piece.volume for piece in made}
    dataset.ReferencedStorageMediaSequence = [_medium(volume) for volume in volumes if volume.volume in there]
    return dataset


def _failure(uid: str, sop_class: str, reason: int) -> Dataset:
    item: Any = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID, item.FailureReason = sop_class, uid, reason
    return item


def _medium(volume: Any) -> Dataset:
    item: Any = Dataset()
    item.StorageMediaFileSetID, item.StorageMediaFileSetUID = volume.file_set_id, volume.file_set_uid
    return item
