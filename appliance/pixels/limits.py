"""What one request for pixels may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the decoder's children have no use for it
    from appliance.config import LimitsSettings

COPIES = 6
"""Frames that lie in memory at once, at the most, while one is decoded, windowed and shrunk."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request for pixels may take."""

    address_space: int = 3 << 30  # bytes, of the child
    cpu_seconds: int = 50  # of one request
    seconds: float = 60.0  # of one request, by the clock
    frame_bytes: int = 512 << 20  # one decoded frame
    inflated_bytes: int = 512 << 20  # a data set in Deflated Explicit VR Little Endian
    frames: int = 1_000_000


DEFAULT_LIMITS = Limits()


def limits_of(settings: LimitsSettings) -> Limits:
    """Those that are set; a child has the memory that the largest frame needs."""
    frame, inflated = settings.frame_mib << 20, settings.inflated_mib << 20
    room = max(Limits.address_space, COPIES * max(frame, inflated))
    return Limits(address_space=room, frame_bytes=frame, inflated_bytes=inflated)
