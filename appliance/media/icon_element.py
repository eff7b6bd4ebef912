"""One icon of a directory record, as the bytes of its element (PS3.3 F.7)."""

from __future__ import annotations

from appliance.pixels import ICON_EDGE
from appliance.studies import elements

_ICON = 0x00880200


def icon_element(pixels: bytes) -> bytes:
    """Icon Image Sequence with one item of 8-bit grey, ICON_EDGE pixels square."""
    words = {
        0x00280002: 1,  # Samples per Pixel
        0x00280010: ICON_EDGE,  # Rows
        0x00280011: ICON_EDGE,  # Columns
        0x00280100: 8,  # Bits Allocated
        0x00280101: 8,  # Bits Stored
        0x00280102: 7,  # High Bit
        0x00280103: 0,  # Pixel Representation
    }
    parts = {tag: elements.element(tag, "US", value.to_bytes(2, "little")) for tag, value in words.items()}
    parts[0x00280004] = elements.element(0x00280004, "CS", b"MONOCHROME2")
    parts[0x7FE00010] = elements.element(0x7FE00010, "OB", pixels)
    return elements.sequence(_ICON, [b"".join(parts[tag] for tag in sorted(parts))])


ICON_BYTES = len(icon_element(bytes(ICON_EDGE * ICON_EDGE)))
"""All are of one size: a plan knows that of its directory."""
