"""Certificates their authorities have taken back: who shows one ends the handshake, whichever side we are.

By the lists we have (RFC 5280 CRLs). Not by OpenSSL's check: that refuses everybody whose authority gave no list, those
who are believed by their own certificate among them, all of an authority whose list is late, and does not look at a
session that is resumed.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.errors import SettingError
from appliance.words import say

REVOKED = 23  # X509_V_ERR_CERT_REVOKED
_BEGIN = b"-----BEGIN X509 CRL-----"

Revoked = frozenset[tuple[x509.Name, int]]
"""Issuer and serial number."""


def refuse_revoked(context: ssl.SSLContext, lists: Path) -> None:
    """From now on `context` takes nobody whose certificate stands in `lists` (PEM), if there are any.

    Raises SettingError when they can't be read.
    """
    found = revoked(read_lists(lists)) if lists.is_file() else frozenset()

    class Refusing(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            _refuse(self.getpeercert(binary_form=True), found)

    if found:
        context.sslsocket_class = Refusing


def _refuse(certificate: bytes | None, found: Revoked) -> None:
    if certificate is None:
        return
    peer = x509.load_der_x509_certificate(certificate)
    if (peer.issuer, peer.serial_number) in found:
        error = ssl.SSLCertVerificationError("certificate revoked")
        error.verify_code, error.verify_message = REVOKED, "certificate revoked"
        raise error


def revoked(lists: list[x509.CertificateRevocationList]) -> Revoked:
    return frozenset((each.issuer, entry.serial_number) for each in lists for entry in each)


def read_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """Every list of a PEM file, or the one of a DER file. Raises SettingError."""
    try:
        text = path.read_bytes()
        if _BEGIN not in text:
            return [x509.load_der_x509_crl(text)]
        pieces = (_BEGIN + piece for piece in text.split(_BEGIN)[1:])
        return [x509.load_pem_x509_crl(piece) for piece in pieces]
    except (OSError, ValueError) as error:
        raise SettingError(
            say("%(path)s can't be read as certificate revocation lists: %(why)s.", path=path, why=error)
        ) from error


def as_pem(lists: list[x509.CertificateRevocationList]) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in lists)
