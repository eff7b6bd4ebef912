"""The head of a DICOM file (PS3.10 chapter 7): preamble, prefix, and file meta information of our own."""

from __future__ import annotations

import re
import struct

IMPLEMENTATION_CLASS_UID = "2.25.60001049666205212207289255643341066183"
IMPLEMENTATION_VERSION_NAME = "APPLIANCE_1"

_UID_LETTERS = re.compile(r"[0-9.]{1,64}", re.ASCII)


def may_be_uid(text: str) -> bool:
    """Whether it is made of what UIDs are made of.

    UIDs that only break a rule of PS3.5 9.1 (a leading zero in a component) pass: they are common.
    """
    return _UID_LETTERS.fullmatch(text) is not None


def head_of_file(SOPClassUID: str, SOPInstanceUID: str, TransferSyntaxUID: str) -> bytes:
    """128 bytes of preamble, DICM, and the file meta information. Raises ValueError when a UID is not ASCII."""
    body = b"".join(
        (
            b"\2\0\1\0OB\0\0\2\0\0\0\0\1",
            _text(0x02, b"UI", SOPClassUID, b"\0"),
            _text(0x03, b"UI", SOPInstanceUID, b"\0"),
            _text(0x10, b"UI", TransferSyntaxUID, b"\0"),
            _text(0x12, b"UI", IMPLEMENTATION_CLASS_UID, b"\0"),
            _text(0x13, b"SH", IMPLEMENTATION_VERSION_NAME, b" "),
        )
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(body)) + body


def _text(number: int, vr: bytes, text: str, pad: bytes) -> bytes:
    value = text.encode("ascii")
    value += pad * (len(value) % 2)
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value
