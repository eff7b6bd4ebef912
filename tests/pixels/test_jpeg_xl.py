"""JPEG XL, coded by libjxl's own cjxl."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGBaseline8Bit

from appliance.newer_uids import JPEG_XL, JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION
from appliance.pixels import DamagedPixelsError, Decoder
from tests.pixels.conftest import grey, in_items

Save = Callable[[Dataset], Path]
CHANCE = np.random.default_rng(5)


def coded(folder: Path, values: np.ndarray, bits: int, *options: str) -> bytes:
    """A frame of (rows, columns) or (rows, columns, 3) as `bits` a sample, which cjxl wants stretched to bytes."""
    full = 255 if bits <= 8 else 65535
    stretched = np.rint(values * (full / ((1 << bits) - 1)))
    head = f"P{5 if values.ndim == 2 else 6}\n{values.shape[1]} {values.shape[0]}\n{full}\n".encode()
    (folder / "frame.pnm").write_bytes(head + stretched.astype("u1" if bits <= 8 else ">u2").tobytes())
    return _cjxl(folder / "frame.pnm", f"--override_bitdepth={bits}", *(options or ("-d", "0")))


def _cjxl(path: Path, *options: str) -> bytes:
    target = path.with_suffix(".jxl")
    subprocess.run(["cjxl", "--quiet", *options, path, target], check=True, capture_output=True)
    return target.read_bytes()


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_lossless_grey_comes_out_as_it_was(decoder: Decoder, saved: Save, tmp_path: Path, bits: int) -> None:
    values = CHANCE.integers(0, 1 << bits, (3, 29, 37)).astype(np.uint8 if bits == 8 else np.uint16)
    dataset = grey(values, BitsStored=bits, HighBit=bits - 1)
    path = saved(in_items(dataset, JPEG_XL_LOSSLESS, [coded(tmp_path, frame, bits) for frame in values]))
    assert b"".join(decoder.raw(path).frames) == values.tobytes()
    decoder.glance(path)
    assert decoder.frame(path, 2).shape == (29, 37)


def test_what_is_below_zero_stays_so(decoder: Decoder, saved: Save, tmp_path: Path) -> None:
    values = CHANCE.integers(-2048, 2048, (21, 33)).astype(np.int16)
    dataset = grey(values, BitsStored=12, HighBit=11)
    path = saved(in_items(dataset, JPEG_XL_LOSSLESS, [coded(tmp_path, values & 0xFFF, 12)]))
    assert b"".join(decoder.raw(path).frames) == values.tobytes()


@pytest.mark.parametrize("kind", ["RGB", "XYB"])
def test_colour_comes_out_as_rgb(decoder: Decoder, saved: Save, tmp_path: Path, kind: str) -> None:
    y, x = np.mgrid[0:40, 0:56]
    values = np.stack([x * 4, y * 6, (x + y) * 2], axis=-1).astype(np.uint8)
    dataset = grey(values[..., 0], SamplesPerPixel=3, PhotometricInterpretation=kind, PlanarConfiguration=0)
    lossy = kind == "XYB"
    frame = coded(tmp_path, values, 8, *(("-d", "0.5") if lossy else ()))
    path = saved(in_items(dataset, JPEG_XL if lossy else JPEG_XL_LOSSLESS, [frame]))
    raw = decoder.raw(path)
    ours = np.frombuffer(b"".join(raw.frames), np.uint8).reshape(values.shape)
    assert raw.PhotometricInterpretation == "RGB"
    subprocess.run(["djxl", tmp_path / "frame.jxl", tmp_path / "theirs.ppm"], check=True, capture_output=True)
    theirs = np.frombuffer((tmp_path / "theirs.ppm").read_bytes()[-values.size :], np.uint8).reshape(values.shape)
    assert np.abs(ours.astype(int) - theirs).max() <= (1 if lossy else 0)
    assert np.array_equal(theirs, values) is not lossy
    assert np.array_equal(decoder.frame(path, 1), ours)


@pytest.mark.parametrize("kind", ["whole", "anonymous"])
def test_a_recompressed_jpeg_looks_as_the_jpeg_it_was(decoder: Decoder, saved: Save, tmp_path: Path, kind: str) -> None:
    y, x = np.mgrid[0:40, 0:56]
    colours = np.stack([x * 4, y * 6, (x + y) * 2], axis=-1).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "frame.jpg"), colours)
    elements = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
    jpeg = (tmp_path / "frame.jpg").read_bytes()
    plain = saved(in_items(grey(colours[..., 0], **elements), JPEGBaseline8Bit, [jpeg]))
    frame = _cjxl(tmp_path / "frame.jpg", "--lossless_jpeg=1")
    if kind == "anonymous":  # without what the JPEG could be made of again, and who made it
        at = frame.index(b"jbrd")
        length = int.from_bytes(frame[at - 4 : at], "big")
        frame = frame[: at + 4] + bytes(length - 8) + frame[at - 4 + length :]
    again = saved(in_items(grey(colours[..., 0], **elements), JPEG_XL_RECOMPRESSION, [frame]))
    ours, theirs = decoder.frame(again, 1).astype(int), decoder.frame(plain, 1).astype(int)
    assert np.abs(ours - theirs).mean() < 1
    assert decoder.raw(again).PhotometricInterpretation == "RGB"


def test_a_frame_of_another_size_than_its_header_says_is_refused(decoder: Decoder, saved: Save, tmp_path: Path) -> None:
    frame = coded(tmp_path, np.zeros((64, 64), np.uint8), 8)
    path = saved(in_items(grey(np.zeros((16, 16), np.uint8)), JPEG_XL_LOSSLESS, [frame]))
    with pytest.raises(DamagedPixelsError, match="64 x 64 x 1"):
        decoder.frame(path, 1)


@pytest.mark.parametrize("syntax", [JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL])
@pytest.mark.parametrize("cut", [2, 12, 60])
def test_half_a_frame_is_refused(decoder: Decoder, saved: Save, tmp_path: Path, syntax: str, cut: int) -> None:
    values = CHANCE.integers(0, 256, (29, 37)).astype(np.uint8)
    path = saved(in_items(grey(values), syntax, [coded(tmp_path, values, 8)[:cut]]))
    with pytest.raises(DamagedPixelsError):
        decoder.frame(path, 1)
