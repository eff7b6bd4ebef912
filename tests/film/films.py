"""Made-up images and films, kept as a print job keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference
from appliance.film.sheet import Sheet

FILM_14X17 = Sheet(width_mm=355.6, height_mm=431.8)
SMALL = Sheet(width_mm=101.6, height_mm=127.0, resolution=100, gap_mm=0.0)  # 400 x 500 pixels


def keep(folder: Path, pixels: NDArray[Any], *, bits: int | None = None, name: str = "image", **other: Any) -> Image:
    """Write `pixels` into `folder` behind some bytes that aren't its own, and describe them."""
    allocated = pixels.dtype.itemsize * 8
    stored = bits or allocated
    color = pixels.ndim == 3
    (folder / name).write_bytes(b"not ours" + pixels.tobytes())
    values: dict[str, Any] = {
        "SamplesPerPixel": 3 if color else 1,
        "PhotometricInterpretation": "RGB" if color else "MONOCHROME2",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": allocated,
        "BitsStored": stored,
        "HighBit": stored - 1,
        "pixels": PixelReference(file=name, offset=8, length=pixels.nbytes),
    }
    return Image(**{**values, **other})


def film(ImageDisplayFormat: str, *images: Image | None, **attributes: Any) -> FilmBox:
    """A film with these images in its first positions."""
    boxes = tuple(ImageBox(ImageBoxPosition=position, image=image) for position, image in enumerate(images, 1))
    return FilmBox(**{"ImageDisplayFormat": ImageDisplayFormat, "image_boxes": boxes, **attributes})


def session(*films: FilmBox, **attributes: Any) -> FilmSession:
    return FilmSession(film_boxes=films, **attributes)
