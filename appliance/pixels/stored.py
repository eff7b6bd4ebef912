"""One frame's stored values, by pydicom and the codecs it drives."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders import JPEGExtended12BitDecoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGExtended12Bit, RLELossless
from rle.rle import decode_segment

from appliance.newer_uids import DEFLATED_FRAMES, JPEG_XLS
from appliance.pixels import codestream, encapsulated, jpeg_xl
from appliance.pixels.errors import DamagedPixelsError, NotShownError, PixelError
from appliance.pixels.source import NATIVE_IN_ITEMS, Source
from appliance.words import say

# a decoder of JPEG learns from the codestream which process it is: spectral selection and full progression, too
_DECODED_AS = {
    **dict.fromkeys(codestream.PROGRESSIVE, JPEGExtended12Bit),
    **dict.fromkeys(NATIVE_IN_ITEMS, ExplicitVRLittleEndian),
}
_BITS_IN_ITEMS = {*NATIVE_IN_ITEMS, RLELossless}

JPEGExtended12BitDecoder.add_plugin("gdcm-12", ("appliance.pixels.extended", "decode_frame"))


def frame_values(source: Source, index: int, *, to_rgb: bool) -> tuple[NDArray[Any], dict[str, Any]]:
    """Frame `index` (from 0) as (rows, columns) or (rows, columns, samples), and the properties it has then.

    Values are cut to Bits Stored. With `to_rgb` YBR becomes RGB; without, values are exactly as stored.
    """
    if not 0 <= index < source.frames:
        raise NotShownError(
            say("There is no frame %(index)s: the image has %(frames)s.", index=index + 1, frames=source.frames)
        )
    if source.bits_allocated == 1 and (not source.encapsulated or source.transfer_syntax in _BITS_IN_ITEMS):
        return _bits(source, index), source.pixel_options()
    syntax = _DECODED_AS.get(source.transfer_syntax, source.transfer_syntax)
    decoder = _decoder(syntax)
    data = _frame_data(source, index)
    options, shift = source.pixel_options(), source.unused_low_bits if to_rgb else 0
    options["transfer_syntax_uid"] = syntax
    if syntax in JPEG_XLS and source.samples == 3:  # whatever it was coded as (XYB, a JPEG's YBR)
        options["photometric_interpretation"] = "RGB"
    if source.transfer_syntax in NATIVE_IN_ITEMS:  # what lies in unused bits was not compressed away
        options["correct_unused_bits"] = to_rgb
    try:
        options["bits_stored"] += shift
        values, properties = decoder.as_array(data, index=0, raw=not to_rgb, **options)
        values = values >> shift if shift else values
    except (PixelError, MemoryError):
        raise
    except Exception as error:
        # codecs raise whatever they like; all of it means the same here
        raise DamagedPixelsError(
            say("Frame %(index)s can't be decoded: %(why)s", index=index + 1, why=_short(error))
        ) from error
    return values, {**source.pixel_options(), **properties, "bits_stored": source.bits_stored}


def _decoder(syntax: UID) -> Decoder:
    if syntax in jpeg_xl.DECODERS:
        return jpeg_xl.DECODERS[syntax]
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or not decoder.is_available:
        name = syntax.name
        raise NotShownError(
            say("There is no decoder here for %(name)s. The image can be stored and copied, not shown.", name=name)
        )
    return decoder


def _frame_data(source: Source, index: int) -> bytes:
    """The bytes of one frame: native as they lie, compressed wrapped as a Pixel Data of one frame."""
    if source.transfer_syntax in NATIVE_IN_ITEMS:
        return _native_in_item(source, index)
    if source.encapsulated:
        encoded = encapsulated.read(source.file, source.fragments, index, source.frames)
        codestream.check(
            encoded, source.transfer_syntax, source.rows, source.columns, source.samples, source.bits_allocated
        )
        return encapsulated.wrap(encoded)
    length = source.native_frame_bits // 8
    source.file.seek(source.start + index * length)
    # the byte after an odd frame counts where words are swapped
    data = source.file.read(length + length % 2)
    if len(data) < length:
        raise DamagedPixelsError(say("The file ends within its pixel data."))
    return data + bytes(length + length % 2 - len(data))


def _native_in_item(source: Source, index: int) -> bytes:
    """One frame that lies in its item as it is, or deflated (PS3.5 8.2.16), and is no larger than the header says."""
    data = encapsulated.read(source.file, source.fragments, index, source.frames)
    length = (source.native_frame_bits + 7) // 8
    if source.transfer_syntax == DEFLATED_FRAMES:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, length + 2)
        except zlib.error as error:
            raise DamagedPixelsError(
                say("Frame %(index)s can't be decoded: %(why)s", index=index + 1, why=str(error))
            ) from None
    if not length <= len(data) <= length + 1:
        raise DamagedPixelsError(
            say(
                "Frame %(number)s has %(data)s bytes where its header needs %(length)s.",
                number=index + 1,
                data=len(data),
                length=length,
            )
        )
    return data[:length]


def _run_lengths(source: Source, index: int) -> bytes:
    """One frame of single bits: a segment of bytes with eight pixels each (PS3.5 G)."""
    encoded = encapsulated.read(source.file, source.fragments, index, source.frames)
    codestream.check(encoded, source.transfer_syntax, source.rows, source.columns, source.samples, 1)
    return bytes(decode_segment(encoded[int.from_bytes(encoded[4:8], "little") :]))


def _bits(source: Source, index: int) -> NDArray[np.uint8]:
    """Frames of single bits follow each other without padding, the first pixel in the lowest bit (PS3.5 D).

    In items each begins with a byte of its own.
    """
    pixels = source.rows * source.columns * source.samples
    first, last = index * pixels, (index + 1) * pixels
    if source.encapsulated:
        first, inside = 0, _run_lengths if source.transfer_syntax == RLELossless else _native_in_item
        data = np.frombuffer(inside(source, index), np.uint8)
    else:
        source.file.seek(source.start + first // 8)
        data = np.frombuffer(source.file.read((last + 7) // 8 - first // 8), np.uint8)
    bits = np.unpackbits(data, bitorder="little")[first % 8 :][:pixels]
    if bits.size != pixels:
        raise DamagedPixelsError(say("The file ends within its pixel data."))
    return bits.reshape(source.rows, source.columns)


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(error).__name__
