"""Composing a film against the bare cost of its parts: one resize and one table for each image, nothing else."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.film.areas import set_verdict
from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference
from appliance.film.compose import compose
from appliance.film.sheet import Sheet
from benchmarks.support import timed

PAIRS = 7
FILM_17X17 = (431.8, 431.8)
FILM_14X17 = (355.6, 431.8)
CASES = [  # name, sheet in mm, format, images, their side, bits stored, bits of the film
    ("17x17 in, one 2048 image of 12 bits, 8-bit film", FILM_17X17, "STANDARD\\1,1", 1, 2048, 12, 8),
    ("17x17 in, one 2048 image of 12 bits, 12-bit film", FILM_17X17, "STANDARD\\1,1", 1, 2048, 12, 12),
    ("17x17 in, one 2048 image of 12 bits, 16-bit film", FILM_17X17, "STANDARD\\1,1", 1, 2048, 12, 16),
    ("17x17 in, one 2048 image of 8 bits, 8-bit film", FILM_17X17, "STANDARD\\1,1", 1, 2048, 8, 8),
    ("14x17 in, 20 CT images of 512, 8-bit film", FILM_14X17, "STANDARD\\4,5", 20, 512, 12, 8),
    ("14x17 in, 20 CT images of 512, 16-bit film", FILM_14X17, "STANDARD\\4,5", 20, 512, 12, 16),
]


def run() -> list[dict[str, Any]]:
    """Medians of paired runs: name, ours_s, bare_s, ratio (median of the pairs' ratios)."""
    with tempfile.TemporaryDirectory() as folder:
        return [_case(Path(folder), *case) for case in CASES]


def _case(
    folder: Path, name: str, sides: tuple[float, float], layout: str, count: int, side: int, stored: int, bits: int
) -> dict[str, Any]:
    sheet = Sheet(width_mm=sides[0], height_mm=sides[1], bits=bits)
    images = [_noise(folder, f"{side}-{stored}-{number}", side, stored, number) for number in range(count)]
    boxes = tuple(ImageBox(ImageBoxPosition=number, image=image) for number, (image, _) in enumerate(images, 1))
    film = FilmBox(ImageDisplayFormat=layout, image_boxes=boxes)
    session = FilmSession(film_boxes=(film,))
    sizes = [_printed(box, film, sheet) for box in boxes]
    table: NDArray[Any] = np.arange(256 if stored == 8 else 65536).astype(np.uint8 if bits == 8 else np.uint16)

    def bare() -> list[Any]:  # kept to the end, as a film's pixels are
        pairs = zip(images, sizes, strict=True)
        return [cv2.LUT(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), table) for (_, pixels), size in pairs]

    pairs = _paired(lambda: compose(session, 1, sheet, folder), bare)
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return {"name": f"compose {name}", "ours_s": ours, "bare_s": theirs, "ratio": ratio}


def _noise(folder: Path, name: str, side: int, stored: int, seed: int) -> tuple[Image, NDArray[Any]]:
    kind = np.uint8 if stored == 8 else np.uint16
    pixels = np.random.default_rng(seed).integers(0, 1 << stored, (side, side)).astype(kind)
    (folder / name).write_bytes(pixels.tobytes())
    image = Image(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=side,
        Columns=side,
        BitsAllocated=pixels.itemsize * 8,
        BitsStored=stored,
        HighBit=stored - 1,
        pixels=PixelReference(file=name, offset=0, length=pixels.nbytes),
    )
    return image, pixels


def _printed(box: ImageBox, film: FilmBox, sheet: Sheet) -> tuple[int, int]:
    verdict = set_verdict(box, film, sheet)
    return verdict.width, verdict.height


def _paired(ours: Callable[[], object], bare: Callable[[], object]) -> list[tuple[float, float]]:
    ours(), bare()  # warm: tables are cached in life too
    return [(timed(ours), timed(bare)) for _ in range(PAIRS)]


if __name__ == "__main__":
    for result in run():
        print(f"{result['name']}: {result['ours_s']:.4f} s, bare {result['bare_s']:.4f} s, ratio {result['ratio']:.2f}")
