"""UIDs of the standard that are newer than pydicom's dictionary (PS3.6 Table A-1): importing this makes them known.

Without, pydicom takes their transfer syntaxes for none at all.
"""

from __future__ import annotations

from pydicom.uid import UID, UID_dictionary

NEWER = {
    "1.2.840.10008.1.2.4.110": ("JPEG XL Lossless", "JPEGXLLossless"),
    "1.2.840.10008.1.2.4.111": ("JPEG XL JPEG Recompression", "JPEGXLJPEGRecompression"),
    "1.2.840.10008.1.2.4.112": ("JPEG XL", "JPEGXL"),
    "1.2.840.10008.1.2.8.1": ("Deflated Image Frame Compression", "DeflatedImageFrameCompression"),
}
"""Transfer syntax -> its name and keyword."""

for _uid, (_name, _keyword) in NEWER.items():
    UID_dictionary.setdefault(_uid, (_name, "Transfer Syntax", "", "", _keyword))

DEFLATED_FRAMES = UID("1.2.840.10008.1.2.8.1")
"""Each frame a raw Deflate stream (RFC 1951) of what an uncompressed one would be (PS3.5 8.2.16)."""

JPEG_XLS = JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL = tuple(
    UID(f"1.2.840.10008.1.2.4.{n}") for n in (110, 111, 112)
)
