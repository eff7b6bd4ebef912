"""The instances of a disc, once they are all here: nothing still coming, archives asked again, nothing missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor, wait

from appliance.media.obstacles import HeldError, LaterError
from appliance.media.ordering import IDENTITY, DiscOrder
from appliance.media.selection import Gathered, Selection, gather
from appliance.store import discs, retrievals
from appliance.store.store import Store
from appliance.studies.completeness import News, ask_again
from appliance.words import say

PLAN_SECONDS = 60.0
"""How long a plan waits for archives, in all."""

_ASKERS = ThreadPoolExecutor(4, thread_name_prefix="asking")  # archives that don't answer never hold more than these


def complete_instances(store: Store, disc: discs.Disc) -> tuple[Gathered, list[str]]:
    """What goes on a disc, and what could not be asked, in words. Raises LaterError, HeldError, NotFoundError."""
    selection = Selection.from_json(disc.selection)
    with store.database.read() as connection:
        coming = retrievals.studies_underway(connection)
    gathered = gather(store, selection)
    if coming & set(gathered.studies):
        raise LaterError(say("Its study is still being retrieved."))
    news = {uid: ask_again(store, uid) for uid in gathered.studies}
    differing = _differing(news, disc.decisions)
    if differing:
        raise HeldError("decision-needed", differing)
    gathered = gather(store, selection)  # asking again may have shown that something is missing
    if gathered.incomplete and not disc.incomplete_reason:
        raise HeldError("study-incomplete", _incomplete(gathered))
    return gathered, [each.unasked for each in news.values() if each.unasked]


def news_by_study(store: Store, selection: Selection, seconds: float = PLAN_SECONDS) -> dict[str, News]:
    """Study -> what its archive says otherwise now, or why it can't be asked. For a plan; takes `seconds` at most.

    What is missing stands with the studies afterwards. Raises UsageError, NotFoundError.
    """
    asked = {uid: _ASKERS.submit(ask_again, store, uid) for uid in gather(store, selection).studies}
    done = wait(asked.values(), timeout=seconds).done
    for future in asked.values():
        future.cancel()  # what has begun goes on: what is missing will stand with its study
    return {uid: future.result() if future in done else _too_slow(uid, seconds) for uid, future in asked.items()}


def _too_slow(uid: str, seconds: float) -> News:
    return News(
        unasked=say(
            "The archive of study %(uid)s could not be asked: no answer in %(seconds)s seconds",
            uid=uid,
            seconds=round(seconds),
        )
    )


def news_of(news: Mapping[str, News]) -> list[str]:
    """What archives say otherwise, and why others could not be asked, in words."""
    return [text for each in news.values() for text in (*each.differs, each.unasked) if text]


def held_for(order: DiscOrder, gathered: Gathered, news: Mapping[str, News]) -> list[str]:
    """Why a disc ordered so would wait for a person, and what that one may say; [] when it would not."""
    incomplete = _incomplete(gathered) if gathered.incomplete and not order.incomplete_reason else ""
    return [text for text in (_differing(news, order.decisions), incomplete) if text]


def _incomplete(gathered: Gathered) -> str:
    lines = "; ".join(gathered.incomplete)
    return say("%(lines)s. Retrieve the rest, or give a reason to make it so.", lines=lines)


def _differing(news: Mapping[str, News], decisions: Collection[str]) -> str:
    """What archives say of studies that nobody decided yet, "" for nothing."""
    undecided = [uid for uid, each in news.items() if each.differs and f"{IDENTITY}{uid}" not in decisions]
    if not undecided:
        return ""
    said = "; ".join(text for uid in undecided for text in news[uid].differs)
    how = ", ".join(f"{IDENTITY}{uid}" for uid in undecided)
    return say("%(said)s. If what is here is right, decide %(how)s.", said=said, how=how)
