"""What has to be done now and then, by one worker at a time: purge, follow rules, flag late images, ask burners."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence

from appliance.errors import ApplianceError
from appliance.events import process_actor
from appliance.jobs.keeping import Aside, Chore, Keeper
from appliance.media import recovery
from appliance.media.burn_request import robot_job_name
from appliance.media.burner import agent
from appliance.media.burner.job_folder import JobFolderBurner
from appliance.media.burner.outcome import Burner
from appliance.media.burners import StoredBurner, add_first_burner, all_burners, open_stored
from appliance.media.ruled import follow_rules
from appliance.security.audit import record
from appliance.store import ages, burners, discs, files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

PURGE_SECONDS = 60.0
RULE_SECONDS = 2.0
STATUS_SECONDS = 20.0
KEEPER = process_actor("housekeeping")

log = logging.getLogger(__name__)


def keepers(store: Store) -> list[Keeper]:
    """What is done now and then for discs: once for all machines, and on each for the burners bound to it."""
    failed_rules: dict[str, float] = {}
    chores = [
        Chore(seconds=PURGE_SECONDS, do=lambda: purge(store)),
        Chore(seconds=PURGE_SECONDS, do=lambda: forget_agent_jobs(store)),
        Chore(seconds=RULE_SECONDS, do=lambda: follow_rules(store, failed_rules)),
        Chore(seconds=RULE_SECONDS, do=lambda: flag_late(store)),
        *_for_burners(store, ""),
    ]
    own = [Keeper(store, f"disc-keeping-{store.node}", _for_burners(store, store.node))] if store.node else []
    return [Keeper(store, "disc-keeping", chores, begin=lambda: _begin(store)), *own]


def _for_burners(store: Store, node: str) -> list[Chore]:
    return [
        Chore(seconds=PURGE_SECONDS, do=Aside("job folders", lambda: forget_robot_jobs(store, node))),
        Chore(seconds=STATUS_SECONDS, do=Aside("burners", lambda: ask_burners(store, node))),
    ]


def _begin(store: Store) -> None:
    add_first_burner(store)
    recovery.sweep(store)


def ask_burners(store: Store, node: str = "") -> None:
    """Read back state, reasons and supplies of every burner that is bound to `node`."""
    for burner, device in _bound_to(store, node):
        status = device.supplies()
        supplies = [[supply.name, supply.level, supply.unit] for supply in status.supplies]
        _report(store, burner, list(status.burner_state_reasons), status.message, supplies)


def _bound_to(store: Store, node: str) -> Iterator[tuple[StoredBurner, Burner]]:
    """Every burner bound to this machine, or to none; all of them where there is but one machine."""
    for burner in all_burners(store):
        if store.node and burner.settings.node != node:
            continue
        try:
            yield burner, open_stored(store, burner)
        except ApplianceError as error:
            log.warning("can't be asked: %s", error, extra={"burner": burner.name})


def _report(store: Store, burner: StoredBurner, reasons: list[str], message: str, supplies: list[list[object]]) -> None:
    """Keep what changed. Whether we burn is ours to say (paused): a burner's own stop shows as a reason."""
    said = (tuple(reasons), message, tuple((str(name), level, str(unit)) for name, level, unit in supplies))
    if said == (burner.burner_state_reasons, burner.burner_state_message, burner.supplies):
        return
    values = {"burner_state_reasons": reasons, "burner_state_message": message, "supplies": supplies}
    with store.database.write("burner") as connection:
        burners.report_state(connection, burner.name, **values)


def purge(store: Store, at: dt.datetime | None = None) -> int:
    """Remove the images of ended discs past their days, and the oldest when the disk is short; how many discs."""
    recovery.remove_purged(store)
    before = (at or ages.moment(store)) - dt.timedelta(days=store.settings.storage.discs_days)
    with store.database.read() as connection:
        due = discs.purgeable(connection, before)
    count = sum(_purge(store, disc) for disc in due)
    while not store.has_room():
        with store.database.read() as connection:
            oldest = discs.purgeable(connection, None, limit=1)
        if not oldest:
            break
        count += _purge(store, oldest[0])
    return count


def _purge(store: Store, disc: discs.Disc) -> int:
    """The row first: it may be wanted again by now. What a crash leaves then is removed in the next round."""
    with store.database.write("disc") as connection:
        if not discs.mark_purged(connection, disc.disc_id):
            return 0
        record(connection, "disc-images-purged", KEEPER, object_kind="disc", object_id=str(disc.disc_id))
    files.remove_tree(store.folder.disc(disc.disc_id))
    return 1


def forget_agent_jobs(store: Store) -> int:
    """Remove jobs laid down for agents whose piece of media has ended, well or not: they name patients; how many."""
    count = 0
    for folder in agent.folders(store.folder.root):
        jobs = agent.serials_of(folder)
        with store.database.read() as connection:
            waited_for = discs.open_pieces(connection, [serial for serials in jobs.values() for serial in serials])
        over = [name for name, serials in jobs.items() if waited_for.isdisjoint(serials)]
        for name in over:
            agent.forget(folder, name)
        count += len(over)
    return count


def forget_robot_jobs(store: Store, node: str = "") -> int:
    """Remove images and labels from folders of robots bound to `node` whose piece of media has ended; how many jobs.

    A job whose doubt a person settled left them there, and they are a patient's.
    """
    count = 0
    for burner, device in _bound_to(store, node):
        if not isinstance(device, JobFolderBurner):
            continue
        try:
            over = _over(store, device.jobs_laid_down())
            for name in over:
                device.forget(name)
        except OSError as error:  # its share is away: the burner's state says so
            log.debug("job folder: %s", error.strerror, extra={"burner": burner.name})
            continue
        count += len(over)
    return count


def _over(store: Store, job_names: Sequence[str]) -> list[str]:
    """Those of these jobs that are ours and have ended."""
    with store.database.read() as connection:
        ended = discs.ended_pieces(connection, [name.rpartition("-")[0] for name in job_names])
    ours = {robot_job_name(row.serial, row.file_set_uid) for row in ended}
    return [name for name in job_names if name in ours]


def flag_late(store: Store) -> int:
    """Flag finished discs whose study has got instances since that are not on them; how many."""
    since = now() - dt.timedelta(days=store.settings.storage.studies_days)
    with store.database.read() as connection:
        late = discs.outgrown(connection, since)
    for disc_id, uid in late:
        text = say("Instances of study %(uid)s came after the disc was made: it is incomplete. Make it again.", uid=uid)
        with store.database.write("disc") as connection:
            disc = discs.get(connection, disc_id)
            if disc is not None and "late" not in disc.reasons:
                discs.change(connection, disc_id, reasons=[*disc.reasons, "late"], message=text)
                record(connection, "disc-outgrown", KEEPER, object_kind="disc", object_id=str(disc_id))
    return len(late)
