"""What a crash left: claims of dead workers, half images, folders without a row."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from appliance.events import process_actor
from appliance.media.discs import end_canceled
from appliance.store import discs, files, job_events
from appliance.store.locks import works_on
from appliance.store.store import Store
from appliance.words import say

DIED = "builder-died"
MOST_DEATHS = 3
"""A disc whose worker died so often while it made the images waits for a person: it may be too much for this box."""

log = logging.getLogger(__name__)


def take_over_claims(store: Store, worker: str, mine: set[int], building: int | None = None) -> list[int]:
    """Free or take over claims whose lock nobody holds; the discs whose burner `worker` must now ask.

    Building starts over: all of it can be done again. Burning goes on where the burner says it is. `mine` are the
    discs `worker` burns, `building` the one it builds: its claim on any other one is a thread's that could not begin,
    or could not write down how it ended.
    """
    with store.database.read() as connection:
        claimed = discs.claimed(connection, store.node, worker)
    names = {name for disc in claimed for name in (disc.building_by, disc.burning_by) if name}
    gone = set(store.locks.dead(names))
    to_ask = []
    for disc in claimed:
        if disc.building_by in gone or (disc.building_by == worker and disc.disc_id != building):
            _free_building(store, disc, worker)
        if disc.burning_by in gone and _take_over_burning(store, disc, worker):
            to_ask.append(disc.disc_id)
        if disc.burning_by == worker and disc.disc_id not in mine:  # claimed by us, and its thread never ran
            to_ask.append(disc.disc_id)
    return to_ask


def _free_building(store: Store, disc: discs.Disc, worker: str) -> None:
    died = disc.building_by != worker and not works_on(store.locks, disc.building_by)
    with store.database.write("disc") as connection:
        if not discs.take_over_build(connection, disc.disc_id, disc.building_by, worker):
            return  # another one was first, and may be building it
    files.remove_tree(store.folder.disc(disc.disc_id))
    actor = str(process_actor(worker))
    with store.database.write("disc") as connection:
        if disc.cancel:
            end_canceled(connection, disc, actor)
        else:
            _build_again(connection, disc, actor, died=died)
    log.warning(
        "worker %s ended building without a word; the disc is built anew",
        disc.building_by,
        extra={"disc": disc.disc_id},
    )


def _build_again(connection: Connection, disc: discs.Disc, actor: str, *, died: bool) -> None:
    """It waits to be built anew, or for a person when that has killed too many workers."""
    deaths = died + sum(DIED in event.reasons for event in job_events.of(connection, "disc", disc.disc_id))
    values: dict[str, Any] = {"info": "QUEUED"}
    if died and deaths % MOST_DEATHS == 0:
        text = say(
            "The worker died %(number)s times while it made this disc, perhaps for want of memory. Look at the log, "
            "then release the disc, or order it as several.",
            number=deaths,
        )
        values = {"info": "CHECK_MCD_OP", "message": text, "held": True}
    seen, why = (discs.CREATING,), [DIED] if died else []
    discs.settle(connection, disc.disc_id, seen, discs.PENDING, actor=actor, reasons=why, building_by=None, **values)


def _take_over_burning(store: Store, disc: discs.Disc, worker: str) -> bool:
    with store.database.write("disc") as connection:
        taken = discs.take_over_burn(connection, disc.disc_id, disc.burning_by, worker)
    if taken:
        log.warning("worker %s died burning; its burner is asked", disc.burning_by, extra={"disc": disc.disc_id})
    return taken


def sweep(store: Store) -> None:
    """Remove what no row knows: folders of orders that were never acknowledged, half files of purged ones."""
    numbered = _folders(store)
    with store.database.read() as connection:
        known = discs.known(connection, list(numbered))
    for number in sorted(set(numbered) - known):
        files.remove_tree(numbered[number])


def remove_purged(store: Store) -> None:
    """Remove what a crash left of discs whose files are to be gone, or a cancel that came when a worker let go."""
    numbered = _folders(store)
    with store.database.read() as connection:
        over = discs.purged(connection, list(numbered))
    for number in sorted(over):
        files.remove_tree(numbered[number])


def _folders(store: Store) -> dict[int, Path]:
    return {int(path.name): path for path in store.folder.discs.iterdir() if path.name.isdigit()}
