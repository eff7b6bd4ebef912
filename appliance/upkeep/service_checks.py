"""Checks of the service by what is on this machine: who is let in, parts, database, queues, audit, backups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from appliance.media.burners import all_burners
from appliance.printing.printer_verbs import all_printers
from appliance.reasons import in_words
from appliance.security.audit_verbs import check_chain
from appliance.security.peer_verbs import all_peers
from appliance.security.peers import Peer
from appliance.store import audit, print_jobs, soundness
from appliance.store import job_states as states
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep import kept, node_checks
from appliance.upkeep.finding import Finding, error, fine, warning
from appliance.upkeep.port_checks import LOOPBACK
from appliance.words import Words, row, say, say_many

BACKUP_DAYS = 2
PRINTER_IS = {
    "paused": say("Printer %(printer)s is paused"),
    "idle": say("Printer %(printer)s is idle"),
    "away": say("Printer %(printer)s can't be reached"),
    "processing": say("Printer %(printer)s is processing"),
    "stopped": say("Printer %(printer)s is stopped"),
    "unknown": say("Printer %(printer)s is unknown"),
}
BURNER_IS = {
    "paused": say("Burner %(burner)s is paused"),
    "idle": say("Burner %(burner)s is idle"),
    "away": say("Burner %(burner)s can't be reached"),
    "processing": say("Burner %(burner)s is processing"),
    "stopped": say("Burner %(burner)s is stopped"),
    "unknown": say("Burner %(burner)s is unknown"),
}


def access(store: Store) -> list[Finding]:
    """Who is let in."""
    dicom = store.settings.dicom
    if dicom.unknown_peers == "refuse":
        return [fine("access", say("Only known peers are let in; %(count)s are known.", count=len(all_peers(store))))]
    if dicom.address in LOOPBACK:
        text = say("Strangers are let in, but only from this machine (%(address)s).", address=dicom.address)
        return [warning("access", text, say('For a network: know the peers, then set dicom.unknown_peers = "refuse".'))]
    text = say("Anyone who reaches %(address)s may print and store: strangers are let in.", address=dicom.address)
    return [error("access", text, say('Add peers (appliance peer add), then set dicom.unknown_peers = "refuse".'))]


def parts(store: Store) -> list[Finding]:
    """Whether somebody composes films and burns discs."""
    return list(workers(store).values())


def workers(store: Store) -> dict[str, Finding]:
    """The same by kind."""
    return {
        "films": _part(store, "films", _film_workers, say("No film worker is at work.")),
        "discs": _part(store, "discs", _disc_workers, say("No disc worker is at work.")),
    }


def _film_workers(count: int) -> Words:
    return say_many("%(number)s film worker at work.", "%(number)s film workers at work.", count)


def _disc_workers(count: int) -> Words:
    return say_many("%(number)s disc worker at work.", "%(number)s disc workers at work.", count)


def _part(store: Store, kind: str, some: Callable[[int], Words], none: Words) -> Finding:
    count = len(store.locks.living(kind))
    if count:
        return fine("parts", some(count))
    return error("parts", none, say("Start the service, or look in its log why it ended."))


def database(store: Store) -> list[Finding]:
    if not store.database.is_sqlite:
        return node_checks.server(store)
    size = store.folder.database.stat().st_size
    log = store.folder.database.with_name("appliance.db-wal")
    waiting = log.stat().st_size if log.exists() else 0
    text = say("The database has %(size)s MiB, its log %(waiting)s MiB.", size=size >> 20, waiting=waiting >> 20)
    if waiting > 1 << 30:
        return [warning("database", text, say("A reader holds it up: restart the service."))]
    return [fine("database", text)]


def whole_database(store: Store) -> list[Finding]:
    found = soundness.damage(store.database)
    if found:
        return [
            error(
                "database",
                say("The database is damaged: %(found)s", found=found[0]),
                say("Stop the service, then appliance restore."),
            )
        ]
    return [fine("database", say("The database is whole."))]


def audit_trail(store: Store) -> list[Finding]:
    broken = check_chain(store)
    if broken is not None:
        text = say("The audit trail was changed: entry %(broken)s does not follow from the one before.", broken=broken)
        return [error("audit", text, say("Keep a copy of the data folder as it is, and tell the security officer."))]
    return [fine("audit", say("The audit trail is whole."))]


def printers(store: Store) -> list[Finding]:
    """What each printer said last."""
    found = []
    for printer in all_printers(store):
        reasons = in_words(printer.printer_state_reasons)
        away = printer.is_away and printer.printer_state == "idle"
        state = "paused" if printer.paused else "away" if away else printer.printer_state
        text = say(PRINTER_IS[state], printer=printer.name)
        if printer.printer_state == "stopped":
            advice = say("See to it, then appliance printer resume %(printer)s.", printer=printer.name)
            found.append(error("printers", row((text, printer.printer_state_message or reasons), ": "), advice))
        elif printer.paused or not printer.is_accepting_jobs or reasons:
            said = reasons or (say("takes no jobs") if not printer.is_accepting_jobs else say("by a person"))
            found.append(
                warning(
                    "printers",
                    say("%(text)s: %(said)s.", text=text, said=said),
                    say("appliance printer check %(printer)s says more.", printer=printer.name),
                )
            )
        else:
            found.append(fine("printers", say("%(text)s.", text=text)))
    return found or [error("printers", say("There is no printer."), say("appliance printer add NAME --uri …"))]


def burners(store: Store) -> list[Finding]:
    found = []
    for burner in all_burners(store):
        state = "paused" if burner.paused else "away" if burner.is_away else burner.burner_state
        text = say(BURNER_IS[state], burner=burner.name)
        reasons = in_words(burner.burner_state_reasons)
        if burner.burns_nothing or reasons:
            said = burner.burner_state_message or reasons or say("by a person")
            found.append(
                warning(
                    "burners",
                    row((text, said), ": "),
                    say("appliance burner check %(burner)s says more.", burner=burner.name),
                )
            )
        else:
            found.append(fine("burners", say("%(text)s.", text=text)))
    return found


def rules(store: Store) -> list[Finding]:
    """Peers whose studies should become discs, and don't."""
    if not any(peer.rule for peer in all_peers(store)):
        return []  # most have none: what makes discs takes a while to load
    from appliance.media.ruled import rules_at_fault

    patience = dt.timedelta(minutes=store.settings.notices.film_minutes)
    advice = say("See the peer's settings.")
    return [error("peers", why, advice) for why in rules_at_fault(store, patience).values()]


def films(store: Store) -> list[Finding]:
    """Films that wait for a person, or too long."""
    moment = now() - dt.timedelta(minutes=store.settings.notices.film_minutes)
    with store.database.read() as connection:
        held = sum(
            count for (_, state), count in print_jobs.count_by_state(connection, (states.HELD,)).items() if state
        )
        late = print_jobs.waiting_since(connection, moment)
    found = []
    if held:
        found.append(
            warning(
                "films",
                say_many(
                    "%(number)s print job is held for a person.", "%(number)s print jobs are held for a person.", held
                ),
                say("appliance job list shows why."),
            )
        )
    if late:
        text = say_many(
            "%(number)s print job waits longer than %(minutes)s minutes.",
            "%(number)s print jobs wait longer than %(minutes)s minutes.",
            len(late),
            minutes=store.settings.notices.film_minutes,
        )
        found.append(
            warning(
                "films",
                text,
                say("Look at printer %(printer)s and job %(job_id)s.", printer=late[0].printer, job_id=late[0].job_id),
            )
        )
    return found or [fine("films", say("No film waits for a person."))]


def audit_collector(store: Store) -> list[Finding]:
    syslog = store.settings.syslog
    if not syslog.host:
        return [fine("audit", say("Audit messages stay here: no collector is set (syslog.host)."))]
    with store.database.read() as connection:
        waiting = audit.count_after(connection, int(kept.recall(store, kept.FORWARDED, 0)))
    text = say_many(
        "%(number)s audit message waits for the collector %(host)s port %(port)s.",
        "%(number)s audit messages wait for the collector %(host)s port %(port)s.",
        waiting,
        host=syslog.host,
        port=syslog.port,
    )
    advice = say("See that it listens and that its certificate is trusted; the log says more.")
    if waiting and (failing := kept.failing(store, "syslog")):
        return [warning("audit", row((text, failing[1]), " "), advice)]
    return [warning("audit", text, advice) if waiting > 1000 else fine("audit", text)]


def notices(store: Store) -> list[Finding]:
    """Whether people who are to be told can be."""
    ways = {"mail": store.settings.smtp.host, "webhook": store.settings.notices.webhook}
    found = []
    for way, is_set in ways.items():
        if is_set and (failing := kept.failing(store, way)):
            text = say(
                "Nobody is told by %(way)s since %(since)s: %(why)s.",
                way=way,
                since=f"{failing[0]:%Y-%m-%d %H:%M} UTC",
                why=failing[1],
            )
            found.append(error("notices", text, say("Correct smtp or notices in the settings, or see to the server.")))
    return found


def backups(store: Store) -> list[Finding]:
    if not store.database.is_sqlite:
        return [fine("backup", say("The database is backed up on its server, the folder with it: docs/scaling.md."))]
    last = kept.recall_moment(store, kept.LAST_BACKUP)
    if last is None:
        return [
            warning(
                "backup",
                say("There is no backup yet."),
                say("appliance backup FILE, or the timer: appliance-backup.timer."),
            )
        ]
    text = say("The last backup was made %(last)s.", last=f"{last:%Y-%m-%d %H:%M} UTC")
    if now() - last > dt.timedelta(days=BACKUP_DAYS):
        return [warning("backup", text, say("See why the timer did not run: systemctl status appliance-backup."))]
    return [fine("backup", text)]


def peer_names(store: Store) -> list[Peer]:
    """Peers that can be called."""
    return [peer for peer in all_peers(store) if peer.host and peer.port]
