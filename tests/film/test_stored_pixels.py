import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import DamagedError
from appliance.film.boxes import Image
from appliance.film.stored_pixels import read
from tests.film.films import keep

RANDOM = np.random.default_rng(7)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(st.integers(8, 16), st.integers(0, 8), st.booleans(), st.booleans())
def test_every_way_to_store_a_value_gives_it_back(
    tmp_path: Path, bits: int, shift: int, signed: bool, big_endian: bool
) -> None:
    shift = min(shift, 16 - bits)
    wanted = RANDOM.integers(0, 1 << bits, (3, 5)).astype(np.uint16)
    stored = wanted ^ (1 << (bits - 1)) if signed else wanted
    junk = RANDOM.integers(0, 65536, (3, 5)).astype(np.uint16) & ~np.uint16(((1 << bits) - 1) << shift)
    words = (stored << shift) | junk
    image = keep(tmp_path, words.astype(">u2" if big_endian else "<u2"), bits=bits)
    image = replace(
        image,
        HighBit=bits - 1 + shift,
        PixelRepresentation=int(signed),
        pixels=replace(image.pixels, big_endian=big_endian),
    )
    found = read(image, tmp_path)
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.array_equal(found, wanted)


def test_bytes_of_8_bits_are_taken_as_they_are(tmp_path: Path) -> None:
    wanted = RANDOM.integers(0, 256, (7, 9)).astype(np.uint8)
    assert np.array_equal(read(keep(tmp_path, wanted), tmp_path), wanted)


def test_bytes_in_big_endian_words_are_swapped_back(tmp_path: Path) -> None:
    wanted = RANDOM.integers(0, 256, (3, 5)).astype(np.uint8)
    padded = np.append(wanted.ravel(), np.uint8(0))
    image = keep(tmp_path, padded.view("<u2").byteswap().view(np.uint8)[None])
    image = replace(image, Rows=3, Columns=5, pixels=replace(image.pixels, big_endian=True))
    assert np.array_equal(read(image, tmp_path), wanted)


def test_colour_is_read_by_pixel_and_by_plane(tmp_path: Path) -> None:
    wanted = RANDOM.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    assert np.array_equal(read(keep(tmp_path, wanted), tmp_path), wanted)
    by_plane = keep(tmp_path, np.ascontiguousarray(wanted.transpose(2, 0, 1)).reshape(4, 6, 3), PlanarConfiguration=1)
    assert np.array_equal(read(by_plane, tmp_path), wanted)


def test_colour_of_more_bits_is_brought_to_8(tmp_path: Path) -> None:
    deep = RANDOM.integers(0, 4096, (4, 6, 3)).astype(np.uint16)
    assert np.array_equal(read(keep(tmp_path, deep, bits=12), tmp_path), deep >> 4)


def truncated(image: Image, folder: Path) -> None:
    path = folder / image.pixels.file
    path.write_bytes(path.read_bytes()[:-1])


def gone(image: Image, folder: Path) -> None:
    (folder / image.pixels.file).unlink()


@pytest.mark.parametrize("harm", [truncated, gone])
def test_missing_pixels_are_told(harm: Any, tmp_path: Path) -> None:
    image = keep(tmp_path, np.zeros((4, 4), np.uint8))
    harm(image, tmp_path)
    with pytest.raises(DamagedError, match="image"):
        read(image, tmp_path)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EMFILE, OSError), (errno.EIO, OSError), (errno.ENOMEM, MemoryError)]
)
def test_pixels_that_can_t_be_read_now_are_no_damaged_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    """A damaged film is given up at once; what passes is waited for."""
    image = keep(tmp_path, np.zeros((4, 4), np.uint8))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(np, "memmap", refuse)
    with pytest.raises(kind):
        read(image, tmp_path)
