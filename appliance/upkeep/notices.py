"""Tells people, by mail and webhook: once when something waits for them, and once when it is well again.

No notice holds patient data: they go to phones and through others' machines.
"""

from __future__ import annotations

import datetime as dt
import http.client
import logging
import smtplib
from collections.abc import Callable, Mapping

from appliance.errors import SettingError
from appliance.media.burners import all_burners
from appliance.media.ruled import rules_at_fault
from appliance.printing.printer_verbs import all_printers
from appliance.reasons import in_words
from appliance.security import certificates, revocations
from appliance.security.certificates import CertificateView
from appliance.store import discs, print_jobs
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep import absences, kept, node_checks
from appliance.upkeep.certificate_checks import ENDING_DAYS
from appliance.upkeep.mailing import Mailer
from appliance.upkeep.notice import Notice
from appliance.upkeep.service_checks import BACKUP_DAYS
from appliance.upkeep.webhook import post
from appliance.words import say

log = logging.getLogger(__name__)

Problems = Mapping[str, str]
"""Key that stays the same while it lasts -> what it is, in words."""


def problems(store: Store) -> dict[str, str]:
    """Everything that waits for a person now."""
    found: dict[str, str] = {}
    for look in (_films, _held, _failed, _printers, _burners, _discs, _rules, _disk, _machines, _collector, _backup):
        found |= look(store)
    return found


def _films(store: Store) -> Problems:
    """One for each printer, not for each film: a dead printer sends one mail."""
    minutes = store.settings.notices.film_minutes
    with store.database.read() as connection:
        late = print_jobs.waiting_since(connection, now() - dt.timedelta(minutes=minutes))
    printers = {job.printer for job in late}
    return {
        f"films:{name}": say(
            "Films wait longer than %(minutes)s minutes for printer %(name)s.", minutes=minutes, name=name
        )
        for name in printers
    }


def _held(store: Store) -> Problems:
    """Those in doubt, or in want of something: they print only when a person has looked."""
    with store.database.read() as connection:
        held = print_jobs.held_since(connection, now() - dt.timedelta(minutes=store.settings.notices.film_minutes))
    return {
        f"held:{job.job_id}": say(
            "Print job %(job_id)s for printer %(printer)s is held for a person: see the print jobs page.",
            job_id=job.job_id,
            printer=job.printer,
        )
        for job in held
    }


def _failed(store: Store) -> Problems:
    """As of discs: one that is printed again, or purged, is well."""
    since = now() - dt.timedelta(days=store.settings.storage.films_days)
    with store.database.read() as connection:
        failed = print_jobs.failed_since(connection, since)
    return {
        f"job:{job.job_id}": say(
            "Print job %(job_id)s for printer %(printer)s failed: see the print jobs page.",
            job_id=job.job_id,
            printer=job.printer,
        )
        for job in failed
    }


def _printers(store: Store) -> Problems:
    stopped = [printer for printer in all_printers(store) if printer.printer_state == "stopped"]
    return {
        f"printer:{printer.name}": say(
            "Printer %(printer)s is stopped (%(reasons)s).",
            printer=printer.name,
            reasons=in_words(printer.printer_state_reasons),
        )
        for printer in stopped
    }


def _burners(store: Store) -> Problems:
    stopped = [burner for burner in all_burners(store) if burner.burner_state == "stopped"]
    return {f"burner:{burner.name}": say("Burner %(burner)s is stopped.", burner=burner.name) for burner in stopped}


def _discs(store: Store) -> Problems:
    """Those that wait for a person or a burner, and those that failed lately: one made again, or purged, is well."""
    minutes = store.settings.notices.film_minutes
    late = now() - dt.timedelta(minutes=minutes)
    since = now() - dt.timedelta(days=store.settings.storage.discs_days)
    with store.database.read() as connection:
        held, failed = discs.held_since(connection, late), discs.failed_since(connection, since)
        waiting = discs.waiting_since(connection, late)
    told = {f"disc:{number}": say("Disc %(number)s failed: see the discs page.", number=number) for number in failed}
    told |= {
        f"discs:{name}": say(
            "Discs wait longer than %(minutes)s minutes for burner %(name)s.", minutes=minutes, name=name
        )
        for name in waiting
    }
    return told | {
        f"disc-held:{number}": say("Disc %(number)s waits for a person: see the discs page.", number=number)
        for number in held
    }


def _rules(store: Store) -> Problems:
    """Of peers whose studies become no discs: nobody ordered those, so nobody misses them."""
    patience = dt.timedelta(minutes=store.settings.notices.film_minutes)
    return {f"rule:{peer}": why for peer, why in rules_at_fault(store, patience).items()}


def _disk(store: Store) -> Problems:
    return {} if store.has_room() else {"disk": say("The disk is short: new films and studies are refused.")}


def _machines(store: Store) -> Problems:
    """Of several, each looks after itself, and the one that tells after all."""
    return node_checks.ailing(store, store.settings.notices.film_minutes) if store.node else of_this_machine(store)


def of_this_machine(store: Store) -> Problems:
    """What is not at work on it, and its certificates."""
    return {**absences.lasting(store), **certificates_ending(store)}


def certificates_ending(store: Store) -> Problems:
    """This machine's certificates, and those it trusts, that end soon or can't be read."""
    found: dict[str, str] = {}
    for look in (_our_certificate, _page_certificate, _trusted_certificates, _late_lists):
        try:
            found |= look(store)
        except SettingError as error:
            found["certificate-unreadable"] = str(error)
    return found


def _our_certificate(store: Store) -> Problems:
    files = certificates.tls_files(store)
    view = certificates.read_certificates(files.certificate)[0] if files else None
    if view is None or not _ends_soon(view):
        return {}
    return {"certificate": say("The DICOM TLS certificate is good until %(not_after)s only.", not_after=_day(view))}


def _page_certificate(store: Store) -> Problems:
    path = store.settings.web.certificate
    view = certificates.read_certificates(path)[0] if path is not None and path.exists() else None
    if view is None or not _ends_soon(view):
        return {}
    return {"page-certificate": say("The page's certificate is good until %(not_after)s only.", not_after=_day(view))}


def _trusted_certificates(store: Store) -> Problems:
    """Of peers, or of who vouches for them: from that day on they are not let in, and not called."""
    path = certificates.trusted_file(store)
    views = certificates.without_replaced(certificates.read_certificates(path)) if path else []
    return {
        f"trusted-certificate:{view.fingerprint[:16]}": say(
            "The trusted certificate %(subject)s is good until %(not_after)s only.",
            subject=view.subject,
            not_after=_day(view),
        )
        for view in views
        if _ends_soon(view)
    }


def _late_lists(store: Store) -> Problems:
    """What was taken back since is believed."""
    late = {view.subject: revocations.late(view) for view in revocations.lists_in_force(store)}
    return {f"revocations-late:{subject}": text for subject, text in late.items() if text}


def _ends_soon(view: CertificateView) -> bool:
    return view.days_left() < ENDING_DAYS


def _day(view: CertificateView) -> str:
    return f"{view.not_after:%Y-%m-%d}"


def _collector(store: Store) -> Problems:
    """Its absence loses nothing but the proof elsewhere that nobody changed the audit trail here."""
    failing = kept.failing(store, "syslog") if store.settings.syslog.host else None
    if failing is None or now() - failing[0] < dt.timedelta(minutes=store.settings.notices.film_minutes):
        return {}
    since = f"{failing[0]:%Y-%m-%d %H:%M} UTC"
    return {"collector": say("Audit messages wait since %(since)s. %(why)s", since=since, why=failing[1])}


def _backup(store: Store) -> Problems:
    """Only where backups are made at all."""
    last = kept.recall_moment(store, kept.LAST_BACKUP)
    late = last is not None and now() - last > dt.timedelta(days=BACKUP_DAYS)
    return {"backup": say("The last backup was made %(last)s.", last=f"{last:%Y-%m-%d %H:%M} UTC")} if late else {}


def changes(before: Mapping[str, str], present: Mapping[str, str]) -> list[Notice]:
    """What is to be told: what is new, and what is over."""
    new = [Notice(key=key, text=text) for key, text in present.items() if key not in before]
    over = [Notice(key=key, text=text, recovered=True) for key, text in before.items() if key not in present]
    return new + over


class Notifier:
    """Tells by every way that is set; what was told is kept, for each way, until it is over."""

    def __init__(self, store: Store) -> None:
        self.store = store
        settings = store.settings
        self.ways: dict[str, Callable[[list[Notice]], None]] = {}
        self._mailer = Mailer(settings.smtp, settings.notices.language)
        if settings.smtp.host and settings.smtp.recipients:
            self.ways["mail"] = self._mailer.send
        if settings.notices.webhook:
            self.ways["webhook"] = lambda notices: post(settings.notices, notices)
        self._failing: set[str] = set()

    def tell(self) -> int:
        """Tell what changed; how many notices. One that could not be sent is tried again the next time."""
        if not self.ways:
            return 0
        self._mailer.send_owed()
        present = problems(self.store)
        told = kept.recall(self.store, kept.TOLD, {})
        count = 0
        for way, send in self.ways.items():
            notices = changes(told.get(way, {}), present)
            if notices and self._sent(way, send, notices):
                kept.keep(self.store, kept.TOLD, told := {**told, way: present})
                count += len(notices)
        return count

    def _sent(self, way: str, send: Callable[[list[Notice]], None], notices: list[Notice]) -> bool:
        try:
            send(notices)
        except (OSError, smtplib.SMTPException, http.client.HTTPException, ValueError) as error:
            if way not in self._failing:
                log.error("notices by %s can't be sent and are tried again: %s", way, error)
            self._failing.add(way)
            kept.note_failing(self.store, way, str(error))
            return False
        self._failing.discard(way)
        kept.note_well(self.store, way)
        return True
