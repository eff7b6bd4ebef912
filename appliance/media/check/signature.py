"""The signature of the list of sums (a legal copy): is it right, and does the list name every file?"""

from __future__ import annotations

from collections.abc import Collection

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from appliance.words import say

from .finding import Findings
from .medium import Medium

LIST, SIGNATURE, SIGNER = "SHA256.TXT", "SHA256.SIG", "SIGNER.PEM"


def check_signature(medium: Medium, listed: Collection[str], findings: Findings) -> None:
    """Nothing is said of a disc without SIGNER.PEM. Whether that key is the maker's only its fingerprint can tell."""
    if SIGNER not in medium.files:
        return
    for name in (LIST, SIGNATURE):
        if name not in medium.files:
            findings.error("signature", name, say("it is not on the disc, though SIGNER.PEM is: nothing is proven"))
            return
    content, signature, signer = (medium.files[name].content().tobytes() for name in (LIST, SIGNATURE, SIGNER))
    if not _is_right(content, signature, signer):
        text = say("it is not the signature of SHA256.TXT by SIGNER.PEM: one of the three has been changed")
        findings.error("signature", SIGNATURE, text)
    for path, file in medium.files.items():
        if path not in listed and file.long_path not in listed and path not in (LIST, SIGNATURE):
            findings.error("unexpected-file", path, say("the signed list does not name it"))


def _is_right(content: bytes, signature: bytes, signer: bytes) -> bool:
    try:
        key = load_pem_public_key(signer)
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(signature, content, PKCS1v15(), SHA256())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
