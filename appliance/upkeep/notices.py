"""Tells people, by mail and webhook: once when something waits for them, and once when it is well again.

No notice holds patient data: they go to phones and through others' machines.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import logging
import smtplib
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from typing import Any
from urllib.parse import urlsplit

from appliance.config import NoticesSettings, SmtpSettings
from appliance.errors import SettingError
from appliance.language import in_language
from appliance.media.burners import all_burners
from appliance.media.ruled import rules_at_fault
from appliance.printing.printer_verbs import all_printers
from appliance.reasons import in_words
from appliance.security import certificates
from appliance.security.certificates import CertificateView
from appliance.store import discs, print_jobs
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep import absences, kept, node_checks
from appliance.upkeep.certificate_checks import ENDING_DAYS
from appliance.upkeep.limited import Limit
from appliance.upkeep.service_checks import BACKUP_DAYS
from appliance.words import say

SECONDS = 15.0
IN_ALL = 60.0
"""Seconds after which a mail server or a webhook is cut off: one that drips would hold up all upkeep."""

SEVEN_BITS = policy.SMTP.clone(cte_type="7bit")
"""smtplib sends eight bits without asking whether the server takes them (8BITMIME)."""

log = logging.getLogger(__name__)

Problems = Mapping[str, str]
"""Key that stays the same while it lasts -> what it is, in words."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing to tell."""

    key: str
    text: str
    recovered: bool = False


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
    late = now() - dt.timedelta(minutes=store.settings.notices.film_minutes)
    since = now() - dt.timedelta(days=store.settings.storage.discs_days)
    with store.database.read() as connection:
        held, failed = discs.held_since(connection, late), discs.failed_since(connection, since)
        waiting = discs.waiting_since(connection, late)
    told = {f"disc:{number}": say("Disc %(number)s failed: see the discs page.", number=number) for number in failed}
    minutes = store.settings.notices.film_minutes
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
    for look in (_our_certificate, _page_certificate, _trusted_certificates):
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
        if settings.smtp.host and settings.smtp.recipients:
            self.ways["mail"] = lambda notices: send_mail(settings.smtp, notices, settings.notices.language)
        if settings.notices.webhook:
            self.ways["webhook"] = lambda notices: post(settings.notices, notices)
        self._failing: set[str] = set()

    def tell(self) -> int:
        """Tell what changed; how many notices. One that could not be sent is tried again the next time."""
        if not self.ways:
            return 0
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


def send_mail(settings: SmtpSettings, notices: list[Notice], language: str = "en") -> None:
    """One mail with all of them, in `language`. Raises OSError, SMTPException."""
    with mail_server(settings) as server:
        refused = server.send_message(_mail(settings, notices, language))
    if refused:
        log.warning("the mail server took a notice, but not for %s", ", ".join(refused))


def _mail(settings: SmtpSettings, notices: list[Notice], language: str) -> EmailMessage:
    host = socket.gethostname()
    mail = EmailMessage(SEVEN_BITS)
    mail["Date"] = localtime()
    mail["Message-ID"] = make_msgid(domain=host)
    mail["Subject"] = " ".join(f"Appliance {host}: {in_language(_subject(notices), language)}".split())
    mail["From"] = settings.sender or f"appliance@{host}"
    mail["To"] = ", ".join(settings.recipients)
    mail["Auto-Submitted"] = "auto-generated"
    lines = [in_language(_line(notice), language) for notice in notices]
    mail.set_content("\n".join(lines) + f"\n\nAppliance {host}\n")
    return mail


class _Mail(smtplib.SMTP):
    def __init__(self, limit: Limit, host: str, port: int) -> None:
        self._limit = limit
        super().__init__(host, port, timeout=SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._limit.connect((host, port), timeout, self.source_address)


@contextmanager
def mail_server(settings: SmtpSettings) -> Iterator[smtplib.SMTP]:
    """The mail server, greeted. Raises OSError, SMTPException."""
    with Limit(IN_ALL) as limit, _Mail(limit, settings.host, settings.port) as server:
        if settings.starttls:
            server.starttls(context=ssl.create_default_context())
        yield server


def _line(notice: Notice) -> str:
    return say("Well again: %(text)s", text=notice.text) if notice.recovered else notice.text


def _subject(notices: list[Notice]) -> str:
    first, more = _line(notices[0]), len(notices) - 1
    return say("%(first)s (and %(more)s more)", first=first, more=more) if more else first


def post(settings: NoticesSettings, notices: list[Notice]) -> None:
    """One POST with all of them as JSON. Raises OSError for anything but a 2xx answer."""
    lines = [in_language(_line(notice), settings.language) for notice in notices]
    body = {
        "host": socket.gethostname(),
        "at": now().isoformat(timespec="seconds"),
        "text": "\n".join(lines),  # what chat programs show
        "notices": [vars(notice) for notice in notices],
    }
    headers = {"Content-Type": "application/json", "User-Agent": "appliance"}
    if not _is_address(settings.webhook):
        raise ValueError("notices.webhook is no address like https://host/path")  # it may hold a secret
    request = urllib.request.Request(settings.webhook, json.dumps(body).encode(), headers, method="POST")
    with Limit(IN_ALL) as limit, limit.opener(_NoRedirects).open(request, timeout=SECONDS) as answer:
        answer.read(4096)
        limit.check()


def _is_address(url: str) -> bool:
    """Whether urllib takes it: what it says of others has the secret in it."""
    try:
        parts = urlsplit(url)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and sound and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an error: urllib would follow it by GET, and a log-in page's 200 pass for a notice taken."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
