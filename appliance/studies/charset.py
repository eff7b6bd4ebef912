"""Which character set the texts of an instance are really in (PS3.3 C.12.1.1.2, PS3.5 6.1)."""

from __future__ import annotations

import codecs
import re
import warnings
from dataclasses import dataclass

from pydicom.charset import CODES_TO_ENCODINGS, convert_encodings, decode_bytes, python_encoding

from appliance.legible import TO_GB_2312
from appliance.pydicom_bounds import MOST_TERMS

_CONTROL = re.compile("[\x80-\x9f\ufffd]")  # C1 controls and replacement characters: no set for texts has them
_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C, 0x5C, 0x5E, 0x3D}
_NOT_ASCII = re.compile(rb"[\x80-\xff\x1b]")
_NEARLY = re.compile(r"ISO[ _-]*(2022)?[ _-]*IR[ _-]*(\d+)", re.IGNORECASE)  # ISO-IR 100, iso_ir 144, ISO 2022-IR 87
_ALONE = frozenset({"ISO_IR 192", "GB18030", "GBK"})  # PS3.3 C.12.1.1.2: no code extensions

# Latin alphabet No. 9 (PS3.3 Tables C.12-2, C.12-3), which pydicom 3.0.2 does not know
python_encoding.setdefault("ISO_IR 203", "iso8859_15")
python_encoding.setdefault("ISO 2022 IR 203", "iso8859_15")
CODES_TO_ENCODINGS.setdefault(b"\x1b-b", "iso8859_15")


@dataclass(frozen=True, kw_only=True)
class CharacterSet:
    """A character set as DICOM names it, and why we think so."""

    SpecificCharacterSet: tuple[str, ...]  # defined terms; empty is the default repertoire
    source: str  # "declared", "assumed" (the peer's setting), "guessed"

    @property
    def encodings(self) -> list[str]:
        """pydicom's names of the encodings."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert_encodings(list(self.SpecificCharacterSet) or [""])

    def text(self, value: bytes) -> str:
        """A value as text; what can't be read is replaced."""
        if not is_special(value):
            return value.decode("ascii")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return decode_bytes(value, self.encodings, _DELIMITERS).replace(TO_GB_2312, "")
            except (ValueError, LookupError):
                return value.decode("ascii", "replace")

    def reads(self, value: bytes) -> bool:
        """Whether `value` makes sense in this set."""
        terms = self.SpecificCharacterSet
        if any(term not in python_encoding for term in terms) or terms in ((), ("",), ("ISO_IR 6",)):
            return False
        return not _CONTROL.search(self.text(value))


def is_special(value: bytes) -> bool:
    """Whether a value needs a character set: bytes beyond ASCII, or escape sequences."""
    return _NOT_ASCII.search(value) is not None


def character_set(declared: bytes, sample: bytes, assumed: str = "") -> CharacterSet:
    """The set of an instance: as declared, else as assumed of its peer, else UTF-8 or Latin-1, whichever can be read.

    `declared` is the value of Specific Character Set, `sample` the texts to be read, `assumed` a value of Specific
    Character Set (``ISO_IR 144``, ``\\ISO 2022 IR 87``) for peers that leave it out or say it wrongly.
    """
    own = CharacterSet(SpecificCharacterSet=_terms(declared.decode("ascii", "replace")), source="declared")
    if not is_special(sample) or own.reads(sample):
        return own
    candidates = ((_terms(assumed), "assumed"), (("ISO_IR 192",), "guessed"))
    for terms, source in candidates:
        found = CharacterSet(SpecificCharacterSet=terms, source=source)
        if terms and found.reads(sample):
            return found
    return CharacterSet(SpecificCharacterSet=("ISO_IR 100",), source="guessed")


def _terms(text: str) -> tuple[str, ...]:
    """Defined terms as the standard writes and combines them, for what nearly is one (PS3.3 C.12.1.1.2)."""
    if not text.strip(" \0\\"):
        return ()
    terms = tuple(_NEARLY.sub(_defined, term.strip(" \0")) for term in text.split("\\")[:MOST_TERMS])
    if len(terms) == 1 or terms[0] in _ALONE:
        return terms[:1]
    return tuple(term.replace("ISO_IR ", "ISO 2022 IR ") for term in terms)


def _defined(nearly: re.Match[str]) -> str:
    return f"ISO {nearly[1]} IR {nearly[2]}" if nearly[1] else f"ISO_IR {nearly[2]}"


def code_page(assumed: str) -> str:
    """`assumed` as the name of one of Python's code pages; "" where it is empty or a DICOM term."""
    if not assumed or any(term.strip() in python_encoding for term in assumed.split("\\")):
        return ""
    try:
        return codecs.lookup(assumed).name
    except LookupError:
        return ""
