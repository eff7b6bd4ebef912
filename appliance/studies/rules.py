"""A peer's rule: every study it sends becomes a disc once nothing more has come for a while."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from appliance.errors import UsageError
from appliance.security.peer_verbs import all_peers
from appliance.security.peers import Peer
from appliance.store import studies
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

DEFAULT_SECONDS = 120
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What becomes of a peer's studies; the keys of Peer.rule."""

    profile: str = ""  # application profile; "" the usual one
    copy_type: str = ""
    burner: str = ""
    copies: int = 1
    seconds: float = DEFAULT_SECONDS  # without a new instance


class Due(NamedTuple):
    """A study whose disc is due."""

    study_instance_uid: str
    peer: str
    rule: Rule
    updated: dt.datetime  # the last instance came


def rule_of(peer: Peer) -> Rule | None:
    """A peer's rule; None: it has none. Raises UsageError when it makes no sense."""
    if not peer.rule:
        return None
    unknown = sorted(set(peer.rule) - set(RULE_KEYS))
    if unknown:
        raise UsageError(
            say("A rule has %(known)s, not %(unknown)s.", known=", ".join(RULE_KEYS), unknown=unknown[0]), field="rule"
        )
    try:
        values = {name: kind(peer.rule[name]) for name, kind in _KINDS.items() if name in peer.rule}  # type: ignore[operator]
        rule = Rule(**values)
    except (TypeError, ValueError):
        raise UsageError(
            say("The rule of peer %(peer)s can't be read: %(rule)s.", peer=peer.name, rule=peer.rule), field="rule"
        ) from None
    if rule.seconds < 1 or rule.copies < 1:
        raise UsageError(
            say("The rule of peer %(peer)s needs at least 1 second and 1 copy.", peer=peer.name), field="rule"
        )
    return rule


def _readable_rule(peer: Peer) -> Rule | None:
    """A peer's rule; one that can't be read holds up no other."""
    try:
        return rule_of(peer)
    except UsageError as error:
        log.error("%s", error)
        return None


_KINDS = {"profile": str, "copy_type": str, "burner": str, "copies": int, "seconds": float}
RULE_KEYS = tuple(_KINDS)
"""What a rule may say."""


def due_studies(store: Store, at: dt.datetime | None = None) -> list[Due]:
    """Studies that have been quiet for as long as their peer's rule says; each once, however many instances follow."""
    moment = at or now()
    found: list[Due] = []
    for peer in all_peers(store):
        rule = _readable_rule(peer)
        if rule is None:
            continue
        with store.database.read() as connection:
            rows = studies.quiet_since(connection, peer.name, moment - dt.timedelta(seconds=rule.seconds))
        found += [Due(row.study_instance_uid, peer.name, rule, row.updated) for row in rows]
    return found


def mark_ruled(connection: Connection, study_instance_uid: str) -> None:
    """Its disc is on order: not due again. An instance that comes later makes that disc incomplete."""
    studies.change(connection, study_instance_uid, ruled=now(), awaits_rule=False)


def awaited(store: Store) -> set[str]:
    """Studies that some peer's rule will make a disc of: nothing of them is purged before."""
    ruled = [peer.name for peer in all_peers(store) if peer.rule]
    with store.database.read() as connection:
        return studies.awaiting_rule(connection, ruled)
