"""Decoding of any instance's pixels to display values, in a limited child process."""

from appliance.pixels.decoder import Decoder, Preview, RawPixels
from appliance.pixels.errors import DamagedPixelsError, NotShownError, PixelError, TooLargeError, VideoError
from appliance.pixels.picture import ICON_EDGE
from appliance.pixels.source import Limits

__all__ = [
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
]
