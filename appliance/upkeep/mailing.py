"""Notices by mail."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from email.utils import localtime, make_msgid

from appliance.config import SmtpSettings
from appliance.upkeep.limited import Limit
from appliance.upkeep.notice import IN_ALL, SECONDS, Notice, lines, subject

SEVEN_BITS = policy.SMTP.clone(cte_type="7bit")
"""smtplib sends eight bits without asking whether the server takes them (8BITMIME)."""
MOST_OWED = 100
"""Notices kept for one recipient."""

log = logging.getLogger(__name__)


class Mailer:
    """Sends each notice in one mail to all recipients; those whom the server puts off get it when it takes it."""

    def __init__(self, settings: SmtpSettings, language: str = "en") -> None:
        self.settings = settings
        self.language = language
        self._owed: dict[str, list[Notice]] = {}

    def send(self, notices: list[Notice]) -> None:
        """Raises OSError, SMTPException when nobody got it."""
        self._send(self.settings.recipients, notices)

    def send_owed(self) -> None:
        """Once more to those who were put off (RFC 5321 4.2.1: 4yz, greylisting for one)."""
        for recipient in list(self._owed):
            notices = self._owed.pop(recipient)
            try:
                self._send([recipient], notices)
            except smtplib.SMTPRecipientsRefused as error:
                self._note(error.recipients, notices)
            except (OSError, smtplib.SMTPException):
                self._owed[recipient] = notices

    def _send(self, recipients: Sequence[str], notices: list[Notice]) -> None:
        with mail_server(self.settings) as server:
            refused = server.send_message(_mail(self.settings, notices, self.language), to_addrs=recipients)
        self._note(refused, notices)

    def _note(self, refused: dict[str, tuple[int, bytes]], notices: list[Notice]) -> None:
        for recipient, (code, _) in refused.items():
            if 400 <= code < 500:
                self._owed[recipient] = [*self._owed.get(recipient, []), *notices][-MOST_OWED:]
            else:
                log.warning("the mail server takes no notice for %s (%d)", recipient, code)


def _mail(settings: SmtpSettings, notices: list[Notice], language: str) -> EmailMessage:
    host = socket.gethostname()
    mail = EmailMessage(SEVEN_BITS)
    mail["Date"] = localtime()
    mail["Message-ID"] = make_msgid(domain=host)
    mail["Subject"] = " ".join(f"Appliance {host}: {subject(notices, language)}".split())
    mail["From"] = settings.sender or f"appliance@{host}"
    mail["To"] = ", ".join(settings.recipients)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(lines(notices, language)) + f"\n\nAppliance {host}\n")
    return mail


class _Smtp(smtplib.SMTP):
    def __init__(self, limit: Limit, host: str, port: int) -> None:
        self._limit = limit
        super().__init__(host, port, timeout=SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._limit.connect((host, port), timeout, self.source_address)


@contextmanager
def mail_server(settings: SmtpSettings) -> Iterator[smtplib.SMTP]:
    """The mail server, greeted. Raises OSError, SMTPException."""
    with Limit(IN_ALL) as limit, _Smtp(limit, settings.host, settings.port) as server:
        if settings.starttls:
            server.starttls(context=ssl.create_default_context())
        yield server
