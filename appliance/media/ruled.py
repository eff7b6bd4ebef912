"""Discs that peers' rules ask for: every study such a peer sends becomes one."""

from __future__ import annotations

import datetime as dt
import logging
import time
from functools import partial

from appliance.errors import ApplianceError
from appliance.events import process_actor
from appliance.media.burners import DEFAULT_BURNER, get_burner
from appliance.media.copy_types import DEFAULT, get_copy_type
from appliance.media.discs import create_disc
from appliance.media.ordering import DiscOrder, settled
from appliance.media.profiles import medium, profile, usual_medium
from appliance.media.selection import Selection
from appliance.security.peer_verbs import all_peers
from appliance.security.peers import Peer
from appliance.store.backup import restored_from, restored_words
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.studies.rules import Due, Rule, due_studies, mark_ruled, rule_of
from appliance.words import say

AGAIN_SECONDS = 60.0
ANY_STUDY = "1"
WHOLE_SECONDS = dt.timedelta(seconds=1)
"""What a backup's moment is told in."""

log = logging.getLogger(__name__)


def check_rule(store: Store, peer: Peer) -> None:
    """Raise UsageError or NotFoundError for what would make no disc: no such burner, profile, copy type."""
    if peer.burner:
        get_burner(store, peer.burner)
    rule = rule_of(peer)
    if rule is not None:
        settled(store, order_of(store, rule, ANY_STUDY))


def order_of(store: Store, rule: Rule, study_instance_uid: str) -> DiscOrder:
    """The disc a rule asks for. A profile brings the medium it is for. Raises UsageError, NotFoundError."""
    copy_type = rule.copy_type or DEFAULT
    wanted = profile(rule.profile) if rule.profile else None
    its_own = medium(get_copy_type(store, copy_type).medium).kind
    return DiscOrder(
        selection=Selection(studies=(study_instance_uid,)),
        copy_type=copy_type,
        medium=usual_medium(wanted) if wanted is not None and its_own not in wanted.kinds else "",
        profile=rule.profile,
        burner=rule.burner or DEFAULT_BURNER,
        copies=rule.copies,
    )


def follow_rules(store: Store, failed: dict[str, float]) -> int:
    """Order the discs of studies whose peer's rule says so; how many. `failed`: study -> moment to try it again."""
    count = 0
    for due in due_studies(store):
        uid = due.study_instance_uid
        if time.monotonic() < failed.get(uid, 0.0):
            continue
        try:
            order = order_of(store, due.rule, uid)
            # one transaction: a crash in between would make a second disc
            followed = partial(mark_ruled, study_instance_uid=uid)
            actor = process_actor(f"rule of {due.peer}")
            create_disc(store, order, actor, beside=followed, restored=_doubt(store, due))
        except ApplianceError as error:
            failed[uid] = time.monotonic() + AGAIN_SECONDS
            log.error("the rule of peer %s makes no disc: %s", due.peer, error)
            continue
        failed.pop(uid, None)
        count += 1
    return count


def rules_at_fault(store: Store, patience: dt.timedelta) -> dict[str, str]:
    """Peer -> why its rule makes no discs: what it names is gone, or studies have been due for longer than that."""
    found: dict[str, str] = {}
    for peer in all_peers(store):
        try:
            if peer.rule:
                check_rule(store, peer)
        except ApplianceError as error:
            found[peer.name] = _at_fault(peer.name, error)
    for due in due_studies(store, now() - patience):
        found.setdefault(due.peer, _at_fault(due.peer, say("the service's log says why")))
    return found


def _at_fault(peer: str, why: object) -> str:
    return say("The rule of peer %(peer)s makes no discs: %(why)s", peer=peer, why=why)


def _doubt(store: Store, due: Due) -> str:
    """Why to hold a disc whose study came with a backup: the machine it was made on may have burned it since."""
    with store.database.read() as connection:
        made = restored_from(connection)
    if made is None or due.updated >= made + WHOLE_SECONDS:
        return ""
    return restored_words(made)
