"""Checks of the service by what is on this machine: ports, parts, database, certificates, queues, audit, backups."""

from __future__ import annotations

import datetime as dt
import errno
import socket

from appliance.jobs.locks import is_alive
from appliance.media.burners import all_burners
from appliance.printing.printer_verbs import all_printers
from appliance.security import certificates as tls
from appliance.security.audit_verbs import check_chain
from appliance.security.peer_verbs import all_peers
from appliance.security.peers import Peer
from appliance.store import audit, print_jobs, soundness
from appliance.store import job_states as states
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep import kept
from appliance.upkeep.finding import Finding, error, fine, warning

CONNECT_SECONDS = 2.0
ENDING_DAYS = 30
"""Certificates that end so soon are told about."""
BACKUP_DAYS = 2
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def access(store: Store) -> list[Finding]:
    """Who is let in."""
    dicom = store.settings.dicom
    if dicom.unknown_peers == "refuse":
        return [fine("access", f"Only known peers are let in; {len(all_peers(store))} are known.")]
    if dicom.address in LOOPBACK:
        text = f"Strangers are let in, but only from this machine ({dicom.address})."
        return [warning("access", text, 'For a network: know the peers, then set dicom.unknown_peers = "refuse".')]
    text = f"Anyone who reaches {dicom.address} may print and store: strangers are let in."
    return [error("access", text, 'Add peers (appliance peer add), then set dicom.unknown_peers = "refuse".')]


def ports(store: Store) -> list[Finding]:
    dicom, web = store.settings.dicom, store.settings.web
    wanted = [("DICOM", dicom.address, port) for port in dicom.ports]
    if tls.tls_files(store) is not None:
        wanted.append(("DICOM TLS", dicom.address, dicom.tls_port))
    return [_port(*each) for each in (*wanted, ("page", web.address, web.port)) if each[2]]


def _port(what: str, address: str, port: int) -> Finding:
    where = f"The {what} port {port} on {address}"
    reach = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    try:
        socket.create_connection((reach, port), CONNECT_SECONDS).close()
    except OSError:
        return _why_closed(where, address, port)
    return fine("ports", f"{where} answers.")


def _why_closed(where: str, address: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as problem:
            advice = {
                errno.EACCES: "Ports below 1024 need the capability: start it by systemd, or use 11112.",
                errno.EADDRINUSE: f"Another program has it: ss -ltnp 'sport = :{port}' names it.",
                errno.EADDRNOTAVAIL: "This machine has no such address: correct the address in the settings.",
            }.get(problem.errno or 0, "See the log.")
            return error("ports", f"{where} does not answer and can't be opened: {problem.strerror}.", advice)
    return error("ports", f"{where} is closed.", "Start the service: systemctl start appliance.target; see its log.")


def parts(store: Store) -> list[Finding]:
    """Whether somebody composes films and burns discs."""
    return [_part(store, "films", "film"), _part(store, "discs", "disc")]


def _part(store: Store, kind: str, word: str) -> Finding:
    names = [path.name for path in store.folder.locks.glob(f"{kind}-*")]
    count = sum(is_alive(store.folder.locks, name) for name in names)
    if count:
        return fine("parts", f"{count} {word} worker{'s' if count > 1 else ''} at work.")
    return error("parts", f"No {word} worker is at work.", "Start the service, or look in its log why it ended.")


def database(store: Store) -> list[Finding]:
    if not store.database.is_sqlite:
        store.database.changes()
        return [fine("database", "The database server answers.")]
    size = store.folder.database.stat().st_size
    log = store.folder.database.with_name("appliance.db-wal")
    waiting = log.stat().st_size if log.exists() else 0
    text = f"The database has {size >> 20} MiB, its log {waiting >> 20} MiB."
    if waiting > 1 << 30:
        return [warning("database", text, "A reader holds it up: restart the service.")]
    return [fine("database", text)]


def whole_database(store: Store) -> list[Finding]:
    found = soundness.damage(store.database)
    if found:
        return [error("database", f"The database is damaged: {found[0]}", "Stop the service, then appliance restore.")]
    return [fine("database", "The database is whole.")]


def audit_trail(store: Store) -> list[Finding]:
    broken = check_chain(store)
    if broken is not None:
        text = f"The audit trail was changed: entry {broken} does not follow from the one before."
        return [error("audit", text, "Keep a copy of the data folder as it is, and tell the security officer.")]
    return [fine("audit", "The audit trail is whole.")]


def certificates(store: Store) -> list[Finding]:
    files = tls.tls_files(store)
    if files is None:
        return [fine("certificates", "DICOM TLS is off: there is no certificate (appliance tls init makes one).")]
    ours = [_expiry("Our certificate", view) for view in tls.read_certificates(files.certificate)[:1]]
    if files.authorities is not None:
        trusted = tls.read_certificates(files.authorities)
        return [*ours, *[_expiry(f"The trusted certificate {view.subject}", view) for view in trusted], *_key(files)]
    if store.settings.tls.mutual:
        text = "The TLS port stays closed: peers must show a certificate, and none is trusted yet."
        advice = "appliance tls trust FILE for each peer or its authority, or set tls.mutual = false."
        return [*ours, error("certificates", text, advice), *_key(files)]
    return [*ours, *_key(files)]


def _expiry(what: str, view: tls.CertificateView) -> Finding:
    days = view.days_left()
    text = f"{what} is good until {view.not_after:%Y-%m-%d} ({days} days)."
    advice = "Make or bring another: appliance tls init --replace, then give it to the peers."
    if days < 0:
        return error("certificates", f"{what} ended on {view.not_after:%Y-%m-%d}.", advice)
    return warning("certificates", text, advice) if days < ENDING_DAYS else fine("certificates", text)


def _key(files: tls.TlsFiles) -> list[Finding]:
    if files.key.stat().st_mode & 0o077:
        return [warning("certificates", f"Others can read the key {files.key}.", f"chmod 0600 {files.key}")]
    return []


def printers(store: Store) -> list[Finding]:
    """What each printer said last."""
    found = []
    for printer in all_printers(store):
        reasons = ", ".join(printer.printer_state_reasons)
        text = f"Printer {printer.name} is {'paused' if printer.paused else printer.printer_state}"
        if printer.printer_state == "stopped":
            advice = f"See to it, then appliance printer resume {printer.name}."
            found.append(error("printers", f"{text}: {printer.printer_state_message or reasons}", advice))
        elif printer.paused or not printer.is_accepting_jobs or reasons:
            said = reasons or ("takes no jobs" if not printer.is_accepting_jobs else "by a person")
            found.append(warning("printers", f"{text}: {said}.", f"appliance printer check {printer.name} says more."))
        else:
            found.append(fine("printers", f"{text}."))
    return found or [error("printers", "There is no printer.", "appliance printer add NAME --uri …")]


def burners(store: Store) -> list[Finding]:
    found = []
    for burner in all_burners(store):
        text = f"Burner {burner.name} is {'paused' if burner.paused else burner.burner_state}"
        reasons = ", ".join(burner.burner_state_reasons)
        if burner.burner_state == "stopped" or burner.paused or reasons:
            said = burner.burner_state_message or reasons or "by a person"
            found.append(warning("burners", f"{text}: {said}", f"appliance burner check {burner.name} says more."))
        else:
            found.append(fine("burners", f"{text}."))
    return found


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
        found.append(warning("films", f"{held} print jobs are held for a person.", "appliance job list shows why."))
    if late:
        text = f"{len(late)} print jobs wait longer than {store.settings.notices.film_minutes} minutes."
        found.append(warning("films", text, f"Look at printer {late[0].printer} and job {late[0].job_id}."))
    return found or [fine("films", "No film waits for a person.")]


def audit_collector(store: Store) -> list[Finding]:
    syslog = store.settings.syslog
    if not syslog.host:
        return [fine("audit", "Audit messages stay here: no collector is set (syslog.host).")]
    with store.database.read() as connection:
        waiting = audit.count_after(connection, int(kept.recall(store, kept.FORWARDED, 0)))
    text = f"{waiting} audit messages wait for the collector {syslog.host} port {syslog.port}."
    if waiting > 1000:
        return [warning("audit", text, "See that it listens and that its certificate is trusted; the log says more.")]
    return [fine("audit", text)]


def backups(store: Store) -> list[Finding]:
    last = kept.recall_moment(store, kept.LAST_BACKUP)
    if last is None:
        return [
            warning("backup", "There is no backup yet.", "appliance backup FILE, or the timer: appliance-backup.timer.")
        ]
    text = f"The last backup was made {last:%Y-%m-%d %H:%M} UTC."
    if now() - last > dt.timedelta(days=BACKUP_DAYS):
        return [warning("backup", text, "See why the timer did not run: systemctl status appliance-backup.")]
    return [fine("backup", text)]


def peer_names(store: Store) -> list[Peer]:
    """Peers that can be called."""
    return [peer for peer in all_peers(store) if peer.host and peer.port]
