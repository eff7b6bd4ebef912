"""The instances of a disc, once they are all here: nothing still coming, archives asked again, nothing missing."""

from __future__ import annotations

from appliance.media.obstacles import HeldError, LaterError
from appliance.media.selection import Gathered, Selection, gather
from appliance.store import discs, retrievals
from appliance.store.store import Store
from appliance.studies.completeness import ask_again
from appliance.words import say

IDENTITY = "identity:"
"""Decision ``identity:Study-Instance-UID``: what the archive says now is the same patient and study."""


def complete_instances(store: Store, disc: discs.Disc) -> tuple[Gathered, list[str]]:
    """What goes on a disc, and what could not be asked, in words. Raises LaterError, HeldError, NotFoundError."""
    selection = Selection.from_json(disc.selection)
    with store.database.read() as connection:
        coming = retrievals.studies_underway(connection)
    gathered = gather(store, selection)
    if coming & set(gathered.studies):
        raise LaterError(say("Its study is still being retrieved."))
    unasked = _asked_again(store, gathered, disc)
    gathered = gather(store, selection)  # asking again may have shown that something is missing
    if gathered.incomplete and not disc.incomplete_reason:
        lines = "; ".join(gathered.incomplete)
        raise HeldError(
            "study-incomplete", say("%(lines)s. Retrieve the rest, or give a reason to make it so.", lines=lines)
        )
    return gathered, unasked


def news_of(store: Store, selection: Selection) -> list[str]:
    """What archives say otherwise now of studies that came from them, or why they can't be asked. For a plan.

    What is missing stands with the studies afterwards. Takes seconds at most. Raises UsageError, NotFoundError.
    """
    news = [ask_again(store, uid) for uid in gather(store, selection).studies]
    return [text for each in news for text in (*each.differs, each.unasked) if text]


def _asked_again(store: Store, gathered: Gathered, disc: discs.Disc) -> list[str]:
    """What archives could not be asked; raises HeldError when one says something else of a study now."""
    news = {uid: ask_again(store, uid) for uid in gathered.studies}
    differing = {uid: each.differs for uid, each in news.items() if each.differs}
    undecided = [uid for uid in differing if f"{IDENTITY}{uid}" not in disc.decisions]
    if undecided:
        said = "; ".join(text for uid in undecided for text in differing[uid])
        how = ", ".join(f"{IDENTITY}{uid}" for uid in undecided)
        raise HeldError(
            "decision-needed", say("%(said)s. If what is here is right, decide %(how)s.", said=said, how=how)
        )
    return [each.unasked for each in news.values() if each.unasked]
