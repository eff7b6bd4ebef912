"""The DICOMDIR: stored record bodies joined, offsets patched, streamed out (PS3.3 Annex F, PS3.10 8.6).

Time is linear in the number of records, memory is the entries given and three numbers for each of them.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from appliance.network.file_head import head_of_file
from appliance.studies.elements import element
from appliance.studies.part10 import EXPLICIT_VR_LITTLE_ENDIAN, MEDIA_STORAGE_DIRECTORY

from .file_id import FileID
from .icon_element import ICON_BYTES

_CHUNK = 1 << 16
_ITEM = struct.Struct("<L")
_OFFSETS_SIZE = 12 + 10 + 12  # next record, in-use flag, lower-level entity
_ROOT_SIZE = 12 + 12 + 10  # first and last root record, consistency flag
_SEQUENCE_HEAD = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The instance a record stands for."""

    file_id: FileID
    SOPClassUID: str
    SOPInstanceUID: str
    TransferSyntaxUID: str  # as on the disc
    related_class: str = ""  # Related General SOP Class UID, if the instance has one


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One directory record, in the order of the tree, parents first."""

    level: int  # 0 in the root: PATIENT and its like; 1 STUDY; 2 SERIES; 3 instances
    record_type: str
    body: bytes  # keys from group 0008 on, Explicit VR Little Endian
    reference: Reference | None = None
    icon: bool = False  # an icon follows the body: the next of the file of icons


class DicomDir:
    """A DICOMDIR ready to be streamed: its size is known, its bytes come on demand, as often as asked."""

    def __init__(
        self, file_set_id: str, file_set_uid: str, entries: Sequence[Entry], icons: Path | None = None
    ) -> None:
        """`icons` is the file of the entries' icons, in their order; not needed where only the size is wanted."""
        self._icons = icons
        self._head = head_of_file(MEDIA_STORAGE_DIRECTORY, file_set_uid, EXPLICIT_VR_LITTLE_ENDIAN)
        self._identification = element(0x00041130, "CS", file_set_id.encode("ascii"))
        self._entries = entries
        start = len(self._head) + len(self._identification) + _ROOT_SIZE + _SEQUENCE_HEAD
        self._layout(start)

    def _layout(self, start: int) -> None:
        count = len(self._entries)
        self._next, self._child = array("Q", bytes(8 * count)), array("Q", bytes(8 * count))
        self._first_root = self._last_root = 0
        offset = start
        last_at: list[int] = []  # index of the last record of each level in the present branch
        for index, entry in enumerate(self._entries):
            level = entry.level
            if level < len(last_at):
                self._next[last_at[level]] = offset
            elif level:
                self._child[last_at[level - 1]] = offset
            del last_at[level:]
            last_at.append(index)
            if level == 0:
                self._first_root, self._last_root = self._first_root or offset, offset
            offset += 8 + _OFFSETS_SIZE + len(_identity(entry)) + _body_size(entry)
        self._sequence_length = offset - start
        self.size = offset

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file."""
        yield self._head
        yield self._identification + self._root() + _sequence_head(self._sequence_length)
        parts: list[bytes] = []
        held = 0
        with self._icons.open("rb") if self._icons else nullcontext() as icons:
            for index, entry in enumerate(self._entries):
                parts.append(self._record(index, entry))
                if entry.icon:
                    assert icons is not None
                    parts.append(icons.read(ICON_BYTES))
                held += len(parts[-1])
                if held >= _CHUNK:
                    yield b"".join(parts)
                    parts, held = [], 0
        yield b"".join(parts)

    def _root(self) -> bytes:
        return (
            element(0x00041200, "UL", _ITEM.pack(self._first_root))
            + element(0x00041202, "UL", _ITEM.pack(self._last_root))
            + element(0x00041212, "US", b"\0\0")
        )

    def _record(self, index: int, entry: Entry) -> bytes:
        identity = _identity(entry)
        length = _OFFSETS_SIZE + len(identity) + _body_size(entry)
        return b"".join((b"\xfe\xff\x00\xe0", _ITEM.pack(length), self._offsets(index), identity, entry.body))

    def _offsets(self, index: int) -> bytes:
        return b"".join(
            (
                b"\x04\x00\x00\x14UL\x04\x00",
                _ITEM.pack(self._next[index]),
                b"\x04\x00\x10\x14US\x02\x00\xff\xff\x04\x00\x20\x14UL\x04\x00",
                _ITEM.pack(self._child[index]),
            )
        )


def _body_size(entry: Entry) -> int:
    return len(entry.body) + (ICON_BYTES if entry.icon else 0)


def _sequence_head(length: int) -> bytes:
    return b"\x04\x00\x20\x12SQ\0\0" + _ITEM.pack(length)


def _identity(entry: Entry) -> bytes:
    """(0004,1430) and, for instances, (0004,1500) to (0004,151A)."""
    kind = element(0x00041430, "CS", entry.record_type.encode("ascii"))
    reference = entry.reference
    if reference is None:
        return kind
    return b"".join(
        (
            kind,
            element(0x00041500, "CS", "\\".join(reference.file_id).encode("ascii")),
            element(0x00041510, "UI", reference.SOPClassUID.encode("ascii")),
            element(0x00041511, "UI", reference.SOPInstanceUID.encode("ascii")),
            element(0x00041512, "UI", reference.TransferSyntaxUID.encode("ascii")),
            element(0x0004151A, "UI", reference.related_class.encode("ascii")) if reference.related_class else b"",
        )
    )
