"""Several machines on one database: who is there, who drives what, and whether their clocks agree."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from appliance import clock
from appliance.errors import ResourceError
from appliance.media.burners import all_burners
from appliance.printing.printer_verbs import all_printers
from appliance.store import discs, files, postgresql, print_jobs, secrets
from appliance.store.locks import machines_at_work
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep import kept
from appliance.upkeep.finding import Finding, error, fine, warning
from appliance.upkeep.shared_settings import differing, shared_settings
from appliance.words import say

KNOWN = "node:"
"""Before the names under which machines say that they are there."""
GONE_SECONDS = 90
FORGOTTEN = dt.timedelta(days=30)
CLOCK_SECONDS = 2.0
"""Clocks further apart than this put films and audit entries in the wrong order for people."""
PARTS = ("films", "discs", "retrieve", "import")


def be_seen(store: Store, problems: Mapping[str, str]) -> None:
    """Say that this machine is there, what it runs, how its clock differs from the database's, and what ails it."""
    if not store.node:
        return
    with store.database.read() as connection:
        before, theirs, after = clock.machine(), postgresql.facts(connection).moment, clock.machine()
    clock.follow(theirs, before, after)
    ahead = (before + (after - before) / 2 - theirs).total_seconds()
    seen: dict[str, Any] = {"at": now().isoformat(), "ahead": round(ahead, 3), "version": metadata.version("appliance")}
    seen |= {"problems": dict(problems), "data": str(store.folder.root), "settings": shared_settings(store.settings)}
    kept.keep(store, KNOWN + store.node, seen)


def forget_machines(store: Store) -> None:
    """Of a machine that was taken away, or got another name, nothing stays: what it was sent last names patients.

    It was never acknowledged; the machine itself, which empties its spool when it starts, does not come.
    """
    for name in _forgotten(store):
        name_lock = store.locks.only_one(f"node-{name}")
        if not name_lock.take():  # it works, and only its page does not run
            continue
        try:
            files.remove_tree(store.folder.spool_of(name))
            with store.database.write() as connection:
                secrets.remove(connection, KNOWN + name)
        finally:
            name_lock.close()


def somebody_forwards(store: Store) -> bool:
    """Whether this machine sends the audit to a collector, or another one that is known does."""
    theirs = (seen.get("settings", {}).get("syslog.host", "null") for seen in _known(store).values())
    return bool(store.settings.syslog.host) or any(json.loads(host) for host in theirs)


def _forgotten(store: Store) -> list[str]:
    with store.database.read() as connection:
        names = secrets.names(connection, KNOWN)
    seen = {name.removeprefix(KNOWN): kept.recall(store, name) for name in names}
    return [name for name, each in seen.items() if name != store.node and now() - _at(each) >= FORGOTTEN]


def server(store: Store) -> list[Finding]:
    """The database's server, and whether it keeps what it says it has kept; the folder that belongs to it."""
    try:
        store.database.before_working()
    except ResourceError as problem:
        advice = say("Mount it writable, and give the folder to the user the service runs as.")
        return [error("disk", problem.args[0], advice)]
    with store.database.read() as connection:
        facts, writer = postgresql.facts(connection), postgresql.writer(connection)
    if writer and writer.seconds > postgresql.LOCK_SECONDS:
        return [_held_up(writer)]
    if not facts.is_safe:
        text = say("PostgreSQL %(version)s does not write through to its disk.", version=facts.version)
        advice = say("Set fsync = on and full_page_writes = on there: films may be lost with its power.")
        return [error("database", text, advice)]
    return [fine("database", say("PostgreSQL %(version)s answers.", version=facts.version))]


def _held_up(writer: postgresql.Writer) -> Finding:
    """Everybody's writing waits for one: what comes is refused."""
    if writer.waits_for_stand_by:
        text = say("What is written waits for PostgreSQL's stand-by, which does not answer: nothing new is taken.")
        return error(
            "database", text, say("See to the stand-by, or take it out of synchronous_standby_names on the server.")
        )
    text = say(
        "%(name)s has been writing for %(seconds)s s, and all others wait for it: nothing new is taken.",
        name=writer.name,
        seconds=round(writer.seconds),
    )
    return error("database", text, say("Look at the disk of the database's server; else restart that part."))


def machines(store: Store) -> list[Finding]:
    """Each machine that was seen, its parts and its clock; what is bound to one that is not there."""
    if not store.node:
        return []
    parts = _parts(store)
    known = _known(store)
    found = [_machine(name, known.get(name), parts.get(name, Counter())) for name in sorted({*known, *parts})]
    at_work = {name: known[name] for name in sorted(known.keys() & parts.keys())}
    return [*found, *_elsewhere(store, known), *_unlike(store, at_work), *_bound(store, set(parts)), *_drives(store)]


def ailing(store: Store, minutes: int) -> dict[str, str]:
    """What is to be told of each machine: that it was not seen for so long, or what it says of itself; by a key."""
    if not store.node:
        return {}
    there, known = _parts(store), _known(store)
    found: dict[str, str] = {}
    for name, seen in known.items():
        if name not in there and now() - _at(seen) > dt.timedelta(minutes=minutes):
            found[f"machine:{name}"] = _machine(name, seen, Counter()).text
        for key, text in seen.get("problems", {}).items():
            found[f"{key}:{name}"] = say("Machine %(name)s: %(text)s", name=name, text=text)
    return found


def _parts(store: Store) -> dict[str, Counter[str]]:
    """Machine -> kind of worker -> how many are at work."""
    found: dict[str, Counter[str]] = {}
    for kind in PARTS:
        for node, count in machines_at_work(store.locks, kind).items():
            found.setdefault(node, Counter())[kind] = count
    return found


def _known(store: Store) -> dict[str, dict[str, Any]]:
    with store.database.read() as connection:
        names = secrets.names(connection, KNOWN)
    found = {name.removeprefix(KNOWN): kept.recall(store, name) for name in names}
    return {name: seen for name, seen in found.items() if now() - _at(seen) < FORGOTTEN}


def _at(seen: dict[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(seen["at"])


def _machine(name: str, seen: dict[str, Any] | None, parts: Counter[str]) -> Finding:
    if not parts:
        last = f"{_at(seen):%Y-%m-%d %H:%M} UTC" if seen else "?"
        text = say("Machine %(name)s is not there; it was last seen %(last)s.", name=name, last=last)
        return warning("machines", text, say("Start it. The others do its work, but for what is bound to it."))
    at_work = ", ".join(f"{count} {kind}" for kind, count in sorted(parts.items()))
    if seen is None or (now() - _at(seen)).total_seconds() > GONE_SECONDS:
        text = say("Machine %(name)s works (%(parts)s), but its page does not run.", name=name, parts=at_work)
        return warning("machines", text, say("Start the part web there."))
    apart = f"{seen['ahead']:+.1f} s"
    text = say(
        "Machine %(name)s works (%(parts)s), version %(version)s, its clock %(clock)s from the database's.",
        name=name,
        parts=at_work,
        version=seen["version"],
        clock=apart,
    )
    if abs(seen["ahead"]) > CLOCK_SECONDS:
        return warning("machines", text, say("Set both right: timedatectl set-ntp true."))
    return fine("machines", text)


def _elsewhere(store: Store, known: Mapping[str, dict[str, Any]]) -> list[Finding]:
    """Machines that reach the one folder by another path: printers and burners that write below it name it by ours."""
    here = str(store.folder.root)
    return [
        error(
            "machines",
            say(
                "Machine %(name)s has the data folder at %(there)s, not at %(here)s.", name=name, there=there, here=here
            ),
            say("Mount the share at one path everywhere: folder printers and burners are named by it."),
        )
        for name, seen in sorted(known.items())
        if (there := seen.get("data", here)) != here
    ]


def _unlike(store: Store, at_work: Mapping[str, dict[str, Any]]) -> list[Finding]:
    """Settings that one machine has otherwise than this one: films are kept, and people told, by either."""
    here = shared_settings(store.settings)
    return [
        error(
            "machines",
            say(
                "Machine %(name)s has %(setting)s = %(there)s, this one %(here)s.",
                name=name,
                setting=setting,
                there=theirs,
                here=ours,
            ),
            say("Set it alike on every machine, and restart: whichever does the work goes by its own."),
        )
        for name, seen in at_work.items()
        for setting, ours, theirs in sorted(differing(here, seen.get("settings", {})))
    ]


def _bound(store: Store, there: set[str]) -> list[Finding]:
    printers = [(each.name, each.settings.node) for each in all_printers(store)]
    bound = [*printers, *((each.name, each.settings.node) for each in all_burners(store))]
    return [
        error(
            "machines",
            say("%(name)s is bound to machine %(node)s, which is not there.", name=name, node=node),
            say("Start that machine, or bind it to another one (node)."),
        )
        for name, node in bound
        if node and node not in there
    ]


def _drives(store: Store) -> list[Finding]:
    """Who drives what in this moment."""
    with store.database.read() as connection:
        sending = [(row.printer, row.sending_by) for row in print_jobs.claimed(connection) if row.sending_by]
        burning = [(row.burner, row.burning_by) for row in discs.claimed(connection) if row.burning_by]
    return [
        fine("machines", say("%(name)s is driven by %(worker)s.", name=name, worker=worker))
        for name, worker in [*sending, *burning]
    ]
