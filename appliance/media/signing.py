"""The signed list of a legal copy: RSA over SHA256.TXT, so that any ``openssl dgst -verify`` can judge it.

The key is the appliance's own, made when it is first needed and kept with its secrets. ``SIGNER.PEM`` on the disc is
the public key; the site vouches for it by its fingerprint.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from appliance.store import secrets
from appliance.store.store import Store

NAME = "disc-signing-key"
BITS = 3072


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Signs the list of sums."""

    key: rsa.RSAPrivateKey

    @property
    def length(self) -> int:
        """Bytes of a signature."""
        return self.key.key_size // 8

    def sign(self, data: bytes) -> bytes:
        """PKCS #1 v1.5 with SHA-256."""
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def public(self) -> bytes:
        """The public key as PEM."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(encoding, form)

    def fingerprint(self) -> str:
        """SHA-256 of the PEM file, as ``sha256sum SIGNER.PEM`` says it."""
        return hashlib.sha256(self.public()).hexdigest()


def signer_of(store: Store) -> Signer:
    """The appliance's signer; its key is made when there is none."""
    with store.database.write() as connection:
        pem = secrets.get(connection, NAME)
        if pem is None:
            pem = _new_key()
            secrets.put(connection, NAME, pem)
    key = serialization.load_pem_private_key(pem.encode("ascii"), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Signer(key=key)


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode("ascii")
