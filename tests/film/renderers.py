"""Documents drawn by the judges from outside: Ghostscript, poppler and qpdf."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.film.raster import FilmRaster
from appliance.units import pixels


def by_ghostscript(document: bytes, resolution: float, folder: Path, *, device: str = "pnggray") -> NDArray[np.generic]:
    """The last page at `resolution` dpi: (rows, columns) or (rows, columns, 3) as RGB; fails on any complaint."""
    source, drawn = folder / "film.document", folder / "ghostscript-%d.image"
    for earlier in folder.glob("ghostscript-*.image"):
        earlier.unlink()
    source.write_bytes(document)
    command = [
        "gs",
        "-q",
        "-dSAFER",
        "-dBATCH",
        "-dNOPAUSE",
        f"-sDEVICE={device}",
        f"-r{resolution}",
        "-o",
        drawn,
        source,
    ]
    said = _run(*command)
    assert not said, said
    return _read(max(folder.glob("ghostscript-*.image")))


def by_poppler(document: bytes, resolution: float, folder: Path, *, color: bool = False) -> NDArray[np.generic]:
    """The page at `resolution` dpi as poppler draws it."""
    source = folder / "film.pdf"
    source.write_bytes(document)
    kind = [] if color else ["-gray"]
    said = _run("pdftoppm", *kind, "-singlefile", "-r", str(resolution), source, folder / "poppler")
    assert not said, said
    return _read(folder / f"poppler.{'ppm' if color else 'pgm'}")


def check_with_qpdf(document: bytes, folder: Path) -> str:
    """What ``qpdf --check`` says; fails on a warning or an error."""
    source = folder / "film.pdf"
    source.write_bytes(document)
    return _run("qpdf", "--check", source)


def image_stream_of(document: bytes, folder: Path) -> bytes:
    """The image's samples as qpdf undoes filter and prediction."""
    source = folder / "film.pdf"
    source.write_bytes(document)
    number = re.search(r"/Film: (\d+) ", _run("qpdf", "--show-pages", "--with-images", source))
    assert number is not None
    command = ["qpdf", f"--show-object={number[1]}", "--filtered-stream-data", source]
    return subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout


def place_of(raster: FilmRaster) -> tuple[slice, slice]:
    """Where the raster lies among the dots of the whole sheet."""
    top, left = pixels(raster.top_mm, raster.resolution), pixels(raster.left_mm, raster.resolution)
    rows, columns = raster.pixels.shape[:2]
    return slice(top, top + rows), slice(left, left + columns)


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _read(file: Path) -> NDArray[np.generic]:
    image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert image is not None, f"{file} is no image"
    return image[:, :, ::-1] if image.ndim == 3 else image
