"""Upkeep goes round in one thread of one process: forward the audit, tell people, purge the audit."""

from __future__ import annotations

import logging
import threading
from functools import partial

from appliance.errors import ResourceError
from appliance.jobs.keeping import Chore, Rounds
from appliance.store.store import Store
from appliance.upkeep import absences, node_checks, purging
from appliance.upkeep.forwarding import Forwarder
from appliance.upkeep.notices import Notifier, of_this_machine

ROUND_SECONDS = 2.0
NOTICE_SECONDS = 15.0
PURGE_SECONDS = 3600.0
SEEN_SECONDS = 30.0

log = logging.getLogger(__name__)


class Keeper:
    """Does what is due: the machine's own everywhere, the rest in whichever process holds the lock."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.own = Chore(seconds=SEEN_SECONDS, do=partial(_look_at_itself, store))
        self.chores = (
            Chore(seconds=0.0, do=Forwarder(store).forward),
            Chore(seconds=NOTICE_SECONDS, do=Notifier(store).tell),
            Chore(seconds=PURGE_SECONDS, do=lambda: purging.purge_audit(store)),
            Chore(seconds=PURGE_SECONDS, do=lambda: node_checks.forget_machines(store)),
        )
        self._only = store.locks.only_one("upkeep")

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. What breaks is logged and tried again."""
        rounds = Rounds("upkeep", log)
        while not stop.wait(ROUND_SECONDS):
            with rounds.one():
                self.round()
        self._only.close()

    def round(self) -> None:
        try:
            self.store.database.before_working()
        except ResourceError:
            self._only.close()  # another machine, whose share is there, can do it
            raise
        _alone(self.own)
        if self._only.take():
            for chore in self.chores:
                _alone(chore)


def _look_at_itself(store: Store) -> None:
    absences.note(store)
    node_checks.be_seen(store, of_this_machine(store))


def _alone(chore: Chore) -> None:
    """One that breaks keeps no other from being done: people are told although the collector's name is mistyped."""
    try:
        chore.when_due()
    except ResourceError as error:
        log.warning("a chore of upkeep waits: %s", error)
    except Exception:
        log.exception("a chore of upkeep failed; it is tried again")
