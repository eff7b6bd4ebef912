"""Decompression for discs that allow nothing else: the same values, the same UIDs, every element."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from appliance.errors import DamagedError
from appliance.media import transcode
from appliance.media.source import SourceInstance
from appliance.newer_uids import DEFLATED_FRAMES
from appliance.pixels import Decoder, RawPixels
from tests.media import made
from tests.media.made import planned
from tests.pixels.conftest import deflate, in_items

FILES = [
    "JPEG2000.dcm",
    "JPEG-lossy.dcm",
    "JPGExtended.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "SC_rgb_rle.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "image_dfl.dcm",
    "rtdose_rle.dcm",
    "rtplan.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "ExplVR_BigEnd.dcm",
    "liver_expb_1frame.dcm",
]


@pytest.fixture(scope="module")
def decoder() -> object:
    with Decoder() as decoder:
        yield decoder


def transcoded(source: SourceInstance, work: Path, decoder: Decoder) -> Path:
    (placed,) = planned([source]).volumes[0].placed
    if not placed.decompress:
        placed = replace(placed, decompress=True)
    work.mkdir(exist_ok=True)
    done = transcode.decompressed(placed, work, decoder)
    path = Path(done.source.path)
    assert done.size == path.stat().st_size
    assert done.size <= placed.size, "the plan kept enough room"
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_values_and_elements_stay_the_same(name: str, tmp_path: Path, decoder: Decoder) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"{name} is not inside the installed pydicom")
    before = dcmread(path)
    after = dcmread(transcoded(made.source(Path(path)), tmp_path, decoder))
    assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (after.SOPInstanceUID, after.SOPClassUID) == (before.SOPInstanceUID, before.SOPClassUID)
    if "PixelData" in before:
        assert np.array_equal(as_rgb(before), as_rgb(after))
    described = {"PhotometricInterpretation", "PlanarConfiguration", "PixelData", "LossyImageCompression"}
    for element in before:
        if element.keyword not in described and element.tag.element:
            assert after[element.tag].value == element.value, element


def as_rgb(dataset: Dataset) -> np.ndarray:
    from pydicom.pixels import pixel_array

    return pixel_array(dataset)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless]
)
@pytest.mark.parametrize("bits", [8, 16])
def test_every_way_of_writing_comes_out_the_same(syntax: str, bits: int, tmp_path: Path, decoder: Decoder) -> None:
    image = made.image(rows=17, columns=13)
    if bits == 8:
        image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
        image.PixelData = np.arange(17 * 13, dtype=np.uint16).astype(np.uint8).tobytes() + b"\0"
    image.ProcedureCodeSequence = [made.code()]
    image.add_new(0x60000010, "US", 17)
    image.add_new(0x60003000, "OW", bytes(range(28)))
    image.PixelPaddingValue = 5
    reference = dcmread(_written(tmp_path / "plain.dcm", image, ExplicitVRLittleEndian))
    if syntax in (RLELossless, JPEGLSLossless):
        plugin = "pydicom" if syntax == RLELossless else "pyjpegls"  # gdcm's aborts the process
        reference.compress(syntax, generate_instance_uid=False, encoding_plugin=plugin)
        reference.save_as(tmp_path / "in.dcm")
        path = tmp_path / "in.dcm"
    elif syntax == ExplicitVRBigEndian:
        path = _big_endian(tmp_path / "in.dcm", tmp_path / "plain.dcm")
    else:
        path = _written(tmp_path / "in.dcm", image, syntax)
    after = dcmread(transcoded(made.source(path), tmp_path / "work", decoder))
    expected = dcmread(tmp_path / "plain.dcm")
    for element in expected:
        assert after[element.tag].value == element.value, element


def test_frames_deflated_each_for_itself_become_plain_ones(tmp_path: Path, decoder: Decoder) -> None:
    image = made.image(rows=17, columns=13)
    plain = image.PixelData
    source = made.kept(tmp_path / "in", in_items(image, DEFLATED_FRAMES, [deflate(plain)]), DEFLATED_FRAMES)
    after = dcmread(transcoded(source, tmp_path / "work", decoder))
    assert (after.PixelData, after.file_meta.TransferSyntaxUID) == (plain, ExplicitVRLittleEndian)


def _written(path: Path, dataset: Dataset, syntax: str) -> Path:
    path.write_bytes(made.as_file(dataset, syntax))
    return path


def _big_endian(path: Path, plain: Path) -> Path:
    """By DCMTK, which turns the bytes of OW values as the standard wants."""
    subprocess.run(["dcmconv", "+tb", plain, path], check=True, capture_output=True)
    return path


def test_lossy_images_say_so_afterwards(tmp_path: Path, decoder: Decoder) -> None:
    path = get_testdata_file("SC_rgb_jpeg_gdcm.dcm", download=False)
    assert path is not None
    source = made.source(Path(path))
    after = dcmread(transcoded(source, tmp_path, decoder))
    if source.keys.TransferSyntaxUID.endswith((".4.50", ".4.51")):
        assert after.LossyImageCompression == "01"


def test_values_that_do_not_come_back_are_refused(tmp_path: Path, decoder: Decoder) -> None:
    class Forgetful(Decoder):
        """Decodes to something else the second time."""

        def raw(self, path: Path) -> RawPixels:
            found = decoder.raw(path)
            frames = list(found.frames)
            if path.parent == tmp_path / "work":
                frames[0] = bytes(len(frames[0]))
            return replace(found, frames=iter(frames))

    path = get_testdata_file("MR_small_RLE.dcm", download=False)
    assert path is not None
    with pytest.raises(DamagedError, match="does not decode to the same"):
        transcoded(made.source(Path(path)), tmp_path / "work", Forgetful())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("received_so", [True, False])
def test_what_cannot_be_decoded_is_refused_by_name(tmp_path: Path, decoder: Decoder, received_so: bool) -> None:
    path = get_testdata_file("MR_small_RLE.dcm", download=False)
    assert path is not None
    data = Path(path).read_bytes()
    (tmp_path / "bad.dcm").write_bytes(data[: len(data) // 2])
    whole = made.source(Path(path))
    source = made.source(tmp_path / "bad.dcm") if received_so else replace(whole, path=tmp_path / "bad.dcm")
    with pytest.raises(DamagedError, match=whole.keys.SOPInstanceUID if received_so else "bad.dcm"):
        transcoded(source, tmp_path / "work", decoder)


@pytest.mark.parametrize("bits", [9, 8, 3, 35 * 51])
def test_frames_of_single_bits_go_on_within_a_byte(bits: int) -> None:
    """As the frames of a compressed segmentation whose pixels fill no whole bytes."""
    frames = np.random.default_rng(bits).integers(0, 2, (5, bits), dtype=np.uint8)
    packed = b"".join(transcode._packed((np.packbits(each, bitorder="little").tobytes() for each in frames), bits))
    assert packed == np.packbits(frames, bitorder="little").tobytes()
