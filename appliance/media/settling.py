"""What becomes of a disc when its images are made, or can't be: one transaction that frees the worker's claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from appliance.events import process_actor
from appliance.jobs.retry import wait_after
from appliance.media.build import Built
from appliance.media.copy_types import CopyType
from appliance.media.discs import end_canceled, get_disc
from appliance.media.obstacles import REFUSALS
from appliance.media.patients import patient_id
from appliance.media.plan import Note, Plan
from appliance.media.planned import NOTES
from appliance.media.selection import Gathered
from appliance.security.audit import record
from appliance.store import discs, files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say_many


def serial_of(disc_id: int, volume: int, copy: int = 1, attempt: int = 1) -> str:
    """What identifies one piece of media: disc, volume, further copies and attempts."""
    more = f"-c{copy}" if copy > 1 else ""
    return f"{disc_id:06d}-{volume}{more}" + (f"-r{attempt}" if attempt > 1 else "")


def settle_built(
    store: Store, disc: discs.Disc, worker: str, plan: dict[str, Any], gathered: Gathered, made: list[Built]
) -> None:
    """The images are whole and checked: the disc waits for its burner."""
    if not _is_ours(store, disc.disc_id, worker):
        return
    files.remove_tree(store.folder.disc(disc.disc_id) / "anonymous")
    values: dict[str, Any] = {"building_by": None, "built": True, "plan": plan, "phase": "burn", "failed": []}
    if not CopyType.model_validate(disc.choices).anonymous:
        values["patient_name"], values["patient_id"] = gathered.patient
    values |= {"info": "QUEUED", "message": plan["note"], "attempts": 0, "not_before": None}
    seen, actor = (discs.CREATING,), str(process_actor(worker))
    with store.database.write("disc") as connection:
        if not discs.has_claim(connection, disc.disc_id, worker):
            return
        as_it_is = discs.find(connection, disc.disc_id)  # cancelled, or moved to another burner meanwhile
        if as_it_is.cancel:
            end_canceled(connection, as_it_is, actor)
        else:
            discs.put_volumes(connection, disc.disc_id, [_volume_row(built) for built in made])
            discs.put_studies(connection, disc.disc_id, gathered.studies)
            add_pieces(connection, as_it_is, [built.volume for built in made])
            discs.settle(connection, disc.disc_id, seen, discs.PENDING, actor=actor, **values)
    if as_it_is.cancel:
        files.remove_tree(store.folder.disc(disc.disc_id))


def _volume_row(built: Built) -> dict[str, Any]:
    return {
        "volume": built.volume,
        "image": built.path.name,
        "file_set_id": built.file_set_id,
        "file_set_uid": built.file_set_uid,
        "sha256": built.sha256,
        "bytes": built.bytes,
        "instances": built.instances,
        "findings": [finding.to_json() for finding in built.findings],
    }


def note_of(left_out: Sequence[Note], mp4: Sequence[Note], said: Sequence[str]) -> str:
    """What the clerk should know of a disc that is made."""
    count = len(left_out)
    counted = say_many(
        "%(number)s instance is left out: see its plan.", "%(number)s instances are left out: see its plan.", count
    )
    about = [counted] if count else []
    if number := len(mp4):
        about.append(
            say_many(
                "%(number)s video is not among the DICOM files, but beside them as an MP4 file.",
                "%(number)s videos are not among the DICOM files, but beside them as MP4 files.",
                number,
            )
        )
    return " ".join(dict.fromkeys([*about, *(text for text in said if text)]))


def icons_note(count: int) -> str:
    """That so many images lost the compressed icon they had; "" for none."""
    if not count:
        return ""
    return say_many(
        "The compressed icon of %(number)s image was left out when it was decompressed.",
        "The compressed icons of %(number)s images were left out when they were decompressed.",
        count,
    )


def add_pieces(connection: Any, disc: discs.Disc, volumes: list[int]) -> None:
    """The pieces of media a disc will have: all volumes of the first copy, then of the second.

    A copy that was out before its images were made again is not made twice.
    """
    rows = discs.pieces(connection, [disc.disc_id])
    known = {piece.serial for piece in rows}
    for copy in range(1, disc.copies + 1):
        if _is_out([piece for piece in rows if piece.copy == copy]):
            continue
        for volume in volumes:
            attempt = 1
            while serial_of(disc.disc_id, volume, copy, attempt) in known:
                attempt += 1
            serial = serial_of(disc.disc_id, volume, copy, attempt)
            values = {"volume": volume, "copy": copy, "serial": serial, "burner": disc.burner}
            discs.add_piece(connection, disc_id=disc.disc_id, state="waiting", **values)


def _is_out(pieces: list[Any]) -> bool:
    """Whether every volume of a copy was made."""
    made = {piece.volume for piece in pieces if piece.state in ("verified", "unverified")}
    return bool(made) and made == {piece.volume for piece in pieces}


def summary_of(plan: Plan | None, hidden: tuple[Note, ...] = ()) -> dict[str, Any] | None:
    """A plan without the names of its files, which are many; with what was left out of an anonymous disc."""
    if plan is None:
        return None
    values = replace(plan, left_out=plan.left_out + hidden).to_json()
    values["patients"] = len({patient_id(each.source.keys) for volume in plan.volumes for each in volume.all})
    for volume in values["volumes"]:
        volume["instances"] = len(volume.pop("files"))
        volume["videos"] = volume["videos"][:100]
    for name in NOTES:
        values[f"{name}_count"] = len(values[name])
        values[name] = values[name][:100]
    return values


def settle(store: Store, disc_id: int, worker: str, status: str, **values: Any) -> None:
    """Free the claim; what was cancelled meanwhile ends here."""
    actor = str(process_actor(worker))
    if values.get("plan") is None:
        values.pop("plan", None)
    with store.database.write("disc") as connection:
        disc = discs.get(connection, disc_id)
        if not discs.has_claim(connection, disc_id, worker):
            return
        if disc is not None and disc.cancel:
            end_canceled(connection, disc, actor)
        else:
            discs.settle(connection, disc_id, (discs.CREATING,), status, actor=actor, building_by=None, **values)


def settle_failed(store: Store, disc_id: int, worker: str, info: str, message: str, plan: Plan | None = None) -> None:
    """It can't be made: nothing of it is kept but the reasons, by instance."""
    if not _is_ours(store, disc_id, worker):
        return
    files.remove_tree(store.folder.disc(disc_id))
    refused = [note for note in plan.refused if note.SOPInstanceUID] if plan else []
    failed = [[note.SOPInstanceUID, REFUSALS[note.obstacle][1]] for note in refused]
    values: dict[str, Any] = {
        "info": info,
        "message": message,
        "building_by": None,
        "failed": failed,
        "purged": True,
    }
    if plan is not None:
        values["plan"] = summary_of(plan)
    actor = process_actor(worker)
    with store.database.write("disc") as connection:
        if not discs.has_claim(connection, disc_id, worker):
            return
        discs.settle(connection, disc_id, (discs.CREATING,), discs.FAILURE, actor=str(actor), **values)
        detail = {"message": message, "info": info}
        record(
            connection, "disc-failed", actor, outcome="failure", object_kind="disc", object_id=str(disc_id),
            detail=detail,
        )  # fmt: skip


def settle_later(store: Store, disc_id: int, worker: str, message: str) -> None:
    """The disk is short, or the database busy: later."""
    disc = get_disc(store, disc_id)
    if not _is_ours(store, disc_id, worker):
        return
    files.remove_tree(store.folder.disc(disc_id))
    values = {"info": "INSUFFIC_MEMORY", "reasons": ["resources"], "attempts": disc.attempts + 1}
    not_before = now() + wait_after(disc.attempts + 1)
    settle(store, disc_id, worker, discs.PENDING, message=message, not_before=not_before, **values)


def settle_canceled(store: Store, disc_id: int, worker: str) -> None:
    """Stopped on the way: by a person, or because this worker ends and another one will build it."""
    if _is_ours(store, disc_id, worker):
        files.remove_tree(store.folder.disc(disc_id))
        settle(store, disc_id, worker, discs.PENDING, info="QUEUED")


def _is_ours(store: Store, disc_id: int, worker: str) -> bool:
    """Whether the disc's folder may be touched: a worker that lost its lock may have been replaced."""
    with store.database.read() as connection:
        return store.locks.holds(worker) and discs.has_claim(connection, disc_id, worker)
