"""DICOM files as bytes: where the data set begins, and the file meta information we write (PS3.10 chapter 7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance.errors import DamagedError
from appliance.studies.elements import element

IMPLEMENTATION_CLASS_UID = "2.25.60001049666205212207289255643341066183"
IMPLEMENTATION_VERSION_NAME = "APPLIANCE_1"
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


def head_of_file(SOPClassUID: str, SOPInstanceUID: str, TransferSyntaxUID: str) -> bytes:
    """Preamble of zeros, DICM, and file meta information of our own."""
    body = b"".join(
        (
            element(0x00020001, "OB", b"\0\1"),
            element(0x00020002, "UI", SOPClassUID.encode("ascii")),
            element(0x00020003, "UI", SOPInstanceUID.encode("ascii")),
            element(0x00020010, "UI", TransferSyntaxUID.encode("ascii")),
            element(0x00020012, "UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
            element(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
        )
    )
    return bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<L", len(body))) + body


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
        raise DamagedError("it is no DICOM file")
    if head[132:138] == b"\2\0\0\0UL" and len(head) >= 144:
        wanted = min(144 + struct.unpack_from("<L", head, 140)[0], _LONGEST_META)
        head += file.read(max(0, wanted - len(head)))
    meta = _parsed(head, "the file")
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
        raise DamagedError(f"{name}: the file meta information ends too early") from error
    return FileMeta(
        data_set_offset=position,
        MediaStorageSOPClassUID=found.get(0x02, ""),
        MediaStorageSOPInstanceUID=found.get(0x03, ""),
        TransferSyntaxUID=found.get(0x10, ""),
    )
