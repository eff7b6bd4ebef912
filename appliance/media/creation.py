"""Media Creation Management (PS3.4 Annex S): a request is kept, begun, cancelled and asked about, over restarts.

A request is a disc that stays IDLE until it is told to begin. What its instances and profile are fit for is found then,
and stands in Execution Status; nothing of that refuses the request itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.jobs.priorities import PRIORITIES
from appliance.media import discs as verbs
from appliance.media.burners import DEFAULT_BURNER, all_burners
from appliance.media.copy_types import DEFAULT
from appliance.media.file_id import is_file_set_id
from appliance.media.label_layout import layouts
from appliance.media.ordering import MAXIMUM_COPIES, DiscOrder
from appliance.media.profiles import PROFILES, usual_medium
from appliance.media.selection import Selection, gather
from appliance.security.audit import record
from appliance.store import discs
from appliance.store.store import Store
from appliance.words import say

# Include Non-DICOM Objects (PS3.3 C.22.1) -> copy type
COPY_TYPES = {"FOR_PHYSICIAN": "physician", "FOR_PATIENT": "patient"}

# Failure Reason (0008,1197)
NO_SUCH_INSTANCE = 0x0112
CLASS_INSTANCE_CONFLICT = 0x0119
PROFILES_CONFLICT = 0x0201
PROFILE_NOT_SUPPORTED = 0x0204

ALREADY_BEGUN = 0xA510
ALREADY_ENDED = 0xC201
NOT_INTERRUPTIBLE = 0xC202
NOT_CANCELED = 0xC203


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One item of Referenced SOP Sequence."""

    sop_class_uid: str
    sop_instance_uid: str
    profile: str  # Requested Media Application Profile; "" none


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an SCU asks for; None where it leaves it to us."""

    references: tuple[Reference, ...]
    file_set_id: str = ""
    file_set_uid: str = ""
    label_text: str = ""
    label_extracted: bool | None = None  # what the instances say of patient and studies stands on the label
    label_style: str = ""  # Label Style Selection: a label layout of ours
    split: bool | None = None
    non_dicom: str | None = None  # NO, FOR_PHYSICIAN, FOR_PATIENT, FOR_TEACHING, FOR_RESEARCH
    viewer: bool | None = None
    request: Mapping[str, Any]  # the whole data set as DICOM JSON, to be given back


def create_request(store: Store, uid: str, wish: Wish, actor: Actor, *, burner: str = "") -> int:
    """Keep a request; its disc's number. Raises ConflictError when the UID is taken, UsageError."""
    profile = _profile(wish)
    choices: dict[str, Any] = {}
    if wish.non_dicom == "NO":
        choices |= {"web_content": False, "site_files": False}
    if wish.label_extracted is not None:
        choices["label_names_patient"] = wish.label_extracted
    if wish.label_style in layouts(store.folder.layouts):
        choices["label_layout"] = wish.label_style  # another one is no error (PS3.4 S.3.2.1.2): ours serves
    if wish.viewer is not None:
        choices["viewer"] = wish.viewer
    if wish.split is not None:
        choices["split"] = wish.split
    order = DiscOrder(
        selection=Selection(instances=tuple(reference.sop_instance_uid for reference in wish.references)),
        copy_type=COPY_TYPES.get(wish.non_dicom or "", DEFAULT),
        medium=usual_medium(PROFILES[profile]) if profile else "",
        profile=profile,
        burner=burner or _burner(store),
        label_text=wish.label_text,
        file_set_id=wish.file_set_id if is_file_set_id(wish.file_set_id) else "",
        choices=choices,
        request_uid=uid,
        request={
            "dataset": dict(wish.request),
            "references": [list(vars(each).values()) for each in wish.references],
            "file_set_uid": wish.file_set_uid,
        },
    )
    try:
        return verbs.create_disc(store, order, actor, execution_status=discs.IDLE)
    except UsageError as error:
        if not order.profile or error.field not in ("burner", "medium"):
            raise
    # its burner makes no such media: that is told, as all of that kind, when the request is begun
    return verbs.create_disc(store, replace(order, medium="", profile=""), actor, execution_status=discs.IDLE)


def _profile(wish: Wish) -> str:
    """The one profile asked for, when we have it; else that is told when the request is begun."""
    asked = {reference.profile.upper() for reference in wish.references if reference.profile}
    return next(iter(asked)) if len(asked) == 1 and asked <= set(PROFILES) else ""


def _burner(store: Store) -> str:
    names = [burner.name for burner in all_burners(store)]
    if not names:
        raise UsageError(say("there is no burner"), field="burner")
    return DEFAULT_BURNER if DEFAULT_BURNER in names else names[0]


def find(store: Store, uid: str) -> discs.Disc:
    """The disc of a request. Raises NotFoundError."""
    with store.database.read() as connection:
        disc = discs.by_request_uid(connection, uid)
    if disc is None:
        raise NotFoundError(say("there is no such request"))
    return disc


def references_of(disc: discs.Disc) -> list[Reference]:
    """Its Referenced SOP Sequence."""
    return [
        Reference(sop_class_uid=sop_class, sop_instance_uid=uid, profile=profile)
        for sop_class, uid, profile in disc.request["references"]
    ]


def initiate(store: Store, uid: str, actor: Actor, *, copies: int = 1, priority: str = "") -> bool:
    """Begin a request; False when it was begun before. What makes it impossible becomes its FAILURE.

    Raises NotFoundError, UsageError.
    """
    disc = find(store, uid)
    if not 1 <= copies <= MAXIMUM_COPIES:
        raise UsageError(
            say("1 to %(maximum_copies)s copies can be made", maximum_copies=MAXIMUM_COPIES), field="copies"
        )
    info, failed = _impossible(store, references_of(disc), disc.profile)
    values: dict[str, Any] = {"copies": copies, "priority": PRIORITIES.get(priority, disc.priority), "failed": failed}
    if disc.held and not info:  # restored: what a person has to look at stays said
        values |= {"reasons": disc.reasons, "message": disc.message}
    studies: Mapping[str, int] = {}
    if not info:
        gathered = gather(store, Selection.from_json(disc.selection))
        studies = gathered.studies
        values["patient_name"], values["patient_id"] = gathered.patient
    status = discs.FAILURE if info else discs.PENDING
    with store.database.write("disc") as connection:
        begun = discs.settle(
            connection, disc.disc_id, (discs.IDLE,), status, actor=str(actor), info=info or "QUEUED", **values
        )
        if begun:
            discs.put_studies(connection, disc.disc_id, dict.fromkeys(studies, 0))
            detail = {"copies": copies, "info": info}
            record(
                connection, "disc-ordered", actor, outcome="failure" if info else "success", object_kind="disc",
                object_id=str(disc.disc_id), detail=detail,
            )  # fmt: skip
    return begun


def _impossible(store: Store, references: Sequence[Reference], profile: str) -> tuple[str, list[list[Any]]]:
    """Execution Status Info and [SOP Instance UID, Failure Reason] of what can't be made; ("", []) when all can.

    `profile` is the one the disc would be made by.
    """
    uids = [reference.sop_instance_uid for reference in references]
    if len(set(uids)) < len(uids):
        return "DUPL_REF_INST", []
    asked = {reference.profile.upper() for reference in references if reference.profile}
    if len(asked) > 1:
        return "NOT_SUPPORTED", [[uid, PROFILES_CONFLICT] for uid in uids]
    if asked - {profile}:
        return "NOT_SUPPORTED", [[uid, PROFILE_NOT_SUPPORTED] for uid in uids]
    with store.database.read() as connection:
        classes = discs.classes_of(connection, uids)
    missing = [[uid, NO_SUCH_INSTANCE] for uid in uids if uid not in classes]
    if missing:
        return "NO_INSTANCE", missing
    other = [
        [reference.sop_instance_uid, CLASS_INSTANCE_CONFLICT]
        for reference in references
        if reference.sop_class_uid != classes[reference.sop_instance_uid]
    ]
    return ("NO_INSTANCE", other) if other else ("", [])


def cancel_request(store: Store, uid: str, actor: Actor) -> int:
    """Cancel a request; the status to answer: 0, C201 it ended, C202 while it burns, C203. Raises NotFoundError.

    Of a cancelled one nothing is left to be asked about (PS3.4 S.3.2.3.2); its disc stays listed.
    """
    disc = find(store, uid)
    try:
        verbs.cancel(store, disc.disc_id, actor, while_burning=False)  # it would cost a piece of media
    except ConflictError:
        now = find(store, uid)
        if now.execution_status in discs.FINAL:
            return ALREADY_ENDED
        return NOT_CANCELED if now.burning_by is None else NOT_INTERRUPTIBLE
    with store.database.write("disc") as connection:
        discs.change(connection, disc.disc_id, request_uid=None)
    return 0
