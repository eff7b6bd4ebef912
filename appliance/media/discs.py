"""The verbs on discs: plan, create, cancel, release, decide, move, remake. Each takes its actor and is audited."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from appliance.errors import ConflictError, NotFoundError, ResourceError
from appliance.events import Actor
from appliance.jobs.priorities import NAMES, PRIORITIES
from appliance.media.copy_types import copy_type
from appliance.media.ordering import (
    IDENTITY,
    DiscOrder,
    SettledOrder,
    known_decisions,
    plan_of,
    settled,
)
from appliance.media.plan import Plan
from appliance.media.planned import telling_of_icons
from appliance.media.same_image import same_images
from appliance.media.selection import Gathered, Selection, gather
from appliance.media.trial import losing_icons, undecodable
from appliance.pixels import limits_of
from appliance.security.audit import record
from appliance.store import discs, files
from appliance.store.database import next_number
from appliance.store.files import failpoint
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

LASTING = ("patient:", "study:", "instance:")
"""Decisions that hold for every disc; the others are of one order."""
CANCELED = "CANCELED"
"""Execution Status Info of what nobody wants any more: PS3.4 Annex S has no term for it, and lets terms be added."""


def plan_disc(store: Store, order: DiscOrder) -> tuple[Plan, Gathered]:
    """What would be made, and of what; nothing is. Raises UsageError, NotFoundError."""
    chosen = settled(store, order)
    gathered = gather(store, order.selection)
    limits = limits_of(store.settings.limits)
    made = partial(
        plan_of,
        gathered,
        chosen.choices,
        file_set_id=order.file_set_id or "DISC",
        decisions=known_decisions(store, order.decisions),
        leave_out=order.leave_out,
    )
    plan = made()
    if same := same_images(plan, gathered.sources, limits):
        made = partial(made, same_image=same)
        plan = made()
    if spoiled := undecodable(plan, limits):
        plan = made(undecodable=spoiled)
    return telling_of_icons(plan, losing_icons(plan)), gathered


def create_disc(
    store: Store,
    order: DiscOrder,
    actor: Actor,
    *,
    execution_status: str = discs.PENDING,
    beside: Callable[[Connection], None] | None = None,
    restored: str = "",
) -> int:
    """Order a disc; its number. When this returns, the order survives power loss.

    What must be decided or is refused is found when it is planned, and said there. `beside` is done in the same
    transaction. `restored`: why it is held from the start, for a backup came between. Raises UsageError, NotFoundError,
    ConflictError when its request is kept already, ResourceError when the disk is short.
    """
    chosen = settled(store, order)
    if not store.has_room():
        raise ResourceError(say("The disk is short: no new discs until kept ones are purged or room is made."))
    gathered = gather(store, order.selection) if execution_status == discs.PENDING else None
    failpoint("disc.start")
    with store.database.write("disc") as connection:
        if order.request_uid and discs.by_request_uid(connection, order.request_uid) is not None:
            raise ConflictError(say("a request with that UID is there already"))
        disc_id = _number(store, connection)
        row = _row(chosen, disc_id, actor, execution_status, gathered)
        if restored:
            row |= {"held": True, "reasons": ["restored"], "message": restored}
        discs.insert(connection, row, gathered.studies if gathered else (), str(actor))
        for text in order.decisions:
            _keep_decision(connection, text, disc_id, actor)
        detail = {"studies": list(gathered.studies) if gathered else [], "copy_type": order.copy_type}
        if beside is not None:
            beside(connection)
        audited(connection, "disc-ordered", disc_id, actor, burner=order.burner, copies=order.copies, **detail)
    failpoint("disc.committed")
    return disc_id


def _number(store: Store, connection: Connection) -> int:
    """A number nobody has: not in use in the folder either, should the database be an older one put back."""
    while True:
        disc_id = next_number(connection, "disc")
        if not store.folder.disc(disc_id).exists():
            return disc_id


def _row(
    chosen: SettledOrder, disc_id: int, actor: Actor, execution_status: str, gathered: Gathered | None
) -> dict[str, Any]:
    order, choices = chosen.order, chosen.choices
    name, number = gathered.patient if gathered else ("", "")
    return {
        "disc_id": disc_id,
        "execution_status": execution_status,
        "execution_status_info": "QUEUED" if execution_status == discs.PENDING else "NORMAL",
        "reasons": [],
        "selection": order.selection.to_json(),
        "patient_name": "" if choices.anonymous else name,
        "patient_id": "" if choices.anonymous else number,
        "plan": {"patients": gathered.patients} if gathered else None,
        "profile": chosen.profile.name,
        "medium": chosen.medium.name,
        "copy_type": order.copy_type,
        "choices": choices.model_dump(mode="json"),
        "burner": order.burner,
        "copies": order.copies,
        "priority": PRIORITIES[order.priority],
        "label_text": order.label_text,
        "file_set_id": order.file_set_id or f"DISC{disc_id:06d}",
        "incomplete_reason": order.incomplete_reason,
        "decisions": list(order.decisions),
        "leave_out": [list(pair) for pair in order.leave_out],
        "key": secrets.token_bytes(32) if choices.anonymous else None,
        "password": new_password() if choices.encrypted else "",
        "failed": [],
        "request_uid": order.request_uid,
        "request": order.request,
        "remake_of": order.remake_of,
        "requested_by": actor.name,
        "requested_from": actor.address,
    }


def new_password() -> str:
    """Twenty letters and digits that are not mistaken for one another, in groups of five: about 95 bits."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def get_disc(store: Store, disc_id: int) -> discs.Disc:
    """A disc's row. Raises NotFoundError."""
    with store.database.read() as connection:
        return discs.find(connection, disc_id)


def cancel(store: Store, disc_id: int, actor: Actor, *, while_burning: bool = True) -> None:
    """Never make a disc. One a worker has is stopped at its next step; what was made of it is removed.

    Raises NotFoundError, ConflictError; that, too, for one that is burning, unless `while_burning`.
    """
    with store.database.write("disc") as connection:
        disc = may(connection, disc_id, "cancel", (discs.IDLE, *discs.UNDERWAY))
        if disc.burning_by is not None and not while_burning:
            raise ConflictError(say("Disc %(disc_id)s is burning.", disc_id=disc_id))
        if disc.building_by is None and disc.burning_by is None:
            end_canceled(connection, disc, str(actor))
        else:
            discs.change(connection, disc_id, cancel=True)
        audited(connection, "disc-cancel", disc_id, actor)
    if disc.building_by is None and disc.burning_by is None:
        files.remove_tree(store.folder.disc(disc_id))


def end_canceled(connection: Connection, disc: discs.Disc, actor: str) -> None:
    """The end of a cancelled disc: its files go, what was burned of it stays on record."""
    ended: dict[str, Any] = {
        "held": False,
        "building_by": None,
        "burning_by": None,
        "password": "",
        "purged": True,
    }
    seen = (disc.execution_status,)
    pieces = discs.pieces(connection, [disc.disc_id])
    ended |= {"info": CANCELED, "reasons": ["canceled"], "message": _said_of_done(pieces)}
    if not discs.settle(connection, disc.disc_id, seen, discs.FAILURE, actor=actor, **ended):
        raise ConflictError(say("Disc %(disc_id)s changed in this moment: look again.", disc_id=disc.disc_id))
    for piece in pieces:
        if piece.state in ("waiting", "burning", "burned"):
            said = "" if piece.state == "waiting" else say("Cancelled when it was burning or burned.")
            discs.change_piece(connection, piece.piece_id, state="canceled", message=said, ended=now())


def _said_of_done(pieces: Sequence[Any]) -> str:
    """How much of a cancelled order somebody holds in his hands."""
    done = sum(piece.state == "verified" for piece in pieces)
    wanted = sum(piece.state not in ("failed", "in-doubt") for piece in pieces)
    return say("Cancelled; %(done)s of %(wanted)s had come out before.", done=done, wanted=wanted) if done else ""


def release(store: Store, disc_id: int, actor: Actor) -> None:
    """Let a disc go on that waited for a person. Pieces that failed or are in doubt are made anew.

    Raises NotFoundError, ConflictError.
    """
    with store.database.write("disc") as connection:
        disc = held_disc(connection, disc_id, "release", (discs.IDLE, *discs.UNDERWAY))
        end_doubt(connection, disc_id, "failed", say("Made anew after doubt."))
        if disc.execution_status == discs.IDLE:  # a request: who made it begins it
            discs.change(connection, disc_id, held=False, reasons=[], message="")
        else:
            go_on(connection, disc_id, actor)
        audited(connection, "disc-release", disc_id, actor)


def end_doubt(connection: Connection, disc_id: int, state: str, message: str) -> list[Any]:
    """Settle the pieces a burner could not tell about; those that were."""
    doubted = [piece for piece in discs.pieces(connection, [disc_id]) if piece.state == "in-doubt"]
    for piece in doubted:
        discs.change_piece(connection, piece.piece_id, state=state, message=message)
    return doubted


def decide(
    store: Store,
    disc_id: int,
    actor: Actor,
    *,
    decisions: Sequence[str] = (),
    leave_out: Sequence[tuple[str, str]] = (),
    incomplete_reason: str = "",
    leave_out_refused: bool = False,
    video: str = "",
) -> None:
    """Record what a person decided about a disc that waits for it, and let it go on.

    `decisions` are those of media.patients.Conflict (same patient, this content, several patients) or ``looked:UID``;
    `leave_out_refused`: all that can't go on the disc is left out; `video`: that choice of the copy type, if not empty.
    Raises NotFoundError, ConflictError, that, too, for one whose images are made: nothing would change on it.
    """
    with store.database.write("disc") as connection:
        disc = held_disc(connection, disc_id, "decide")
        if disc.built:
            raise ConflictError(
                say(
                    "The images of disc %(disc_id)s are made: release it, or cancel it and order another.",
                    disc_id=disc_id,
                )
            )
        values: dict[str, Any] = {
            "decisions": list(dict.fromkeys([*disc.decisions, *decisions])),
            "leave_out": [*disc.leave_out, *[list(pair) for pair in leave_out]],
        }
        if incomplete_reason:
            values["incomplete_reason"] = incomplete_reason
        chosen = ({"leave_out_refused": True} if leave_out_refused else {}) | ({"video": video} if video else {})
        if chosen:
            values["choices"] = copy_type(disc.choices | chosen).model_dump(mode="json")
        for text in decisions:
            _keep_decision(connection, text, disc_id, actor)
        go_on(connection, disc_id, actor, **values)
        detail = {
            "decisions": list(decisions),
            "left_out": len(leave_out),
            "incomplete_reason": incomplete_reason,
        }
        detail |= {"leave_out_refused": leave_out_refused, "video": video}
        audited(connection, "disc-decide", disc_id, actor, **detail)


def move(store: Store, disc_id: int, burner: str, actor: Actor) -> None:
    """Give a disc that is not being burned to another burner. Raises NotFoundError, ConflictError, UsageError."""
    disc = get_disc(store, disc_id)
    order = order_of(disc)
    settled(store, DiscOrder(**{**vars(order), "burner": burner}))
    with store.database.write("disc") as connection:
        disc = may(connection, disc_id, "move", (discs.IDLE, *discs.UNDERWAY))
        if disc.burning_by is not None:
            raise ConflictError(say("Disc %(disc_id)s is being burned: cancel it, or wait.", disc_id=disc_id))
        values = {"burner": burner, "attempts": 0, "not_before": None}
        discs.change(connection, disc_id, **values)
        for piece in discs.pieces(connection, [disc_id]):
            if piece.state == "waiting":
                discs.change_piece(connection, piece.piece_id, burner=burner)
        audited(connection, "disc-move", disc_id, actor, burner=burner)


def remake(store: Store, disc_id: int, actor: Actor, *, burner: str | None = None, copies: int | None = None) -> int:
    """Order an ended disc once more, with the same choices and decisions; the new number. Raises NotFoundError.

    But for what an archive said of its identity then: what it says now may be something else.
    """
    with store.database.read() as connection:
        disc = may(connection, disc_id, "remake", discs.FINAL)
    order = order_of(disc)
    values = {
        **vars(order),
        "remake_of": disc_id,
        "decisions": tuple(text for text in order.decisions if not text.startswith(IDENTITY)),
        "request_uid": None,
        "request": None,
        "file_set_id": "",
    }
    if burner:
        values["burner"] = burner
    if copies:
        values["copies"] = copies
    return create_disc(store, DiscOrder(**values), actor)


def password_of(store: Store, disc_id: int, actor: Actor) -> tuple[str, bytes]:
    """The password of an encrypted archive, and the sheet it is printed on (PDF). Raises NotFoundError."""
    from appliance.media.archive import password_sheet  # what draws PDF is loaded only here: associations need none

    disc = get_disc(store, disc_id)
    if not disc.password:
        raise NotFoundError(
            say("Disc %(disc_id)s has no password: it is not encrypted, or its files are purged.", disc_id=disc_id)
        )
    with store.database.write() as connection:
        audited(connection, "disc-password-shown", disc_id, actor)
    return disc.password, password_sheet(disc_id, disc.file_set_id, disc.password)


def order_of(disc: discs.Disc) -> DiscOrder:
    """A stored disc as the order it was."""
    return DiscOrder(
        selection=Selection.from_json(disc.selection),
        copy_type=disc.copy_type,
        burner=disc.burner,
        copies=disc.copies,
        priority=NAMES[disc.priority],
        label_text=disc.label_text,
        file_set_id=disc.file_set_id,
        incomplete_reason=disc.incomplete_reason,
        decisions=tuple(disc.decisions),
        leave_out=tuple((uid, reason) for uid, reason in disc.leave_out),
        choices=disc.choices,
        request_uid=disc.request_uid,
        request=disc.request,
        remake_of=disc.remake_of,
    )


def _keep_decision(connection: Connection, text: str, disc_id: int, actor: Actor) -> None:
    if text.startswith(LASTING) and len(text) <= 160:
        discs.decide(connection, text, disc_id, str(actor))


def held_disc(connection: Connection, disc_id: int, verb: str, statuses: Sequence[str] = discs.UNDERWAY) -> discs.Disc:
    disc = may(connection, disc_id, verb, statuses)
    if not disc.held:
        raise ConflictError(say("Disc %(disc_id)s waits for nobody.", disc_id=disc_id))
    return disc


def go_on(connection: Connection, disc_id: int, actor: Actor, **values: Any) -> None:
    seen = discs.UNDERWAY
    values |= {"held": False, "not_before": None, "attempts": 0}
    discs.settle(connection, disc_id, seen, discs.PENDING, actor=str(actor), info="QUEUED", **values)


def may(connection: Connection, disc_id: int, verb: str, statuses: Sequence[str]) -> discs.Disc:
    disc = discs.find(connection, disc_id)
    if disc.execution_status not in statuses:
        wanted = " or ".join(statuses)
        raise ConflictError(
            say(
                "Disc %(disc_id)s is %(execution_status)s: %(verb)s is for discs that are %(wanted)s.",
                disc_id=disc_id,
                execution_status=disc.execution_status,
                verb=verb,
                wanted=wanted,
            )
        )
    return disc


def audited(connection: Connection, event: str, disc_id: int, actor: Actor, **detail: object) -> None:
    record(connection, event, actor, object_kind="disc", object_id=str(disc_id), detail=detail)
