"""Decoding of any instance's pixels to display values, in a limited child process."""

from appliance.pixels.decoder import Decoder, Preview, RawPixels
from appliance.pixels.errors import DamagedPixelsError, NotShownError, PixelError, TooLargeError, VideoError
from appliance.pixels.limits import DEFAULT_LIMITS, Limits, limits_of
from appliance.pixels.picture import ICON_EDGE

__all__ = [
    "DEFAULT_LIMITS",
    "ICON_EDGE",
    "DamagedPixelsError",
    "Decoder",
    "Limits",
    "NotShownError",
    "PixelError",
    "Preview",
    "RawPixels",
    "TooLargeError",
    "VideoError",
    "limits_of",
]
