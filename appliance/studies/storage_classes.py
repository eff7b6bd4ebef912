"""The storage SOP classes and transfer syntaxes of the standard (PS3.4 B.5, PS3.6 Annex A), current and retired."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pydicom.uid import UID_dictionary
from pynetdicom import sop_class

EXPLICIT_LE = "1.2.840.10008.1.2.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
UNCOMPRESSED = (EXPLICIT_LE, IMPLICIT_LE, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")

_NOT_STORED = frozenset(
    {
        "1.2.840.10008.1.3.10",  # Media Storage Directory: lies on media only
        "1.2.840.10008.5.1.1.27",  # Stored Print: of print management
    }
)
_NOT_RECEIVED = frozenset(  # streamed (JPIP, SMPTE ST 2110), or no data set (MIME, XML)
    {
        "1.2.840.10008.1.20",  # Papyrus
        "1.2.840.10008.1.2.4.94",
        "1.2.840.10008.1.2.4.95",
        "1.2.840.10008.1.2.4.204",
        "1.2.840.10008.1.2.4.205",
        "1.2.840.10008.1.2.6.1",
        "1.2.840.10008.1.2.6.2",
        "1.2.840.10008.1.2.7.1",
        "1.2.840.10008.1.2.7.2",
        "1.2.840.10008.1.2.7.3",
    }
)


def _storage_classes() -> tuple[str, ...]:
    dictionary = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and "Commitment" not in name
    }
    newer = {str(uid) for uid in sop_class._STORAGE_CLASSES.values()}
    return tuple(sorted((dictionary | newer) - _NOT_STORED))


def _transfer_syntaxes() -> tuple[str, ...]:
    every = [uid for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"]
    compressed = sorted(set(every) - set(UNCOMPRESSED) - _NOT_RECEIVED)
    return (*UNCOMPRESSED, *compressed)


STORAGE_CLASSES = _storage_classes()
"""SOP classes that C-STORE takes."""

TRANSFER_SYNTAXES = _transfer_syntaxes()
"""Transfer syntaxes that C-STORE takes, the one we like best first."""

_COMPRESSED = frozenset(TRANSFER_SYNTAXES) - set(UNCOMPRESSED)


def in_order_of(proposed: Sequence[str]) -> Sequence[str]:
    """Our order for a context with several syntaxes: compressed first where the one who proposes puts it first."""
    return _led_by(proposed[0]) if proposed[0] in _COMPRESSED else TRANSFER_SYNTAXES


@lru_cache(maxsize=len(TRANSFER_SYNTAXES))
def _led_by(syntax: str) -> tuple[str, ...]:
    return (syntax, *(other for other in TRANSFER_SYNTAXES if other != syntax))
