"""What is ordered, and the plan of it: shown before the order, made anew when a worker takes it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.errors import NotFoundError, UsageError
from appliance.jobs.priorities import PRIORITIES
from appliance.media import profiles
from appliance.media.burners import DEFAULT_BURNER, StoredBurner, get_burner, open_stored
from appliance.media.copy_types import DEFAULT, STANDARD, CopyType, copy_type, get_copy_type
from appliance.media.deidentify import needs_a_look
from appliance.media.plan import Plan, PlanOptions, plan
from appliance.media.selection import Gathered, Selection
from appliance.media.source import SourceInstance
from appliance.media.video import why_not
from appliance.store import discs
from appliance.store.store import Store
from appliance.words import say

MAXIMUM_COPIES = 99
README_ROOM = (("README.TXT", 16384), ("INDEX.HTM", 16384))
"""What every disc has besides its instances, and costs no second disc; the viewer and pictures take what is left."""
SIGNATURE_ROOM = (("SHA256.SIG", 512), ("SIGNER.PEM", 2048))
LOOKED = "looked:"
"""Decision ``looked:SOP-Instance-UID``: a person saw nothing identifying in the instance of an anonymous disc."""
IDENTITY = "identity:"
"""Decision ``identity:Study-Instance-UID``: what the archive says now is the same patient and study."""


@dataclass(frozen=True, kw_only=True)
class DiscOrder:
    """What a person, a rule or a peer asks for. What is empty is taken from the copy type."""

    selection: Selection
    copy_type: str = DEFAULT
    medium: str = ""
    profile: str = ""  # application profile
    burner: str = DEFAULT_BURNER
    copies: int = 1
    priority: str = "MED"
    label_text: str = ""
    file_set_id: str = ""
    incomplete_reason: str = ""  # why it is made though instances are missing
    decisions: tuple[str, ...] = ()
    leave_out: tuple[tuple[str, str], ...] = ()  # SOP Instance UID, reason
    choices: Mapping[str, Any] = field(default_factory=dict)  # of the copy type, changed for this disc
    request_uid: str | None = None  # of a Media Creation Management instance
    request: Mapping[str, Any] | None = None
    remake_of: int | None = None


@dataclass(frozen=True, kw_only=True)
class SettledOrder:
    """An order with every choice made."""

    order: DiscOrder
    choices: CopyType
    medium: profiles.Medium
    profile: profiles.ApplicationProfile
    burner: StoredBurner


def settled(store: Store, order: DiscOrder) -> SettledOrder:
    """Make every choice. Raises UsageError naming the field, NotFoundError."""
    order.selection.check()
    if not 1 <= order.copies <= MAXIMUM_COPIES:
        raise UsageError(
            say("A disc is made 1 to %(maximum_copies)s times.", maximum_copies=MAXIMUM_COPIES), field="copies"
        )
    if order.priority not in PRIORITIES:
        raise UsageError(
            say(
                "Priority is %(priorities)s, not %(priority)s.",
                priorities=", ".join(PRIORITIES),
                priority=order.priority,
            ),
            field="priority",
        )
    choices = _choices(store, order)
    medium = profiles.medium(choices.medium)
    burner = get_burner(store, order.burner)
    check_medium(store, burner, medium)
    return SettledOrder(
        order=order,
        choices=choices,
        medium=medium,
        profile=profiles.profile(choices.application_profile),
        burner=burner,
    )


def _choices(store: Store, order: DiscOrder) -> CopyType:
    values = get_copy_type(store, order.copy_type).model_dump(mode="json") | dict(order.choices)
    if order.medium:
        values["medium"] = order.medium
        kind = profiles.medium(order.medium).kind
        if values["profile"] and kind not in profiles.profile(values["profile"]).kinds:
            values["profile"] = STANDARD[kind]
    if order.profile:
        values["profile"] = profiles.profile(order.profile).name
    return copy_type(values)


def check_medium(store: Store, burner: StoredBurner, medium: profiles.Medium) -> None:
    """Raise UsageError when a burner makes none of it."""
    if medium.form not in open_stored(store, burner).forms:
        raise UsageError(
            say("Burner %(burner)s makes no %(title)s; take another burner.", burner=burner.name, title=medium.title),
            field="burner",
        )
    if burner.settings.media and medium.name not in burner.settings.media:
        has = ", ".join(burner.settings.media)
        raise UsageError(
            say("Burner %(burner)s has %(has)s, not %(medium)s.", burner=burner.name, has=has, medium=medium.name),
            field="medium",
        )


def known_decisions(store: Store, own: tuple[str, ...]) -> frozenset[str]:
    """Decisions of this disc and those that hold for every disc."""
    with store.database.read() as connection:
        return frozenset(own) | discs.decided(connection)


def plan_of(
    gathered: Gathered,
    choices: CopyType,
    *,
    file_set_id: str,
    file_set_uid: str = "",
    decisions: frozenset[str],
    leave_out: tuple[tuple[str, str], ...] = (),
    sources: tuple[SourceInstance, ...] | None = None,
    undecodable: Mapping[str, str] | None = None,
    same_image: frozenset[str] = frozenset(),
) -> Plan:
    """The plan of what was gathered; `sources` are the anonymous copies where they are made already.

    `undecodable` are SOP Instance UIDs of images that can't be decompressed, and why, as far as was tried; `same_image`
    those there in several compressions.
    """
    left_out = [*gathered.left_out, *leave_out]
    if choices.anonymous and sources is None:
        left_out += unlooked(gathered.sources, decisions)
    room = README_ROOM + (SIGNATURE_ROOM if choices.signed else ())
    options = PlanOptions(
        file_set_id=file_set_id,
        file_set_uid=file_set_uid,
        several_patients=choices.several_patients,
        decisions=decisions,
        leave_out=tuple(left_out),
        refuse_without_record=choices.refuse_without_record,
        leave_out_refused=choices.leave_out_refused,
        undecodable=tuple((undecodable or {}).items()),
        same_image=same_image,
        video=choices.video,
        no_mp4=why_not() if choices.video == "mp4" else "",
        split=choices.split,
        joliet=choices.joliet,
        icons=choices.icons,
        content=room,
    )
    medium = profiles.medium(choices.medium)
    return plan(
        gathered.sources if sources is None else sources, profiles.profile(choices.application_profile), medium, options
    )


def unlooked(sources: tuple[SourceInstance, ...], decisions: frozenset[str]) -> list[tuple[str, str]]:
    """Instances a person must look at before they go on an anonymous disc, and why."""
    asked = ((source.keys.SOPInstanceUID, needs_a_look(source.keys)) for source in sources)
    return [
        (uid, say("%(why)s; look at it and let it pass (decision %(looked)s%(uid)s)", why=why, looked=LOOKED, uid=uid))
        for uid, why in asked
        if why and f"{LOOKED}{uid}" not in decisions
    ]


def check_purged(row: discs.Disc) -> None:
    """Raise NotFoundError when the files of a disc are gone."""
    if row.purged:
        raise NotFoundError(say("The images of disc %(disc_id)s are purged: order it again.", disc_id=row.disc_id))
