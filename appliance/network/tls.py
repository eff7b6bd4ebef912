"""DICOM TLS by BCP 195 (PS3.15 B.12: RFC 8996 and 9325): TLS 1.2 or later, forward secrecy, authenticated ciphers."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from appliance.errors import SettingError
from appliance.security.revoked import refuse_revoked
from appliance.words import say

log = logging.getLogger(__name__)

# RFC 9325 section 4.2 for TLS 1.2; the suites of TLS 1.3 are all of this kind.
CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)


def server_context(
    certificate: Path,
    key: Path,
    authorities: Path | None = None,
    *,
    required: bool = True,
    revoked: Path | None = None,
) -> ssl.SSLContext:
    """For our TLS port. With `authorities` (PEM) peers must show a certificate they vouch for (mutual TLS).

    With `required` off they may come without, but not with another one; never with one that the lists in `revoked`
    name, if that file is there. Raises SettingError naming the file that can't be used.
    """
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    _load(context, certificate, key)
    if authorities is not None:
        _trust(context, authorities)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    if revoked is not None:
        refuse_revoked(context, revoked)
    return context


def client_context(
    authorities: Path | None,
    certificate: Path | None = None,
    key: Path | None = None,
    *,
    check_hostname: bool = True,
    revoked: Path | None = None,
) -> ssl.SSLContext:
    """For calling a peer whose certificate `authorities` (PEM) vouch for; with our own certificate where it asks.

    None trusts the authorities of the system.
    `check_hostname` off is for peers whose certificates name no host, common among modalities. `revoked` as above.
    Raises SettingError.
    """
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.check_hostname = check_hostname
    if authorities is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, authorities)
    if certificate is not None:
        _load(context, certificate, key or certificate)
    if revoked is not None:
        refuse_revoked(context, revoked)
    return context


class RenewedContext:
    """A context made anew when one of its files changes: a certificate is renewed, a peer trusted, without a restart.

    Files that can't be used are logged, and those read before stay in force. Raises SettingError when made of such.
    """

    def __init__(self, make: Callable[[], ssl.SSLContext], files: Iterable[Path]) -> None:
        self._make, self._files = make, tuple(files)
        self._stamp = self._look()
        self._context = make()

    def __call__(self) -> ssl.SSLContext:
        """The context for the connection that comes now."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context = self._make()
                log.info("the TLS port uses the files that changed")
            except SettingError as error:
                log.error("the TLS port goes on with the files of before: %s", error)
        return self._context

    def _look(self) -> list[tuple[int, int] | None]:
        return [_state(path) for path in self._files]


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password="")  # or a key that wants one would ask the terminal
    except (OSError, ValueError) as error:
        raise SettingError(
            say(
                "the certificate %(certificate)s with the key %(key)s can't be used: %(why)s",
                certificate=certificate,
                key=key,
                why=error,
            )
        ) from error


def _trust(context: ssl.SSLContext, authorities: Path) -> None:
    """Believe by a peer's own certificate, too, whoever signed it."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(authorities)
    except (OSError, ValueError) as error:
        raise SettingError(
            say(
                "the certificate authorities in %(authorities)s can't be used: %(why)s",
                authorities=authorities,
                why=error,
            )
        ) from error
