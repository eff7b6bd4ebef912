"""A film as a small picture for the page: dark where the film is dense, as on a light box."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.film import characteristic, gsdf
from appliance.film.deflate import deflated
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Sheet

LONGEST_SIDE = 1600  # pixels
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_GREY, PNG_RGB = 0, 2  # colour types


def preview(raster: FilmRaster, sheet: Sheet | None = None, longest_side: int = LONGEST_SIDE) -> bytes:
    """A PNG, grey or RGB of 8 bits, neither side above `longest_side` pixels.

    With the sheet it was composed for, greys are its P-values, which a screen shows as the film looks; without,
    driving levels as they are.
    """
    small = _shrunk(raster.pixels, longest_side)
    return _png(np.asarray(cv2.LUT(small, _screen_table(raster, sheet))))


def _shrunk(pixels: NDArray[Any], longest_side: int) -> NDArray[Any]:
    """Averaged by area: first by a whole factor, which is ten times as fast, then to the size wanted."""
    rows, columns = pixels.shape[:2]
    share = longest_side / max(rows, columns)
    if share >= 1:
        return pixels
    factor = max(1, min(int(1 / share), rows, columns))
    coarse = columns // factor, rows // factor
    if factor > 1:
        whole = pixels[: coarse[1] * factor, : coarse[0] * factor]
        pixels = np.asarray(cv2.resize(whole, coarse, interpolation=cv2.INTER_AREA))
    size = max(1, round(columns * share)), max(1, round(rows * share))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _screen_table(raster: FilmRaster, sheet: Sheet | None) -> NDArray[Any]:
    """Driving levels to screen values 0 .. 255. Colour is shown as it is."""
    levels = np.arange(1 << raster.bits) / ((1 << raster.bits) - 1)
    if sheet is not None and not raster.color:
        levels = gsdf.p_value(characteristic.densities(levels, sheet), characteristic.own_viewing(sheet))
    table = np.rint(levels * 255).astype(np.uint8)
    size = 256 if raster.bits == 8 else 65536
    return np.concatenate([table, np.full(size - table.size, 255, np.uint8)])


def _png(pixels: NDArray[Any]) -> bytes:
    """Pixels of 8 bits as PNG (ISO 15948): our deflater is several times as fast as OpenCV's encoder."""
    rows, columns = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", columns, rows, 8, PNG_RGB if pixels.ndim == 3 else PNG_GREY, 0, 0, 0)
    data = b"".join(deflated(pixels, 8))
    return PNG_SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
