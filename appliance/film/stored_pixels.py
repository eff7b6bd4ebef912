"""The pixels of an image box as they were received, from their file to an array (PS3.3 C.7.6.3, PS3.5 section 8)."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import DamagedError
from appliance.film.boxes import Image
from appliance.words import say

Pixels = NDArray[Any]  # uint8 or uint16


def read(image: Image, folder: Path) -> Pixels:
    """Stored values 0 .. 2**BitsStored - 1: (Rows, Columns) for grey, (Rows, Columns, 3) of 8 bits for RGB.

    uint8 for up to 8 bits stored, else uint16. Signed values are raised so that the least is 0. Whatever the words hold
    beside the stored bits is dropped. Raises DamagedError when the file is missing or too short, OSError when it can't
    be opened now: that is no fault of the film's.
    """
    values = _stored(_words(image, folder), image)
    if image.SamplesPerPixel == 1:
        return values.reshape(image.Rows, image.Columns)
    if values.dtype == np.uint16:
        values = (values >> (image.BitsStored - 8)).astype(np.uint8)
    if image.PlanarConfiguration == 0:
        return values.reshape(image.Rows, image.Columns, 3)
    return np.asarray(cv2.merge(list(values.reshape(3, image.Rows, image.Columns))))


def _words(image: Image, folder: Path) -> Pixels:
    """The words of Pixel Data as they lie in the file, mapped, in this machine's byte order."""
    count = image.Rows * image.Columns * image.SamplesPerPixel
    reference = image.pixels
    if image.BitsAllocated == 16:
        words = _mapped(folder / reference.file, reference.offset, ">u2" if reference.big_endian else "<u2", count)
        return words.astype(np.uint16, copy=False)
    if not reference.big_endian:
        return _mapped(folder / reference.file, reference.offset, "u1", count)
    # 8-bit samples in big endian OW words lie swapped in pairs
    pairs = _mapped(folder / reference.file, reference.offset, ">u2", (count + 1) // 2)
    return pairs.astype("<u2").view(np.uint8)[:count]


def _mapped(path: Path, offset: int, kind: str, count: int) -> Pixels:
    try:
        return np.memmap(path, dtype=kind, mode="r", offset=offset, shape=(count,))
    except OSError as error:
        if error.errno == errno.ENOMEM:  # more than this process may have: not to be waited for without end
            raise MemoryError(str(error)) from error
        if not isinstance(error, FileNotFoundError):
            raise
        raise _cut_short(path, error) from error
    except ValueError as error:
        raise _cut_short(path, error) from error


def _cut_short(path: Path, why: Exception) -> DamagedError:
    return DamagedError(
        say("the pixels of an image are missing or cut short in %(path)s: %(why)s", path=path.name, why=why)
    )


def _stored(words: Pixels, image: Image) -> Pixels:
    """Shift by High Bit, mask to Bits Stored, raise signed values."""
    bits = image.BitsStored
    shift = max(0, image.HighBit + 1 - bits)
    mask = (1 << bits) - 1
    if shift:
        words = words >> shift
    if bits < image.BitsAllocated and words.max() > mask:  # a look is cheaper than a copy
        words = words & mask
    if image.PixelRepresentation == 1:
        words = words ^ (1 << (bits - 1))
    return words.astype(np.uint8) if bits <= 8 and words.dtype != np.uint8 else words
