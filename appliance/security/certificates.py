"""Our own TLS certificate and those we trust: where they lie, what they say, how one is made.

Settings name the files, or they lie in ``<data>/tls/``: certificate.pem, key.pem, and authorities.pem with the
certificates (of authorities, or of peers themselves) that peers are believed by. revoked.pem: see revocations.py.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.errors import ConflictError, SettingError, UsageError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

KEY_BITS = 3072
DAYS = 825


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """PEM files of DICOM TLS."""

    certificate: Path
    key: Path
    authorities: Path | None  # None: nobody is trusted


@dataclass(frozen=True, kw_only=True)
class CertificateView:
    """What a certificate says, for people."""

    subject: str
    names: tuple[str, ...]  # DNS names and addresses it is for
    fingerprint: str  # SHA-256, hex
    not_before: dt.datetime
    not_after: dt.datetime
    short: bool = False  # its key is shorter than TLS takes: nobody is believed by it

    def days_left(self) -> int:
        return (self.not_after - now()).days


def tls_files(store: Store) -> TlsFiles | None:
    """The files in force, or None while there is no certificate."""
    tls, folder = store.settings.tls, tls_folder(store)
    certificate = tls.certificate or _if_there(folder / "certificate.pem")
    if certificate is None:
        return None
    key = tls.key or (folder / "key.pem" if tls.certificate is None else certificate)
    return TlsFiles(certificate=certificate, key=key, authorities=trusted_file(store))


def trusted_file(store: Store) -> Path | None:
    """The certificates that peers are believed by, or None."""
    return store.settings.tls.authorities or _if_there(tls_folder(store) / "authorities.pem")


def revoked_file(store: Store) -> Path:
    """The revocation lists in force; it need not be there."""
    return store.settings.tls.revoked or tls_folder(store) / "revoked.pem"


def tls_folder(store: Store) -> Path:
    return store.folder.root / "tls"


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def read_certificates(path: Path) -> list[CertificateView]:
    """Every certificate of a PEM file. Raises SettingError."""
    try:
        return [_view(each) for each in x509.load_pem_x509_certificates(path.read_bytes())]
    except (OSError, ValueError) as error:
        raise SettingError(
            say("%(path)s can't be read as certificates in PEM: %(why)s.", path=path, why=error)
        ) from error


def without_replaced(views: Sequence[CertificateView]) -> list[CertificateView]:
    """Those that somebody may still need: not one that has ended where another of its name is good."""
    good = {view.subject for view in views if view.days_left() >= 0}
    return [view for view in views if view.days_left() >= 0 or view.subject not in good]


def _view(certificate: x509.Certificate) -> CertificateView:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    return CertificateView(
        subject=certificate.subject.rfc4514_string(),
        names=tuple(str(name.value) for name in names),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        short=_has_short_key(certificate),
    )


def _has_short_key(certificate: x509.Certificate) -> bool:
    """Under 112 bits of security, OpenSSL's level 2, which Debian asks for."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False  # OpenSSL may know it
    least = 224 if isinstance(key, ec.EllipticCurvePublicKey) else 2048
    return getattr(key, "key_size", least) < least


def make_certificate(
    store: Store, actor: Actor, *, names: Sequence[str] = (), days: int = DAYS, replace: bool = False
) -> CertificateView:
    """Make a key and a certificate of our own in ``<data>/tls/``; peers import it to trust us.

    Raises ConflictError when settings name one or there is one already, unless `replace`.
    """
    if store.settings.tls.certificate is not None:
        raise ConflictError(
            say("Settings name a certificate already: %(certificate)s.", certificate=store.settings.tls.certificate)
        )
    folder = files.make_folder(tls_folder(store))
    if (folder / "certificate.pem").exists() and not replace:
        raise ConflictError(
            say("There is a certificate in %(folder)s already: use --replace to make another.", folder=folder)
        )
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    certificate = _self_signed(key, tuple(names) or our_names(), days)
    files.write_file(folder / "key.pem", private_bytes(key))
    files.write_file(folder / "certificate.pem", certificate.public_bytes(serialization.Encoding.PEM))
    view = _view(certificate)
    _note(store, actor, "certificate-made", view)
    return view


def private_bytes(key: rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def our_names() -> tuple[str, ...]:
    """What this machine is called: short name, full name, localhost."""
    return tuple(dict.fromkeys((socket.getfqdn(), socket.gethostname(), "localhost", "127.0.0.1")))


def _self_signed(key: rsa.RSAPrivateKey, names: Sequence[str], days: int) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    moment = now()
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - dt.timedelta(hours=1))  # clocks of modalities are not exact
        .not_valid_after(moment + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise UsageError(say("%(name)s is no host name or address.", name=name), field="names") from None


def trust(store: Store, path: Path, actor: Actor) -> list[CertificateView]:
    """Believe peers by the certificates in `path`, if TLS is on from now on. Raises SettingError, ConflictError."""
    if store.settings.tls.authorities is not None:
        raise ConflictError(
            say(
                "Settings name the trusted certificates: add it to %(authorities)s.",
                authorities=store.settings.tls.authorities,
            )
        )
    views = read_certificates(path)
    for view in views:
        if view.short:
            raise SettingError(too_short(view.subject))
    target = files.make_folder(tls_folder(store)) / "authorities.pem"
    before = target.read_bytes() if target.is_file() else b""
    files.write_file(target, before + path.read_bytes().rstrip() + b"\n")
    for view in views:
        _note(store, actor, "certificate-trusted", view)
    return views


def too_short(subject: str) -> str:
    """What to say of a certificate nobody can be believed by."""
    return say("The key of %(subject)s is too short for TLS: RSA has at least 2048 bits.", subject=subject)


def _note(store: Store, actor: Actor, event: str, view: CertificateView) -> None:
    detail = {"fingerprint": view.fingerprint, "until": view.not_after}
    with store.database.write() as connection:
        record(connection, event, actor, object_kind="certificate", object_id=view.subject, detail=detail)
