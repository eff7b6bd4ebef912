from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.film.scale import resample, smoothing

KINDS = ["REPLICATE", "BILINEAR", "CUBIC", "NONE"]
SIDE = st.integers(1, 60)


@settings(deadline=None, max_examples=150)
@given(
    SIDE,
    SIDE,
    SIDE,
    SIDE,
    st.sampled_from(KINDS),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from([None, 3]),
    st.integers(0, 15),
)
def test_any_size_becomes_any_other_in_place(
    rows: int, columns: int, height: int, width: int, kind: str, dtype: type, planes: int | None, steps: int
) -> None:
    shape = (rows, columns) if planes is None else (rows, columns, planes)
    pixels: NDArray[Any] = np.full(shape, 200, dtype)
    canvas = np.zeros((height + 4, width + 6, *shape[2:]), dtype)
    view = canvas[2:-2, 3:-3]
    resample(pixels, width, height, kind, steps, view)
    assert (view == 200).all()
    assert int(canvas.sum()) == 200 * view.size
    assert np.array_equal(resample(pixels, width, height, kind, steps), view)


def test_replicate_repeats_pixels() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert np.array_equal(resample(pixels, 12, 8, "REPLICATE"), pixels.repeat(4, 0).repeat(4, 1))


def test_an_image_is_not_moved_by_magnification() -> None:
    pixels = np.zeros((11, 11), np.uint16)
    pixels[5, 5] = 60000
    for kind in KINDS:
        large = resample(pixels, 77, 77, kind).astype(float)
        rows, columns = np.indices(large.shape)
        assert (rows * large).sum() / large.sum() == pytest.approx(38, abs=0.05), kind
        assert (columns * large).sum() / large.sum() == pytest.approx(38, abs=0.05), kind


@pytest.mark.parametrize("kind", KINDS)
def test_fine_lines_keep_their_mean_when_shrunk(kind: str) -> None:
    stripes = np.tile(np.array([0, 4000], np.uint16), (300, 150))
    small = resample(stripes, 100, 100, kind)
    assert small.mean() == pytest.approx(2000, rel=0.02)
    assert small.std() < 900  # no stripes that weren't there, and none lost


def test_an_axis_that_shrinks_is_averaged_while_the_other_grows() -> None:
    stripes = np.tile(np.array([0, 4000], np.uint16), (10, 150))
    mixed = resample(stripes, 150, 40, "CUBIC")
    assert mixed.shape == (40, 150) and np.abs(mixed.astype(int) - 2000).max() <= 1


def test_smoothing_softens_cubic_only() -> None:
    pixels = np.zeros((20, 20), np.uint8)
    pixels[:, 10:] = 200
    sharp, soft = resample(pixels, 80, 80, "CUBIC"), resample(pixels, 80, 80, "CUBIC", 15)
    steepest = [int(np.abs(np.diff(image[40].astype(int))).max()) for image in (sharp, soft)]
    assert steepest[1] < steepest[0] / 2
    assert np.array_equal(resample(pixels, 80, 80, "BILINEAR", 15), resample(pixels, 80, 80, "BILINEAR"))


def test_smoothing_types_are_read() -> None:
    words = {None: 0, "": 0, "NONE": 0, "15": 15, " smooth ": 10, "16": None, "-1": None, "fancy": None}
    assert {word: smoothing(word) for word in words} == words


def test_the_machines_opencv_maps_16_bits_into_a_window() -> None:
    """What the composer builds on: a table of 65536 entries, applied into part of a larger array."""
    canvas = np.zeros((10, 10), np.uint8)
    values = np.arange(36, dtype=np.uint16).reshape(6, 6) * 1000
    table = (np.arange(65536) >> 8).astype(np.uint8)
    cv2.LUT(values, table, dst=canvas[2:8, 2:8])
    assert np.array_equal(canvas[2:8, 2:8], values >> 8) and canvas[:2].sum() == 0
