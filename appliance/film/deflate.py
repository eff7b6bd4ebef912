"""Rows of samples as PDF and PostScript want them: packed, PNG "Up" predicted, deflated, a block of rows at a time.

Blocks that stay in the processor's cache make prediction almost free, and no second copy of a film is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_BLOCK_ROWS = 128
_LEVEL = 1  # of isal's 0..3: 2 and 3 cost more and gain nothing on films
_UP = 2  # PNG filter type: each byte less the one above it


def row_bytes(pixels: NDArray[np.generic], bits: int) -> int:
    """Bytes of one packed row of `pixels` at `bits` bits a sample; a row ends on a byte (PLRM 4.10.3, PDF 8.9.5.2)."""
    samples = pixels.shape[1] * (pixels.shape[2] if pixels.ndim == 3 else 1)
    return (samples * bits + 7) // 8


def deflated(pixels: NDArray[np.uint8] | NDArray[np.uint16], bits: int) -> Iterator[bytes]:
    """A zlib stream of all rows with PNG "Up" prediction by bytes: predictor 12 with Colors 1 and BitsPerComponent 8.

    pixels: (rows, columns) or (rows, columns, 3), values 0 .. 2**bits - 1; bits 8, 12 or 16. Samples above 8 bits are
    packed most significant bit first.
    """
    width = row_bytes(pixels, bits)
    deflater = isal_zlib.compressobj(_LEVEL, wbits=15)
    lines = np.empty((_BLOCK_ROWS, 1 + width), np.uint8)
    lines[:, 0] = _UP
    above = np.zeros(width, np.uint8)
    for start in range(0, pixels.shape[0], _BLOCK_ROWS):
        block = _packed(pixels[start : start + _BLOCK_ROWS], bits)
        np.subtract(block[0], above, out=lines[0, 1:])
        np.subtract(block[1:], block[:-1], out=lines[1 : len(block), 1:])
        above = block[-1].copy()
        yield deflater.compress(lines[: len(block)])
    yield deflater.flush()


def _packed(block: NDArray[np.generic], bits: int) -> NDArray[np.uint8]:
    """(rows, bytes) of one block of rows."""
    samples = block.reshape(block.shape[0], -1)
    if bits == 8:
        return samples.astype(np.uint8, copy=False)
    if bits == 16:
        return samples.astype(">u2").view(np.uint8)
    return _packed_12(samples.astype(np.uint16, copy=False))


def _packed_12(samples: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Two samples in three bytes; the last half byte of an odd row is 0."""
    rows, columns = samples.shape
    even = np.pad(samples, ((0, 0), (0, columns % 2))) if columns % 2 else samples
    # Bytes of each pair: low and high of the first, low and high of the second sample.
    pairs = np.ascontiguousarray(even, "<u2").view(np.uint8).reshape(rows, -1, 4)
    packed = np.empty((*pairs.shape[:2], 3), np.uint8)
    np.bitwise_or(pairs[:, :, 1] << 4, pairs[:, :, 0] >> 4, out=packed[:, :, 0])
    np.bitwise_or(pairs[:, :, 0] << 4, pairs[:, :, 3], out=packed[:, :, 1])
    packed[:, :, 2] = pairs[:, :, 2]
    return packed.reshape(rows, -1)[:, : (columns * 12 + 7) // 8]
