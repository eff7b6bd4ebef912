"""Presentation LUT instances: reading one from its N-CREATE (PS3.4 H.4.9, PS3.3 C.11.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from appliance.dicom.answering import INVALID_VALUE, MISSING_ATTRIBUTE, MISSING_VALUE, StatusError
from appliance.dicom.capabilities import Capabilities
from appliance.dicom.domains import joined, one_of
from appliance.dicom.film_attributes import sent_value
from appliance.film.boxes import PresentationLUT

SHAPES = ("IDENTITY", "LIN OD")
MOST_ENTRIES = 65536
MOST_VALUES = 1 << 20
"""Values of all the different tables of an association: 256 tables of 12 bits. Each value takes up to 36 bytes."""
MOST_LUTS = 10_000
"""Presentation LUTs of an association, equal ones among them."""
DENSEST_STRICT = 10  # bits of an entry, at least, by the standard


def read_presentation_lut(dataset: Dataset, can: Capabilities, big_endian: bool = False) -> PresentationLUT:
    """A Presentation LUT from its attributes. Raises StatusError (0106, 0120, 0121)."""
    shape = sent_value(dataset, "PresentationLUTShape")
    table = sent_value(dataset, "PresentationLUTSequence")
    if shape is None and table is None:
        raise StatusError(MISSING_ATTRIBUTE, "neither Presentation LUT Sequence nor Shape", ("PresentationLUTShape",))
    if shape and table:
        raise StatusError(INVALID_VALUE, "both Presentation LUT Sequence and Shape", ("PresentationLUTSequence",))
    if not shape and not table:
        raise StatusError(MISSING_VALUE, "the Presentation LUT is empty", ("PresentationLUTShape",))
    return _shape(shape) if shape else _table(table, can, big_endian)


def _shape(value: Any) -> PresentationLUT:
    try:
        return PresentationLUT(PresentationLUTShape=one_of(joined(value), SHAPES))
    except ValueError as error:
        raise StatusError(INVALID_VALUE, f"Presentation LUT Shape: {error}", ("PresentationLUTShape",)) from None


def _table(items: Any, can: Capabilities, big_endian: bool) -> PresentationLUT:
    if len(items) != 1:
        raise _wrong(f"{len(items)} items instead of one")
    item = items[0]
    for keyword in ("LUTDescriptor", "LUTData"):
        if keyword not in item:
            raise StatusError(MISSING_ATTRIBUTE, f"{keyword} is missing", (keyword,))
    entries, first, bits = _descriptor(item, can, big_endian)
    data = _words(item, "LUTData", big_endian, entries)
    if len(data) != entries:
        raise _wrong(f"{len(data)} values for {entries} entries")
    if int(data.max()) >= 1 << bits:
        raise _wrong(f"value {int(data.max())} in entries of {bits} bits")
    explanation = sent_value(item, "LUTExplanation", assumed=can.assumed_charset)
    return PresentationLUT(
        first_value=first, bits=bits, data=tuple(data.tolist()), LUTExplanation=str(explanation or "")[:64]
    )


def _descriptor(item: Dataset, can: Capabilities, big_endian: bool) -> tuple[int, int, int]:
    words = _words(item, "LUTDescriptor", big_endian, 3)
    if len(words) != 3:
        raise _wrong(f"LUT Descriptor of {len(words)} values")
    entries, first, bits = (int(word) for word in words)
    entries = entries or MOST_ENTRIES
    if not (DENSEST_STRICT if can.strict else 8) <= bits <= 16:
        raise _wrong(f"entries of {bits} bits")
    if can.strict and (entries not in (256, 4096) or first != 0):
        raise _wrong(f"{entries} entries from {first}; 256 or 4096 from 0 are taken")
    return entries, first, bits


def _words(item: Dataset, keyword: str, big_endian: bool, count: int) -> np.ndarray:
    """US or OW values, whichever VR they came in; `count` tells bytes of entries from bytes of words."""
    value = item[keyword].value
    if isinstance(value, bytes):
        # Some send 8-bit tables as bytes; two bytes a value is the rule.
        size = 1 if len(value) == count else 2
        return np.frombuffer(
            value[: len(value) // size * size], dtype="u1" if size == 1 else ">u2" if big_endian else "<u2"
        )
    values = np.atleast_1d(np.asarray(value if value is not None else (), dtype=np.int64))
    return values & 0xFFFF  # SS for US


def _wrong(why: str) -> StatusError:
    return StatusError(INVALID_VALUE, f"Presentation LUT: {why}", ("PresentationLUTSequence",))
