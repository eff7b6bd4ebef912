"""From an order to checked images: retrieve, plan, build, check. All of it can be done again from the index."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from appliance.errors import ApplianceError, DamagedError, NotFoundError, ResourceError
from appliance.media import extras, ordering
from appliance.media.anonymous import anonymous_sources
from appliance.media.archive import encrypt
from appliance.media.asking import complete_instances
from appliance.media.build import Built, build_volume
from appliance.media.burner.paths import sums_of
from appliance.media.copy_types import CopyType
from appliance.media.discs import get_disc
from appliance.media.obstacles import (
    REFUSALS,
    HeldError,
    LaterError,
    RefusedPlanError,
    UndecodableError,
    can_be_left_out,
    refusals_of,
)
from appliance.media.plan import Note, Plan, Volume
from appliance.media.planned import telling_of_icons
from appliance.media.progress import CanceledError, Watch, Work
from appliance.media.same_image import same_images
from appliance.media.selection import Gathered
from appliance.media.settling import (
    icons_note,
    note_of,
    serial_of,
    settle,
    settle_built,
    settle_canceled,
    settle_failed,
    settle_later,
    summary_of,
)
from appliance.media.signing import signer_of
from appliance.media.video import Mp4, as_mp4
from appliance.pixels import Decoder, PixelError, limits_of
from appliance.store import discs, files
from appliance.store.files import failpoint
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

LATER = dt.timedelta(seconds=2)
"""Until a disc whose study is being retrieved is looked at again."""

COMPARE_SECONDS = 300.0
"""Until images that are there in two compressions are left to a person."""
DATES = {
    "remove": say("Dates and times are removed."),
    "shift": say("Dates are moved by the same number of days everywhere; times and intervals are kept."),
    "keep": say("Dates and times are kept."),
}
"""What became of dates in anonymous copies."""

log = logging.getLogger(__name__)


def build_disc(store: Store, disc_id: int, worker: str, stopped: Callable[[], bool] = lambda: False) -> None:
    """Make the images of a claimed disc and settle the claim."""
    watch = Watch(store, disc_id, stopped)
    try:
        _build(store, get_disc(store, disc_id), watch, worker)
    except CanceledError:
        settle_canceled(store, disc_id, worker)
    except HeldError as held:
        values = {"info": "CHECK_MCD_OP", "reasons": [held.reason], "held": True, "plan": summary_of(held.plan)}
        settle(store, disc_id, worker, discs.PENDING, message=str(held), **values)
    except RefusedPlanError as refused:
        settle_failed(store, disc_id, worker, refused.info, str(refused), refused.plan)
    except NotFoundError as error:
        settle_failed(store, disc_id, worker, "NO_INSTANCE", str(error))
    except DamagedError as error:
        settle_failed(store, disc_id, worker, "PROC_FAILURE", str(error))
    except LaterError as later:
        wait = now() + LATER
        values = {"info": "QUEUED", "reasons": ["retrieving"], "not_before": wait}
        settle(store, disc_id, worker, discs.PENDING, message=str(later), **values)
    except FileNotFoundError as error:
        settle_failed(store, disc_id, worker, "PROC_FAILURE", _gone(error))
    except OSError as error:
        settle_later(store, disc_id, worker, say("The disk says: %(why)s.", why=error.strerror or error))
    except ResourceError as error:
        settle_later(store, disc_id, worker, str(error))
    except ApplianceError as error:
        settle_failed(store, disc_id, worker, "PROC_FAILURE", str(error))
    except Exception as error:
        log.exception("building broke", extra={"disc": disc_id})
        settle_failed(
            store,
            disc_id,
            worker,
            "PROC_FAILURE",
            say("Building broke: %(name)s; see the log.", name=type(error).__name__),
        )
    finally:
        watch.ended()


def _gone(error: FileNotFoundError) -> str:
    """No waiting brings a file back."""
    name = Path(str(error.filename or "?")).name
    return say("The file %(name)s is gone from the disk: fetch or import the study again, then remake it.", name=name)


def _build(store: Store, disc: discs.Disc, watch: Watch, worker: str) -> None:
    """All of it, once more when images turned out not to be decompressible: they are planned as refused then."""
    undecodable: dict[str, str] = {}
    while True:
        try:
            return _build_all(store, disc, watch, worker, undecodable)
        except UndecodableError as error:
            undecodable |= error.instances


def _build_all(store: Store, disc: discs.Disc, watch: Watch, worker: str, undecodable: dict[str, str]) -> None:
    folder = store.folder.disc(disc.disc_id)
    files.remove_tree(folder)  # what an earlier attempt left
    watch.phase("retrieve")
    gathered, said = complete_instances(store, disc)
    watch.phase("plan")
    failpoint("plan.start")
    choices = CopyType.model_validate(disc.choices)
    plan, hidden = _plan(store, disc, gathered, choices, folder, watch, undecodable)
    failpoint("plan.done")
    if disc.incomplete_reason and _lacks_nothing(gathered, plan):
        disc = _without_reason(store, disc)
        said += [say("Everything had come when it was made: the reason given for missing images is not on it.")]
    made = [_make(store, disc, plan, volume, choices, watch) for volume in plan.volumes]
    failpoint("build.done")
    said += [DATES[choices.dates]] if choices.anonymous else []
    lost = {uid for built, _ in made for uid in built.lost_icons}
    plan = telling_of_icons(plan, lost)
    note = note_of(plan.left_out + hidden, plan.mp4, [*said, *(text for _, text in made), icons_note(len(lost))])
    settle_built(
        store, disc, worker, {**(summary_of(plan, hidden) or {}), "note": note}, gathered, [built for built, _ in made]
    )
    failpoint("build.committed")


def _lacks_nothing(gathered: Gathered, plan: Plan) -> bool:
    """Whether every instance of its studies is on the disc, as far as anybody counted them."""
    placed = sum(len(volume.all) for volume in plan.volumes)
    return gathered.counted_whole and placed == sum(gathered.studies.values())


def _without_reason(store: Store, disc: discs.Disc) -> discs.Disc:
    """A disc must not say that images are missing when none are: the reason was given before the last had come."""
    with store.database.write("disc") as connection:
        discs.change(connection, disc.disc_id, incomplete_reason="")
    return get_disc(store, disc.disc_id)


def _plan(
    store: Store,
    disc: discs.Disc,
    gathered: Gathered,
    choices: CopyType,
    folder: Path,
    watch: Watch,
    undecodable: dict[str, str],
) -> tuple[Plan, tuple[Note, ...]]:
    """The plan, and what is left out of an anonymous disc, whose UIDs may not stand on it.

    Whose the instances are is asked of them as they came: in anonymous copies nobody could see it any more.
    """
    decisions = ordering.known_decisions(store, tuple(disc.decisions))
    leave_out = tuple((uid, reason) for uid, reason in disc.leave_out)
    made = partial(
        ordering.plan_of,
        gathered,
        file_set_id=disc.file_set_id,
        file_set_uid=(disc.request or {}).get("file_set_uid", ""),
        decisions=decisions,
        leave_out=leave_out,
        undecodable=undecodable,
    )
    plan = made(choices)
    limits = limits_of(store.settings.limits)
    if same := same_images(plan, gathered.sources, limits, COMPARE_SECONDS):
        plan = made(choices, same_image=same)
    if plan.conflicts:
        raise HeldError("decision-needed", "; ".join(conflict.message for conflict in plan.conflicts), plan)
    hidden: tuple[Note, ...] = ()
    if choices.anonymous:
        here = replace(gathered, left_out=gathered.left_out + leave_out)
        filed = {placed.source.keys.SOPInstanceUID: placed for volume in plan.volumes for placed in volume.all}
        copies = folder / "anonymous"
        sources, left_out = anonymous_sources(here, filed, disc.key, choices, decisions, copies, watch, limits)
        hidden = tuple(Note(SOPInstanceUID=uid, reason=reason) for uid, reason in left_out)
        plan = made(choices.model_copy(update={"several_patients": True}), sources=sources)
    if plan.refused and can_be_left_out(plan) and disc.request_uid is None:
        raise HeldError("decision-needed", refusals_of(plan), plan)
    if plan.refused:
        raise RefusedPlanError(REFUSALS[plan.refused[0].obstacle][0], refusals_of(plan), plan)
    if not plan.volumes:
        raise RefusedPlanError("NO_INSTANCE", say("Nothing is left to be put on a disc."), plan)
    wanted = sum(volume.size for volume in plan.volumes)
    if not store.has_room(wanted):
        raise ResourceError(
            say("The disk is short: the images take %(wanted)s bytes. Make room.", wanted=f"{wanted:,}")
        )
    return plan, hidden


def work_of(plan: Plan, volume: Volume, choices: CopyType, watch: Watch) -> Work:
    """What there is to be done for one volume, in bytes."""
    sizes = sum(Path(placed.source.path).stat().st_size for placed in volume.placed)
    decompress = sum(placed.size for placed in volume.placed if placed.decompress)
    return Work(
        watch,
        content=sizes * (choices.web_content + choices.viewer),
        decompress=decompress,
        icons=sizes * choices.icons,
        image=volume.size,
    )


def _videos(volume: Volume, work: Path, choices: CopyType, watch: Watch) -> dict[str, Mp4]:
    """The MP4 files of a volume by SOP Instance UID. Raises UndecodableError with all that can't be made."""
    made, spoiled = {}, {}
    if volume.videos:
        files.make_folder(work)
    for placed in volume.videos:
        uid = placed.source.keys.SOPInstanceUID
        try:
            # a voice names people
            sound = not choices.anonymous
            made[uid] = as_mp4(placed.source, placed.file_id, work, sound=sound, check=watch.check)
        except (DamagedError, PixelError) as error:
            spoiled[uid] = str(error)
    if spoiled:
        raise UndecodableError(spoiled)
    return made


def _make(
    store: Store, disc: discs.Disc, plan: Plan, volume: Volume, choices: CopyType, watch: Watch
) -> tuple[Built, str]:
    """One volume with all that is on it, checked; and what was left out for want of room."""
    folder = store.folder.disc(disc.disc_id)
    settings = store.settings.discs
    limits = limits_of(store.settings.limits)
    work = work_of(plan, volume, choices, watch)
    watch.phase("build", work.total)
    failpoint("build.start")
    scratch = folder / f"content-{volume.number}"
    videos = _videos(volume, folder / f"video-{volume.number}", choices, watch)
    found = extras.description_of(
        plan,
        volume,
        choices,
        settings,
        made=now().astimezone().date(),  # the day people here have
        serial=serial_of(disc.disc_id, volume.number),
        incomplete=disc.incomplete_reason,
        label_text=disc.label_text,
        label_folder=store.folder.layouts,
        videos=videos,
    )
    with Decoder(limits=limits) as decoder:
        watched = work.watched(decoder)
        content, left_out = extras.content_of(plan, volume, found, choices, watched, scratch, settings.site_files)
    failpoint("build.content")

    def step(done: int, total: int) -> None:
        if done >= total:
            watch.phase("check", total)
            failpoint("build.check")
        else:
            work.written(done, total)

    signer = signer_of(store) if choices.signed else None
    built = build_volume(
        plan,
        volume,
        folder,
        content,
        step,
        signer=signer,
        decompressing=work.decompressed,
        drawing=work.drawn,
        checking=watch.step,
        limits=limits,
    )
    files.remove_tree(scratch)
    files.remove_tree(folder / f"video-{volume.number}")
    if choices.encrypted:
        built = encrypt(built, disc.password, watch)
    facts = json.dumps(extras.label_facts(found), ensure_ascii=False).encode()
    files.write_file(folder / f"volume-{volume.number}.json", facts)
    if not built.sha256:
        sha256, size = sums_of(built.path)
        built = replace(built, sha256=sha256, bytes=size)
    return built, left_out
