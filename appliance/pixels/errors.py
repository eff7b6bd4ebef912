"""What can go wrong with an instance's pixels, said in words a clerk can act on."""

from __future__ import annotations

from appliance.errors import ApplianceError


class PixelError(ApplianceError):
    """The pixels of an instance can't be shown or decoded."""

    http_status = 422
    word = "not_shown"
    """Key of the words a disc says it in (templates/disc/words.toml)."""


class NotShownError(PixelError):
    """There is nothing here to show as a picture (video, no pixel data, no decoder for it)."""


class VideoError(NotShownError):
    """The instance is a video."""

    word = "video"


class TooLargeError(PixelError):
    """The instance asks for more memory, time or frames than is given."""

    word = "too_large"


class DamagedPixelsError(PixelError):
    """The pixel data is not what the header says it is."""

    word = "damaged"
