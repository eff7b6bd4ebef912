"""JPEG XL by libjxl, as a decoder plugin for pydicom, which has none (PS3.5 8.2.15)."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import Decoder, DecodeRunner
from pydicom.uid import UID

from appliance.newer_uids import JPEG_XLS
from appliance.pixels.errors import NotShownError
from appliance.words import say

DECODER_DEPENDENCIES = dict.fromkeys(JPEG_XLS, ("pyjpegxl>=0.3",))


@cache
def _libjxl() -> ModuleType:
    """Loaded where a frame wants it: few ever do, and it takes as long as all else the decoder loads."""
    try:
        import pyjpegxl  # noqa: PLC0415
    except ImportError:  # it is made for x86-64 alone
        text = "There is no decoder here for %(name)s. The image can be stored and copied, not shown."
        raise NotShownError(say(text, name="JPEG XL")) from None
    pyjpegxl.set_num_threads(1)  # as all codecs of a child (appliance.pixels.decoder)
    return pyjpegxl


def is_available(uid: str) -> bool:
    """Whether this plugin decodes transfer syntax `uid`."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame of up to 16 bits as little endian words, three samples a pixel by pixel."""
    bits = _libjxl().probe(source).bits_per_sample
    values = _whole_numbers(_libjxl().decode_to_numpy(source)[1], bits)
    if runner.pixel_representation == 1:  # the codestream knows no sign: two's complement of its bits
        values = values.astype(np.int32)
        values -= (values >> (bits - 1)) << bits
    return values.astype(f"<i{runner.bits_allocated // 8}").tobytes()


def _whole_numbers(values: NDArray[np.uint8 | np.uint16], bits: int) -> NDArray[np.uint8 | np.uint16]:
    """libjxl stretches 9 to 15 bits to 16: what they were."""
    full = np.iinfo(values.dtype).max
    highest = (1 << bits) - 1
    if highest == full:
        return values
    return np.rint(values * np.float32(highest / full)).astype(values.dtype)


def size(source: bytes) -> tuple[int, int, int, int]:
    """Rows, columns, samples (an alpha channel counts) and bits of a sample, as the codestream states them."""
    about = _libjxl().probe(source)
    return about.height, about.width, about.num_color_channels + about.has_alpha, about.bits_per_sample


DECODERS: dict[str, Decoder] = {}
"""Transfer syntax -> its decoder."""

for _uid in DECODER_DEPENDENCIES:
    DECODERS[_uid] = Decoder(UID(_uid))
    DECODERS[_uid].add_plugin("libjxl", (__name__, "decode_frame"))
