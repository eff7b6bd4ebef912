"""Two files that say the same in another encoding: implicit or explicit VR, sequences with or without a length.

Whoever passes an instance on may write it anew (DCMTK does, and so do most archives): the study that came by network
and the same study from a disc then differ in their bytes, and in nothing else.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from appliance.errors import DamagedError
from appliance.studies import elements
from appliance.studies.bounds import check_items
from appliance.words import say

LARGEST = 512 << 20
"""Files beyond this are not compared: they would have to be held in memory."""
LARGEST_AT_THE_DOOR = 64 << 20
"""The same, where a sender waits, perhaps a hostile one: what is larger is settled when a disc is planned."""
DOOR_SECONDS = 5.0
"""How long one waits there for its turn to be compared."""
_NOT_SAID = frozenset({0x00080001, 0xFFFCFFFC})  # Length to End, Data Set Trailing Padding
_TEXTS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
_ONE_AT_A_TIME = threading.Lock()


def digest(path: Path, offset: int, frames: int = 0, leave: Container[int] = (), turn_seconds: float = -1.0) -> bytes:
    """SHA-256 of all that the data set at `offset` of a DICOM file says, `leave` and group lengths apart.

    Equal for two encodings of one content. Tags of `leave` are those of the top level. Raises DamagedError when it
    can't be read, is too large to be compared, or has to wait for its turn longer than `turn_seconds` (-1: for ever).
    """
    if path.stat().st_size > LARGEST:
        raise DamagedError(say("it is larger than %(largest)s MiB", largest=LARGEST >> 20))
    check_items(path, offset, frames)
    found = hashlib.sha256()
    if not _ONE_AT_A_TIME.acquire(timeout=turn_seconds):
        raise DamagedError(say("others are being compared: try again in a moment"))
    try:
        _add(found, dcmread(path), leave)
    except Exception as error:  # readers of damaged files raise whatever they like
        raise DamagedError(say("it can't be read (%(name)s)", name=type(error).__name__)) from error
    finally:
        _ONE_AT_A_TIME.release()
    return found.digest()


def those_alike(path: Path, offset: int, others: Sequence[tuple[Path, int]]) -> list[bool]:
    """Which of `others` (file, offset of its data set) differ from a new file in their encoding only.

    False where that can't be found out, or not at once.
    """
    own = _at_the_door(path, offset)
    return [own is not None and _at_the_door(*other) == own for other in others]


def _at_the_door(path: Path, offset: int) -> bytes | None:
    try:
        if path.stat().st_size > LARGEST_AT_THE_DOOR:
            return None
        return digest(path, offset, turn_seconds=DOOR_SECONDS)
    except (DamagedError, OSError):
        return None


def _add(found: Any, dataset: Dataset, leave: Container[int] = ()) -> None:
    for tag in sorted(map(int, dataset.keys())):
        if tag & 0xFFFF and tag not in _NOT_SAID and tag not in leave:
            _add_element(found, dataset, tag)
    found.update(b"end")


def _add_element(found: Any, dataset: Dataset, tag: int) -> None:
    raw: Any = dataset.get_item(tag)
    vr = elements.known_vr(tag, raw.VR)
    if vr == "SQ" or isinstance(raw.value, Items):
        items = elements.items(dataset, tag)
        found.update(struct.pack("<L2sQ", tag, b"SQ", len(items)))
        for item in items:
            _add(found, item)
        return
    value = elements.whole_value(dataset, tag, vr)
    value = value.strip(b" \0") if _is_text(tag) else value + b"\0" * (len(value) % 2)
    found.update(struct.pack("<L2sQ", tag, b"  ", len(value)) + value)


def _is_text(tag: int) -> bool:
    """Whether padding says nothing: by the dictionary, for Implicit VR doesn't tell."""
    try:
        return dictionary_VR(tag) in _TEXTS
    except KeyError:
        return False
