"""What has to be done now and then, by one worker at a time: purge, follow rules, flag late images, ask burners."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time

from appliance.errors import ApplianceError
from appliance.events import process_actor
from appliance.media import recovery
from appliance.media.burners import StoredBurner, add_first_burner, all_burners, open_stored
from appliance.media.ruled import follow_rules
from appliance.security.audit import record
from appliance.store import burners, discs, files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

PURGE_SECONDS = 60.0
RULE_SECONDS = 2.0
STATUS_SECONDS = 20.0
KEEPER = process_actor("housekeeping")

log = logging.getLogger(__name__)


class Keeper:
    """Does the housekeeping in whichever process holds the lock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._only = store.locks.only_one("disc-keeping")
        self._purged = self._asked = self._ruled = 0.0
        self._asking: threading.Thread | None = None
        self._failed_rules: dict[str, float] = {}

    def keep(self) -> None:
        """Do what is due; nothing when another process keeps house."""
        if not self._is_ours():
            return
        moment = time.monotonic()
        if not self._purged or moment - self._purged > PURGE_SECONDS:
            self._purged = moment
            purge(self.store)
        if moment - self._ruled > RULE_SECONDS:
            self._ruled = moment
            follow_rules(self.store, self._failed_rules)
            flag_late(self.store)
        if not self._asked or moment - self._asked > STATUS_SECONDS:
            self._asked = moment
            self._ask_burners()

    def _is_ours(self) -> bool:
        new = not self._only.held
        if not self._only.take():
            return False
        if new:
            add_first_burner(self.store)
            recovery.sweep(self.store)
        return True

    def _ask_burners(self) -> None:
        """In a thread: a burner that doesn't answer holds up nothing."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, name="burners", daemon=True)
            self._asking.start()

    def _ask(self) -> None:
        try:
            ask_burners(self.store)
        except Exception as error:  # the database may be away for a moment: they are asked again
            log.warning("burners can't be asked now: %s", type(error).__name__)

    def close(self) -> None:
        self._only.close()


def ask_burners(store: Store) -> None:
    """Read back state, reasons and supplies of every burner."""
    for burner in all_burners(store):
        if burner.settings.node not in ("", store.node):
            continue  # only the machine it is at could ask it
        try:
            status = open_stored(store, burner).supplies()
        except ApplianceError as error:
            log.warning("can't be asked: %s", error, extra={"burner": burner.name})
            continue
        supplies = [[supply.name, supply.level, supply.unit] for supply in status.supplies]
        _report(store, burner, list(status.burner_state_reasons), status.message, supplies)


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
    moment = at or now()
    before = moment - dt.timedelta(days=store.settings.storage.discs_days)
    with store.database.read() as connection:
        due = discs.purgeable(connection, before)
    count = sum(_purge(store, disc) for disc in due)
    while not store.has_room():
        with store.database.read() as connection:
            oldest = discs.purgeable(connection, moment, limit=1)
        if not oldest:
            break
        count += _purge(store, oldest[0])
    return count


def _purge(store: Store, disc: discs.Disc) -> int:
    files.remove_tree(store.folder.disc(disc.disc_id))
    with store.database.write("disc") as connection:
        discs.change(connection, disc.disc_id, purged=True, password="")
        record(connection, "disc-images-purged", KEEPER, object_kind="disc", object_id=str(disc.disc_id))
    return 1


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
