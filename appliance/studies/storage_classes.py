"""The storage SOP classes and transfer syntaxes of the standard (PS3.4 B.5, PS3.6 Annex A), current and retired."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pydicom.uid import UID_dictionary
from pynetdicom import sop_class

from appliance.newer_uids import NEWER

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
    compressed = sorted({*every, *NEWER} - set(UNCOMPRESSED) - _NOT_RECEIVED)
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


_COMMON = """
1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3.1 4 4.1 4.2 4.3 4.4 6.1 6.2 7 7.1 7.2 7.3 7.4 9.1.1 9.1.2 9.1.3 9.2.1 9.3.1
9.4.1 11.1 11.2 11.3 11.4 12.1 12.1.1 12.2 12.2.1 13.1.1 13.1.2 13.1.3 13.1.4 13.1.5 14.1 14.2 20 30 66 66.1 66.2 66.3
66.4 66.5 67 77.1.1 77.1.1.1 77.1.2 77.1.2.1 77.1.3 77.1.4 77.1.4.1 77.1.5.1 77.1.5.2 77.1.5.4 77.1.6 78.1 78.2 78.3
78.4 78.6 79.1 80.1 81.1 88.11 88.22 88.33 88.34 88.40 88.50 88.59 88.65 88.67 88.68 88.69 88.70 88.71 104.1 104.2 104.3
128 128.1 130 131 481.1 481.2 481.3 481.4 481.5 481.6 481.7 481.8 481.9
"""
CLASSES_AT_ONCE = 120
"""An association has room for 128 presentation contexts."""
COMMON_CLASSES = tuple(f"1.2.840.10008.5.1.4.1.1.{end}" for end in _COMMON.split())[:CLASSES_AT_ONCE]
"""What studies are usually made of: proposed by C-GET when an archive does not say."""
