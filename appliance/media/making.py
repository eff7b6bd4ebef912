"""From an order to checked images: retrieve, plan, build, check. All of it can be done again from the index."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError, DamagedError, NotFoundError, ResourceError
from appliance.events import process_actor
from appliance.jobs.retry import wait_after
from appliance.media import extras, ordering
from appliance.media.anonymous import anonymous_sources
from appliance.media.archive import encrypt
from appliance.media.build import Built, build_volume
from appliance.media.burner.paths import sums_of
from appliance.media.copy_types import CopyType
from appliance.media.discs import end_canceled, get_disc
from appliance.media.plan import Note, Plan, Volume
from appliance.media.progress import CanceledError, Watch
from appliance.media.selection import Gathered, Selection, gather
from appliance.media.signing import signer_of
from appliance.media.source import SourceInstance
from appliance.pixels import Decoder
from appliance.security.audit import record
from appliance.store import discs, files, retrievals
from appliance.store.files import failpoint
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.studies.retrieving import ask_again
from appliance.studies.retrieving import ask_again

# of what was refused in a plan -> Execution Status Info (PS3.4 S), Failure Reason; the first that fits
REFUSALS = (
    ("does not fit on one", "INST_OVERSIZED", 0x0205),
    ("less than 4 GiB", "INST_OVERSIZED", 0x0205),
    ("splitting is not allowed", "SET_OVERSIZED", 0x0110),
    ("SOP class", "INST_AP_CONFLICT", 0x0202),
    ("can't be decompressed", "INST_AP_CONFLICT", 0x0203),
    ("the directory needs", "DIR_PROC_ERR", 0x0120),
)

IDENTITY = "identity:"
"""Decision ``identity:Study-Instance-UID``: the archive's other name for the patient is the same person's."""
OTHER_IDENTITY = "has another"
LATER = dt.timedelta(seconds=2)

log = logging.getLogger(__name__)


class RefusedPlanError(ApplianceError):
    """A disc that can't be made as it was ordered."""

    def __init__(self, info: str, message: str, plan: Plan | None = None) -> None:
        super().__init__(message)
        self.info = info
        self.plan = plan


class LaterError(ApplianceError):
    """A disc whose turn has not come."""


class HeldError(ApplianceError):
    """A disc that waits for a person."""

    def __init__(self, reason: str, message: str, plan: Plan | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.plan = plan


def build_disc(store: Store, disc_id: int, worker: str, stopped: Callable[[], bool] = lambda: False) -> None:
    """Make the images of a claimed disc and settle the claim."""
    watch = Watch(store, disc_id, stopped)
    try:
        _build(store, get_disc(store, disc_id), watch, worker)
    except CanceledError:
        _canceled(store, disc_id, watch, worker)
    except HeldError as held:
        values = {"info": "CHECK_MCD_OP", "reasons": [held.reason], "held": True, "plan": _summary(held.plan)}
        _settle(store, disc_id, worker, discs.PENDING, message=str(held), **values)
    except RefusedPlanError as refused:
        _failed(store, disc_id, worker, refused.info, str(refused), refused.plan)
    except NotFoundError as error:
        _failed(store, disc_id, worker, "NO_INSTANCE", str(error))
    except DamagedError as error:
        _failed(store, disc_id, worker, "PROC_FAILURE", str(error))
    except LaterError as later:
        wait = now() + LATER
        values = {"info": "QUEUED", "reasons": ["retrieving"], "not_before": wait}
        _settle(store, disc_id, worker, discs.PENDING, message=str(later), **values)
    except (ResourceError, OSError) as error:
        _again(store, disc_id, worker, str(error))
    except ApplianceError as error:
        _failed(store, disc_id, worker, "PROC_FAILURE", str(error))
    except Exception as error:
        log.exception("building broke", extra={"disc": disc_id})
        _failed(store, disc_id, worker, "PROC_FAILURE", f"Building broke: {type(error).__name__}; see the log.")


def _build(store: Store, disc: discs.Disc, watch: Watch, worker: str) -> None:
    folder = store.folder.disc(disc.disc_id)
    files.remove_tree(folder)  # what an earlier attempt left
    watch.phase("retrieve")
    gathered, said = _gathered(store, disc)
    watch.phase("plan")
    failpoint("plan.start")
    choices = CopyType.model_validate(disc.choices)
    plan, hidden = _plan(store, disc, gathered, choices, folder, watch)
    failpoint("plan.done")
    made = [_make(store, disc, plan, volume, choices, watch) for volume in plan.volumes]
    failpoint("build.done")
    note = _note(plan.left_out + hidden, [*said, *(text for _, text in made)])
    _built(
        store, disc, worker, {**(_summary(plan, hidden) or {}), "note": note}, gathered, [built for built, _ in made]
    )
    failpoint("build.committed")


def _gathered(store: Store, disc: discs.Disc) -> tuple[Gathered, list[str]]:
    """What goes on the disc, and what its archives said when they were asked again."""
    selection = Selection.from_json(disc.selection)
    with store.database.read() as connection:
        coming = retrievals.studies_underway(connection)
    gathered = gather(store, selection)
    if coming & set(gathered.studies):
        raise LaterError("Its study is still being retrieved.")
    said = [text for uid in gathered.studies for text in ask_again(store, uid)]
    differing = [uid for uid in gathered.studies if any(uid in text and OTHER_IDENTITY in text for text in said)]
    open_ones = [uid for uid in differing if f"{IDENTITY}{uid}" not in disc.decisions]
    if open_ones:
        how = ", ".join(f"{IDENTITY}{uid}" for uid in open_ones)
        raise HeldError("decision-needed", f"{'; '.join(said)}. If it is the same patient, decide {how}.")
    gathered = gather(store, selection)  # asking again may have shown that something is missing
    if gathered.incomplete and not disc.incomplete_reason:
        lines = "; ".join(gathered.incomplete)
        raise HeldError("study-incomplete", f"{lines}. Retrieve the rest, or give a reason to make it so.")
    return gathered, said


def _plan(
    store: Store, disc: discs.Disc, gathered: Gathered, choices: CopyType, folder: Path, watch: Watch
) -> tuple[Plan, tuple[Note, ...]]:
    """The plan, and what is left out of an anonymous disc, whose UIDs may not stand on it."""
    decisions = ordering.known_decisions(store, tuple(disc.decisions))
    leave_out = tuple((uid, reason) for uid, reason in disc.leave_out)
    sources: tuple[SourceInstance, ...] | None = None
    hidden: tuple[Note, ...] = ()
    if choices.anonymous:
        here = replace(gathered, left_out=gathered.left_out + leave_out)
        sources, left_out = anonymous_sources(here, disc.key, choices, decisions, folder / "anonymous", watch)
        hidden = tuple(Note(SOPInstanceUID=uid, reason=reason) for uid, reason in left_out)
    plan = ordering.plan_of(
        gathered, choices, file_set_id=disc.file_set_id, decisions=decisions, leave_out=leave_out, sources=sources
    )
    if plan.conflicts:
        raise HeldError("decision-needed", "; ".join(conflict.message for conflict in plan.conflicts), plan)
    if plan.refused:
        raise RefusedPlanError(_info(plan.refused[0].reason)[0], _refusals(plan), plan)
    if not plan.volumes:
        raise RefusedPlanError("NO_INSTANCE", "Nothing is left to be put on a disc.", plan)
    wanted = sum(volume.size for volume in plan.volumes)
    if not store.has_room(wanted):
        raise ResourceError(f"The disk is short: the images take {wanted:,} bytes. Make room.")
    return plan, hidden


def _refusals(plan: Plan) -> str:
    first = plan.refused[0]
    more = f" (and {len(plan.refused) - 1} more)" if len(plan.refused) > 1 else ""
    hint = f"; {first.proposal} would do" if first.proposal else ""
    which = f"Instance {first.SOPInstanceUID}: " if first.SOPInstanceUID else ""
    return f"{which}{first.reason}{hint}{more}"


def _info(reason: str) -> tuple[str, int]:
    return next(((info, code) for text, info, code in REFUSALS if text in reason), ("PROC_FAILURE", 0x0110))


def _make(
    store: Store, disc: discs.Disc, plan: Plan, volume: Volume, choices: CopyType, watch: Watch
) -> tuple[Built, str]:
    """One volume with all that is on it, checked; and what was left out for want of room."""
    folder = store.folder.disc(disc.disc_id)
    settings = store.settings.discs
    watch.phase("build", volume.size)
    failpoint("build.start")
    found = extras.description_of(
        plan,
        volume,
        choices,
        settings,
        made=now().date(),
        serial=serial_of(disc.disc_id, volume.number),
        incomplete=disc.incomplete_reason,
        label_folder=store.folder.layouts,
    )
    work = folder / f"content-{volume.number}"
    with Decoder() as decoder:
        watched = watch.watched(decoder)
        content, left_out = extras.content_of(plan, volume, found, choices, watched, work, settings.site_files)
    failpoint("build.content")

    def step(done: int, total: int) -> None:
        if done >= total:
            watch.phase("check", total)
            failpoint("build.check")
        else:
            watch.step(done, total)

    signer = signer_of(store) if choices.signed else None
    built = build_volume(plan, volume, folder, content, step, signer=signer)
    files.remove_tree(work)
    if choices.encrypted:
        built = encrypt(built, disc.password, watch)
    facts = json.dumps(extras.label_facts(found), ensure_ascii=False).encode()
    files.write_file(folder / f"volume-{volume.number}.json", facts)
    if not built.sha256:
        sha256, size = sums_of(built.path)
        built = replace(built, sha256=sha256, bytes=size)
    return built, left_out


def serial_of(disc_id: int, volume: int, copy: int = 1, attempt: int = 1) -> str:
    """What identifies one piece of media: disc, volume, further copies and attempts."""
    more = f"-c{copy}" if copy > 1 else ""
    return f"{disc_id:06d}-{volume}{more}" + (f"-r{attempt}" if attempt > 1 else "")


# settling -------------------------------------------------------------------------------------------------------------


def _built(
    store: Store, disc: discs.Disc, worker: str, plan: dict[str, Any], gathered: Gathered, made: list[Built]
) -> None:
    files.remove_tree(store.folder.disc(disc.disc_id) / "anonymous")
    values: dict[str, Any] = {"building_by": None, "built": True, "plan": plan, "phase": "burn", "failed": []}
    if not CopyType.model_validate(disc.choices).anonymous:
        values["patient_name"], values["patient_id"] = gathered.patient
    values |= {"info": "QUEUED", "message": plan["note"], "attempts": 0, "not_before": None}
    with store.database.write("disc") as connection:
        discs.put_volumes(connection, disc.disc_id, [_volume_row(built) for built in made])
        discs.put_studies(connection, disc.disc_id, gathered.studies)
        add_pieces(connection, disc, [built.volume for built in made])
        seen, actor = (discs.CREATING,), str(process_actor(worker))
        discs.settle(connection, disc.disc_id, seen, discs.PENDING, actor=actor, **values)


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


def _note(left_out: Sequence[Note], said: Sequence[str]) -> str:
    """What the clerk should know of a disc that is made."""
    count = len(left_out)
    about = [f"{count} instance{'s are' if count > 1 else ' is'} left out: see its plan."] if count else []
    return " ".join(dict.fromkeys([*about, *(text for text in said if text)]))


def add_pieces(connection: Any, disc: discs.Disc, volumes: list[int]) -> None:
    """The pieces of media a disc will have: all volumes of the first copy, then of the second."""
    known = {piece.serial for piece in discs.pieces(connection, [disc.disc_id])}
    for copy in range(1, disc.copies + 1):
        for volume in volumes:
            attempt = 1
            while serial_of(disc.disc_id, volume, copy, attempt) in known:
                attempt += 1
            serial = serial_of(disc.disc_id, volume, copy, attempt)
            values = {"volume": volume, "copy": copy, "serial": serial, "burner": disc.burner}
            discs.add_piece(connection, disc_id=disc.disc_id, state="waiting", **values)


def _summary(plan: Plan | None, hidden: tuple[Note, ...] = ()) -> dict[str, Any] | None:
    """A plan without the names of its files, which are many; with what was left out of an anonymous disc."""
    if plan is None:
        return None
    values = replace(plan, left_out=plan.left_out + hidden).to_json()
    for volume in values["volumes"]:
        volume["instances"] = len(volume.pop("files"))
    for name in ("decompress", "supplied", "left_out", "refused"):
        values[f"{name}_count"] = len(values[name])
        values[name] = values[name][:100]
    return values


def _settle(store: Store, disc_id: int, worker: str, status: str, **values: Any) -> None:
    values |= {"building_by": None}
    if values.get("plan") is None:
        values.pop("plan", None)
    with store.database.write("disc") as connection:
        discs.settle(connection, disc_id, (discs.CREATING,), status, actor=str(process_actor(worker)), **values)


def _failed(store: Store, disc_id: int, worker: str, info: str, message: str, plan: Plan | None = None) -> None:
    files.remove_tree(store.folder.disc(disc_id))
    failed = [
        [note.SOPInstanceUID, _info(note.reason)[1]] for note in (plan.refused if plan else ()) if note.SOPInstanceUID
    ]
    values: dict[str, Any] = {"info": info, "message": message, "building_by": None, "failed": failed, "purged": True}
    if plan is not None:
        values["plan"] = _summary(plan)
    actor = process_actor(worker)
    with store.database.write("disc") as connection:
        discs.settle(connection, disc_id, (discs.CREATING,), discs.FAILURE, actor=str(actor), **values)
        detail = {"message": message, "info": info}
        record(
            connection, "disc-failed", actor, outcome="failure", object_kind="disc", object_id=str(disc_id),
            detail=detail,
        )  # fmt: skip


def _again(store: Store, disc_id: int, worker: str, message: str) -> None:
    """The disk is short, or the database busy: later."""
    disc = get_disc(store, disc_id)
    files.remove_tree(store.folder.disc(disc_id))
    values = {"info": "INSUFFIC_MEMORY", "reasons": ["resources"], "attempts": disc.attempts + 1}
    not_before = now() + wait_after(disc.attempts + 1)
    _settle(store, disc_id, worker, discs.PENDING, message=message, not_before=not_before, **values)


def _canceled(store: Store, disc_id: int, watch: Watch, worker: str) -> None:
    files.remove_tree(store.folder.disc(disc_id))
    if not watch.is_canceled():  # this worker stops: another one will build it
        _settle(store, disc_id, worker, discs.PENDING, info="QUEUED")
        return
    with store.database.write("disc") as connection:
        end_canceled(connection, discs.get(connection, disc_id), str(process_actor(worker)))  # type: ignore[arg-type]
