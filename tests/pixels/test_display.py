"""What a frame looks like: windows, tables, polarity, padding, palettes, functional groups."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jpeg_ls import CharLS
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from appliance.pixels import Decoder, NotShownError
from tests.pixels.conftest import SHIPPED, grey

Save = Callable[[Dataset], Path]
RAMP = np.arange(-2048, 2048, dtype=np.int16).reshape(64, 64)


def linear(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, written out pixel by pixel as the standard does."""
    out = np.empty(values.shape)
    for at, x in np.ndenumerate(values.astype(float)):
        if x <= center - 0.5 - (width - 1) / 2:
            out[at] = 0
        elif x > center - 0.5 + (width - 1) / 2:
            out[at] = 255
        else:
            out[at] = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    return np.floor(out + 0.5)


def test_a_window_is_applied_as_the_standard_writes_it(decoder: Decoder, saved: Save) -> None:
    path = saved(grey(RAMP, WindowCenter=40, WindowWidth=400, RescaleSlope=2, RescaleIntercept=-100))
    assert np.array_equal(decoder.frame(path, 1), linear(RAMP * 2.0 - 100, 40, 400))


def test_the_clerks_window_goes_before_the_images(decoder: Decoder, saved: Save) -> None:
    path = saved(grey(RAMP, WindowCenter=40, WindowWidth=400))
    assert np.array_equal(decoder.frame(path, 1, window=(-600.0, 1500.0)), linear(RAMP, -600, 1500))


def test_the_first_of_several_windows_is_shown(decoder: Decoder, saved: Save) -> None:
    path = saved(grey(RAMP, WindowCenter=[40, -600], WindowWidth=[400, 1500]))
    assert np.array_equal(decoder.frame(path, 1), linear(RAMP, 40, 400))


def test_a_linear_exact_window_has_no_half_steps(decoder: Decoder, saved: Save) -> None:
    path = saved(grey(RAMP, WindowCenter=0, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT"))
    expected = np.floor(np.clip(RAMP / 1000 + 0.5, 0, 1) * 255 + 0.5)
    assert np.array_equal(decoder.frame(path, 1), expected)


def test_a_window_narrower_than_one_unit_is_not_all_white(decoder: Decoder, saved: Save) -> None:
    """RT images count in calibrated units, with slopes of a millionth; LINEAR is for widths from 1 on."""
    path = saved(grey(RAMP, WindowCenter="0.001", WindowWidth="0.002", RescaleSlope="1e-6", RescaleIntercept="0"))
    expected = np.floor(np.clip((RAMP * 1e-6 - 0.001) / 0.002 + 0.5, 0, 1) * 255 + 0.5)
    assert np.abs(decoder.frame(path, 1) - expected).max() <= 1


def test_unspecified_is_no_unit(decoder: Decoder, saved: Save) -> None:
    scaled = {"WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": 1, "RescaleIntercept": 0}
    about = [decoder.windows(saved(grey(RAMP, **scaled, RescaleType=unit)), 1) for unit in ("US", "HU")]
    assert [each["unit"] for each in about] == ["", "HU"]


def test_a_sigmoid_window_is_a_sigmoid(decoder: Decoder, saved: Save) -> None:
    path = saved(grey(RAMP, WindowCenter=0, WindowWidth=1000, VOILUTFunction="SIGMOID"))
    expected = np.floor(255 / (1 + np.exp(-4.0 * RAMP / 1000)) + 0.5)
    assert np.array_equal(decoder.frame(path, 1), expected)


def test_monochrome1_shows_its_lowest_value_white(decoder: Decoder, saved: Save) -> None:
    window = {"WindowCenter": 0, "WindowWidth": 4096}
    plain = decoder.frame(saved(grey(RAMP, **window)), 1)
    turned = decoder.frame(saved(grey(RAMP, PhotometricInterpretation="MONOCHROME1", **window)), 1)
    assert plain[0, 0] == 0 and turned[0, 0] == 255
    assert np.abs(plain.astype(int) + turned - 255).max() <= 1


def test_an_image_without_a_window_uses_its_whole_range_without_the_padding(decoder: Decoder, saved: Save) -> None:
    values = np.clip(RAMP, 0, 1000)
    values[0, :10] = -2000
    shown = decoder.frame(saved(grey(values, PixelPaddingValue=-2000)), 1)
    assert shown[0, 0] == 0
    assert (shown[values == 0].max(), shown[values == 1000].min(), shown[values == 500].min()) == (0, 255, 128)


def test_padding_is_black_in_monochrome1_too(decoder: Decoder, saved: Save) -> None:
    values = np.full((8, 8), 700, np.uint16)
    values[0] = 0
    dataset = grey(values, PhotometricInterpretation="MONOCHROME1", WindowCenter=500, WindowWidth=1000)
    dataset.PixelPaddingValue = 0
    assert decoder.frame(saved(dataset), 1)[0].max() == 0


def test_eight_bit_grey_without_a_window_is_shown_as_it_is(decoder: Decoder, saved: Save) -> None:
    values = np.arange(64, dtype=np.uint8).reshape(8, 8) + 20
    assert np.array_equal(decoder.frame(saved(grey(values)), 1), values)


def lut(first: int, table: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(table), first, bits])
    item.add_new("LUTData", "US", table)
    return item


def test_a_voi_table_is_looked_up(decoder: Decoder, saved: Save) -> None:
    values = np.array([[0, 10, 11, 12, 13, 99]], np.uint16)
    dataset = grey(values, VOILUTSequence=Sequence([lut(10, [0, 4095, 2048, 1024], 12)]))
    expected = [0, 0, 255, 128, 64, 64]
    assert decoder.frame(saved(dataset), 1).tolist() == [expected]


def test_a_modality_table_comes_before_the_window(decoder: Decoder, saved: Save) -> None:
    values = np.array([[0, 1, 2]], np.uint16)
    dataset = grey(values, ModalityLUTSequence=Sequence([lut(0, [1000, 0, 500], 16)]))
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 500, 1000, "LINEAR_EXACT"
    assert decoder.frame(saved(dataset), 1).tolist() == [[255, 0, 128]]


def test_an_enhanced_multiframe_has_its_window_in_its_functional_groups(decoder: Decoder, saved: Save) -> None:
    def group(center: float) -> Dataset:
        voi, values, frame = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 400
        values.RescaleSlope, values.RescaleIntercept = 1, -1000
        frame.FrameVOILUTSequence = Sequence([voi])
        frame.PixelValueTransformationSequence = Sequence([values])
        return frame

    frames = np.stack([RAMP + 2048, RAMP + 2048]).astype(np.uint16)
    dataset = grey(frames)
    dataset.PerFrameFunctionalGroupsSequence = Sequence([group(40), group(600)])
    path = saved(dataset)
    assert np.array_equal(decoder.frame(path, 2), linear(frames[1].astype(float) - 1000, 600, 400))
    with pytest.raises(NotShownError, match="no frame 3"):
        decoder.frame(path, 3)


def test_a_palette_becomes_color(decoder: Decoder, saved: Save) -> None:
    dataset = grey(np.array([[0, 1]], np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for color, table in (("Red", [65535, 0]), ("Green", [0, 65535]), ("Blue", [0, 32768])):
        dataset.add_new(f"{color}PaletteColorLookupTableDescriptor", "US", [2, 0, 16])
        dataset.add_new(f"{color}PaletteColorLookupTableData", "OW", np.array(table, "<u2").tobytes())
    assert decoder.frame(saved(dataset), 1).tolist() == [[[255, 0, 0], [0, 255, 128]]]


def test_single_bit_frames_that_end_within_a_byte_are_found(decoder: Decoder, saved: Save) -> None:
    frames = np.random.default_rng(1).integers(0, 2, (3, 5, 7), np.uint8)
    dataset = grey(frames, BitsAllocated=1, BitsStored=1, HighBit=0)
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + bytes(len(packed) % 2)
    path = saved(dataset)
    for number in (1, 2, 3):
        assert np.array_equal(decoder.frame(path, number), frames[number - 1] * 255)


def test_overlays_are_burned_in_only_when_asked_for(decoder: Decoder) -> None:
    path = SHIPPED / "examples_overlay.dcm"
    plain, burned = decoder.frame(path, 1), decoder.frame(path, 1, overlays=True)
    changed = plain != burned
    assert 0 < changed.sum() < changed.size / 2
    assert (burned[changed] == 255).all()


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (8, 8), (2, 40), (31, 33)])
def test_the_smallest_picture_keeps_its_values_for_the_viewer(
    decoder: Decoder, saved: Save, rows: int, columns: int
) -> None:
    """As maps of spectroscopy are; the encoder has no room for so few."""
    values = np.random.default_rng(1).integers(0, 65536, (rows, columns), dtype=np.uint16)
    found = decoder.preview(saved(grey(values)), 1, max_edge=512, budget=100_000)
    decoded = np.asarray(CharLS.decode(np.frombuffer(found.data, np.uint8)))
    times = decoded.shape[0] // rows
    assert (found.about["kind"], found.about["near"], decoded.shape) == ("jls", 0, (rows * times, columns * times))
    back = decoded[::times, ::times] * found.about["slope"] + found.about["intercept"]
    assert np.array_equal(back, values)


@pytest.mark.parametrize("signed", [False, True])
def test_values_in_the_high_bits_of_their_words_are_shown_as_dcmtk_shows_them(
    decoder: Decoder, saved: Save, tmp_path: Path, signed: bool
) -> None:
    """High Bit 15 of 12 bits stored, as ACR-NEMA and older editions had it."""
    values = np.arange(64 * 64).reshape(64, 64) % 4096 - (2048 if signed else 0)
    window = {"WindowCenter": 0 if signed else 2048, "WindowWidth": 4000}
    path = saved(grey((values << 4).astype(np.int16 if signed else np.uint16), BitsStored=12, HighBit=15, **window))
    subprocess.run(["dcm2pnm", "+Ww", str(window["WindowCenter"]), "4000", "+op", path, tmp_path / "x.pgm"], check=True)
    with Image.open(tmp_path / "x.pgm") as judged:
        assert np.abs(np.asarray(judged.convert("L")).astype(int) - decoder.frame(path, 1)).max() <= 1
    assert decoder.preview(path, 1, max_edge=64, budget=100_000).about["intercept"] == values.min()


def test_a_picture_is_shrunk_never_enlarged(decoder: Decoder) -> None:
    assert decoder.frame(SHIPPED / "CT_small.dcm", 1, max_edge=50).shape == (50, 50)
    assert decoder.frame(SHIPPED / "CT_small.dcm", 1, max_edge=500).shape == (128, 128)


def test_pixels_that_are_not_square_are_made_so_in_pictures(decoder: Decoder, saved: Save) -> None:
    import cv2

    path = saved(grey(np.zeros((40, 80), np.uint8), PixelAspectRatio=[2, 1]))
    picture = cv2.imdecode(np.frombuffer(decoder.jpeg(path), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (80, 80)


def test_an_enhanced_multiframe_has_its_pixels_shape_in_its_functional_groups(decoder: Decoder, saved: Save) -> None:
    import cv2

    from appliance.printing.client_images import client_image

    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = [1.0, 0.5]
    shared.PixelMeasuresSequence = Sequence([measures])
    dataset = grey(np.zeros((2, 40, 80), np.uint16))
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    path = saved(dataset)
    picture = cv2.imdecode(np.frombuffer(decoder.jpeg(path, 2), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture.shape == (80, 80)
    assert decoder.preview(path, 2, max_edge=512, budget=10_000).about["aspect"] == 2
    assert client_image(path, frame=2).PixelAspectRatio == (1000, 500), "on a film as well"


def test_a_supplemental_palette_colors_the_values_from_its_first_on(decoder: Decoder, saved: Save) -> None:
    values = np.array([[0, 50, 99], [100, 101, 200]], np.uint16)
    dataset = grey(values, PixelPresentation="MIXED", WindowCenter="50", WindowWidth="101")
    for color, entries in (("Red", [255, 0]), ("Green", [0, 255]), ("Blue", [0, 0])):
        setattr(dataset, f"{color}PaletteColorLookupTableDescriptor", [2, 100, 8])
        setattr(dataset, f"{color}PaletteColorLookupTableData", bytes(entries))
    shown = decoder.frame(saved(dataset), 1)
    assert shown[1].tolist() == [[255, 0, 0], [0, 255, 0], [0, 255, 0]]
    assert (shown[0] == shown[0][..., :1]).all() and shown[0, 0, 0] < shown[0, 1, 0] < shown[0, 2, 0]
    assert decoder.preview(saved(dataset), 1, max_edge=64, budget=10_000).about["kind"] == "jpeg"
