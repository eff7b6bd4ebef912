"""DICOM files as they come: what their head says, and where the data set begins (PS3.10 chapter 7).

The head we write ourselves is appliance.network.file_head.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance.errors import DamagedError
from appliance.words import say

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_LONGEST_META = 1 << 20
_META_HEAD = 4096  # bytes read to find the end of the file meta information; more only if that is longer


@dataclass(frozen=True, kw_only=True, slots=True)
class FileMeta:
    """What the head of a DICOM file says."""

    data_set_offset: int  # of the first byte after the file meta information
    MediaStorageSOPClassUID: str
    MediaStorageSOPInstanceUID: str
    TransferSyntaxUID: str


def read_file_meta(path: Path) -> FileMeta:
    """Read the head of a DICOM file. Raises DamagedError if it is none."""
    with path.open("rb") as file:
        try:
            return read_meta(file)[0]
        except DamagedError as error:
            raise DamagedError(f"{path.name}: {error}") from error


def read_meta(file: BinaryIO) -> tuple[FileMeta, bytes]:
    """Read the head of a DICOM file at its start: what it says, and what was read of the data set behind it.

    Raises DamagedError if it is none.
    """
    head = file.read(_META_HEAD)
    if head[128:132] != b"DICM":
        raise DamagedError(say("it is no DICOM file"))
    if head[132:138] == b"\2\0\0\0UL" and len(head) >= 144:
        wanted = min(144 + struct.unpack_from("<L", head, 140)[0], _LONGEST_META)
        head += file.read(max(0, wanted - len(head)))
    meta = _parsed(head, say("the file"))
    return meta, head[meta.data_set_offset :]


def _parsed(head: bytes, name: str) -> FileMeta:
    found: dict[int, str] = {}
    position = 132
    try:
        while head[position : position + 2] == b"\2\0":
            number, code = struct.unpack_from("<H2s", head, position + 2)
            long = code in (b"OB", b"UN", b"UT", b"OW")
            start = position + (12 if long else 8)
            length = struct.unpack_from("<L" if long else "<H", head, start - (4 if long else 2))[0]
            found[number] = head[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
            position = start + length
    except struct.error as error:
        raise DamagedError(say("%(name)s: the file meta information ends too early", name=name)) from error
    return FileMeta(
        data_set_offset=position,
        MediaStorageSOPClassUID=found.get(0x02, ""),
        MediaStorageSOPInstanceUID=found.get(0x03, ""),
        TransferSyntaxUID=found.get(0x10, ""),
    )
