"""What a compressed frame says of itself, read before any decoder sees it.

A few bytes can claim 65535 x 65535 pixels; a decoder believes them and allocates. The size in the codestream must be
the size in the DICOM header, which has been checked against the limits already.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from appliance.newer_uids import JPEG_XLS
from appliance.pixels import jpeg_xl
from appliance.pixels.errors import DamagedPixelsError
from appliance.words import say

JPEG_2000 = {JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL}
PROGRESSIVE = {UID("1.2.840.10008.1.2.4.53"), UID("1.2.840.10008.1.2.4.55")}
"""JPEG by spectral selection and by full progression, retired."""
JPEG = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless}
JPEG |= PROGRESSIVE

# ISO/IEC 10918-1 table B.1 and ISO/IEC 14495-1 table C.1: markers that begin a frame header
START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True, kw_only=True)
class CodestreamSize:
    """Size of one compressed frame as its codestream states it."""

    rows: int
    columns: int
    samples: int
    precision: int  # bits of a sample


def check(encoded: bytes, transfer_syntax: UID, rows: int, columns: int, samples: int, bits_allocated: int) -> None:
    """Raise :class:`DamagedPixelsError` unless `encoded` is as large as the header says."""
    if transfer_syntax == RLELossless:
        _check_rle(encoded, rows, columns, max(1, samples * bits_allocated // 8))
        return
    size = read_size(encoded, transfer_syntax)
    if size is None:
        return
    if (size.rows, size.columns, size.samples) != (rows, columns, samples):
        raise DamagedPixelsError(
            say(
                "The compressed frame says %(rows)s x %(columns)s x %(samples)s, its header %(rows_2)s x "
                "%(columns_2)s x %(samples_2)s.",
                rows=size.rows,
                columns=size.columns,
                samples=size.samples,
                rows_2=rows,
                columns_2=columns,
                samples_2=samples,
            )
        )
    if size.precision > bits_allocated:
        raise DamagedPixelsError(
            say(
                "The compressed frame has %(precision)s bits a sample, its header %(bits_allocated)s.",
                precision=size.precision,
                bits_allocated=bits_allocated,
            )
        )


def read_size(encoded: bytes, transfer_syntax: UID) -> CodestreamSize | None:
    """The size in the codestream; None for a transfer syntax that has none."""
    if transfer_syntax in JPEG_2000:
        return _jpeg_2000_size(encoded)
    if transfer_syntax in JPEG_XLS:
        return _jpeg_xl_size(encoded)
    return _jpeg_size(encoded) if transfer_syntax in JPEG else None


def _jpeg_xl_size(encoded: bytes) -> CodestreamSize:
    """Size header and image metadata, ISO/IEC 18181-1."""
    try:
        rows, columns, samples, precision = jpeg_xl.size(encoded)
    except RuntimeError:
        raise DamagedPixelsError(say("The compressed frame has no JPEG XL header.")) from None
    return CodestreamSize(rows=rows, columns=columns, samples=samples, precision=precision)


def _jpeg_2000_size(encoded: bytes) -> CodestreamSize:
    """SIZ marker segment, ISO/IEC 15444-1 A.5.1."""
    start = encoded.find(b"\xff\x4f\xff\x51", 0, 4096)
    siz = encoded[start + 4 : start + 46]
    if start < 0 or len(siz) < 42:
        raise DamagedPixelsError(say("The compressed frame has no JPEG 2000 header."))
    x1, y1, x0, y0 = (int.from_bytes(siz[at : at + 4], "big") for at in (4, 8, 12, 16))
    samples = int.from_bytes(siz[36:38], "big")
    return CodestreamSize(rows=y1 - y0, columns=x1 - x0, samples=samples, precision=(siz[38] & 0x7F) + 1)


def _jpeg_size(encoded: bytes) -> CodestreamSize:
    """Frame header, ISO/IEC 10918-1 B.2.2; JPEG-LS has the same."""
    at = encoded.find(b"\xff\xd8", 0, 64)
    while 0 <= at < len(encoded) - 9:
        if encoded[at] != 0xFF:
            break
        marker = encoded[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in WITHOUT_LENGTH:
            at += 2
        elif marker in START_OF_FRAME:
            rows, columns = (int.from_bytes(encoded[at + k : at + k + 2], "big") for k in (5, 7))
            return CodestreamSize(rows=rows, columns=columns, samples=encoded[at + 9], precision=encoded[at + 4])
        else:
            at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    raise DamagedPixelsError(say("The compressed frame has no JPEG header."))


def _check_rle(encoded: bytes, rows: int, columns: int, segments: int) -> None:
    """PS3.5 G: a segment for each byte of a pixel (one of single bits), none longer than its rows at worst."""
    offsets = [int.from_bytes(encoded[at : at + 4], "little") for at in range(0, min(64, len(encoded)), 4)]
    if not offsets or offsets[0] != segments or segments > 15:
        raise DamagedPixelsError(say("The compressed frame has no RLE header, or one for other pixels."))
    ends = [*offsets[2 : segments + 1], len(encoded)]
    worst = rows * (columns + columns // 128 + 2) + 2
    for start, end in zip(offsets[1 : segments + 1], ends, strict=True):
        if not 64 <= start <= end <= len(encoded) or end - start > worst:
            raise DamagedPixelsError(say("The compressed frame has more RLE data than its pixels can need."))
