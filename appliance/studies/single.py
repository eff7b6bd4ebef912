"""One value where a directory key has one: a backslash parts values, so none may stand in it (PS3.5 6.2, 6.4)."""

from __future__ import annotations

import warnings
from functools import lru_cache

from pydicom.charset import encode_string
from pydicom.datadict import dictionary_VM

from appliance.studies.charset import CharacterSet, is_special

INSTEAD = "/"
"""Stands for a backslash in a text: the whole text stays, so that two patients stay two."""

_NAMES = frozenset({"LO", "SH", "PN"})
_FIRST = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})  # where only the first value makes sense


def one_value(tag: int, vr: str, value: bytes, charset: CharacterSet) -> bytes:
    """The value a directory record can hold: `value` as it is, unless it has several where the key has one.

    Texts keep all of it with a slash for each backslash; of dates, codes, numbers and UIDs the first value is taken.
    """
    if b"\\" not in value or vr not in _NAMES | _FIRST or not has_one_value(tag):
        return value
    if vr in _FIRST:
        return next((part for part in (each.strip(b" \0") for each in value.split(b"\\")) if part), b"")
    if not is_special(value):
        return one_text(value.decode("ascii")).encode("ascii")
    text = charset.text(value)
    # the second byte of a Chinese or Japanese character may look like a backslash
    return _encoded(one_text(text), charset) if "\\" in text else value


def one_text(text: str) -> str:
    """A decoded text as one value."""
    return text.replace("\\", INSTEAD)


@lru_cache(maxsize=512)
def has_one_value(tag: int) -> bool:
    """Whether the dictionary gives an attribute exactly one value."""
    try:
        return dictionary_VM(tag) == "1"
    except KeyError:
        return False


def _encoded(text: str, charset: CharacterSet) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return encode_string(text, charset.encodings)
