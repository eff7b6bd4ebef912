"""Writing a film's document against the bare cost of its parts (prediction and deflate of the same bytes), and against
reportlab's drawImage."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from appliance.film.pdf import pdf_document
from appliance.film.postscript import postscript_document
from appliance.film.raster import FilmRaster
from benchmarks.support import timed

PAIRS = 7
SIDE = 5440  # 17 in at 320 dpi
SIDE_MM = 431.8
CACHED_ROWS = 128

Document = Callable[[FilmRaster], bytes]
CASES: list[tuple[str, int, Document]] = [
    ("8-bit PDF", 8, lambda raster: pdf_document(raster, title="Film")),
    ("16-bit PDF", 16, lambda raster: pdf_document(raster, title="Film")),
    ("8-bit PostScript", 8, lambda raster: postscript_document(raster, title="Film")),
    ("12-bit PostScript", 12, lambda raster: postscript_document(raster, title="Film")),
    ("12-bit PostScript as ASCII85", 12, lambda raster: postscript_document(raster, title="Film", ascii85=True)),
]


def run() -> list[dict[str, Any]]:
    """Medians of paired runs: name, ours_s, bare_s, ratio (median of the pairs' ratios)."""
    rasters = {bits: film(bits) for bits in (8, 12, 16)}
    results = [_case(f"write 17x17 in as {name}", rasters[bits], document) for name, bits, document in CASES]
    return [*results, _against_draw_image(rasters[8])]


def film(bits: int) -> FilmRaster:
    """A 2048 image, noisy as X-ray images are, enlarged to a 17x17 in film."""
    levels = np.indices((2048, 2048)).sum(axis=0) * (2900 / 4096) + 600
    noisy = np.random.default_rng(1).normal(levels, 40).clip(0, 4095) * (65535 / 4095)
    large = np.asarray(cv2.resize(noisy.astype(np.uint16), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
    pixels: NDArray[Any] = (large >> (16 - bits)).astype(np.uint8 if bits == 8 else np.uint16)
    return FilmRaster(pixels=pixels, bits=bits, resolution=320, width_mm=SIDE_MM, height_mm=SIDE_MM)


def _case(name: str, raster: FilmRaster, document: Document) -> dict[str, Any]:
    packed = _packed(raster)
    return _result(name, _paired(lambda: document(raster), lambda: _bare(packed), PAIRS))


def _packed(raster: FilmRaster) -> NDArray[np.uint8]:
    """The bytes a document holds before prediction: made ready here, so that packing counts as ours alone."""
    if raster.bits == 8:
        return np.asarray(raster.pixels)
    if raster.bits == 16:
        return np.asarray(raster.pixels.astype(">u2").view(np.uint8))
    first, second = raster.pixels[:, 0::2].astype(np.uint16), raster.pixels[:, 1::2].astype(np.uint16)
    triples = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1)
    return triples.astype(np.uint8).reshape(SIDE, -1)


def _bare(rows: NDArray[np.uint8]) -> list[bytes]:
    """Each row less the one above it, deflated: nothing else a document needs."""
    deflater = isal_zlib.compressobj(1)
    pieces, differences = [], np.zeros((CACHED_ROWS, rows.shape[1]), np.uint8)
    for start in range(0, rows.shape[0], CACHED_ROWS):
        block = rows[max(0, start - 1) : start + CACHED_ROWS]
        count = len(block) - 1
        np.subtract(block[1:], block[:-1], out=differences[:count])
        pieces.append(deflater.compress(differences[:count]))
    return [*pieces, deflater.flush()]


def _against_draw_image(raster: FilmRaster) -> dict[str, Any]:
    """Here bare_s is drawImage's time: a ratio of 0.05 is 20 times faster."""

    def draw_image() -> bytes:
        written = BytesIO()
        canvas = Canvas(written, pagesize=(1224, 1224))
        canvas.drawImage(ImageReader(Image.fromarray(raster.pixels)), 0, 0, 1224, 1224)
        canvas.save()
        return written.getvalue()

    pairs = _paired(lambda: pdf_document(raster, title="Film"), draw_image, 5)
    return _result("write 17x17 in as 8-bit PDF, against reportlab's drawImage", pairs)


def _result(name: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {"name": name, "ours_s": ours, "bare_s": bare, "ratio": statistics.median(a / b for a, b in pairs)}


def _paired(ours: Callable[[], object], bare: Callable[[], object], pairs: int) -> list[tuple[float, float]]:
    ours()
    return [(timed(ours), timed(bare)) for _ in range(pairs)]


if __name__ == "__main__":
    for result in run():
        print(f"{result['name']}: {result['ours_s']:.4f} s, bare {result['bare_s']:.4f} s, ratio {result['ratio']:.3f}")
