"""Frames coded in ways pydicom has no decoder for: deflated, as they are, progressive JPEG, single bits."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, RLELossless
from rle.rle import encode_segment

from appliance.newer_uids import DEFLATED_FRAMES
from appliance.pixels import DamagedPixelsError, Decoder
from tests.pixels.conftest import deflate, grey, in_items

Save = Callable[[Dataset], Path]
AS_THEY_ARE = UID("1.2.840.10008.1.2.1.98")


def run_lengths(data: bytes) -> bytes:
    """One segment behind its header (PS3.5 G.5); a row is all there is."""
    return struct.pack("<16L", 1, 64, *[0] * 14) + bytes(encode_segment(data, len(data)))


@pytest.mark.parametrize("syntax", [DEFLATED_FRAMES, AS_THEY_ARE])
@pytest.mark.parametrize("kind", [np.uint8, np.int16])
def test_native_frames_in_items_come_out_as_they_are(decoder: Decoder, saved: Save, syntax: UID, kind: type) -> None:
    values = np.random.default_rng(3).integers(0, 99, (3, 17, 13)).astype(kind)
    coded = [deflate(frame.tobytes()) if syntax == DEFLATED_FRAMES else frame.tobytes() for frame in values]
    path = saved(in_items(grey(values), syntax, coded))
    assert b"".join(decoder.raw(path).frames) == values.tobytes()
    assert decoder.frame(path, 2).shape == (17, 13)


def test_what_lies_in_unused_bits_of_deflated_frames_stays(decoder: Decoder, saved: Save) -> None:
    values = np.full((8, 8), 0xF123, np.uint16)
    dataset = in_items(grey(values, BitsStored=12, HighBit=11), DEFLATED_FRAMES, [deflate(values.tobytes())])
    assert b"".join(decoder.raw(saved(dataset)).frames) == values.tobytes()


@pytest.mark.parametrize(
    ("syntax", "code"), [(DEFLATED_FRAMES, deflate), (AS_THEY_ARE, bytes), (RLELossless, run_lengths)]
)
def test_single_bits_in_items_begin_with_a_byte_of_their_own(
    decoder: Decoder, saved: Save, syntax: UID, code: Callable[[bytes], bytes]
) -> None:
    bits = np.random.default_rng(4).integers(0, 2, (3, 33, 35)).astype(np.uint8)
    dataset = grey(bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    packed = [np.packbits(frame, bitorder="little").tobytes() for frame in bits]
    path = saved(in_items(dataset, syntax, [code(frame) for frame in packed]))
    assert list(decoder.raw(path).frames) == packed
    assert np.array_equal(decoder.frame(path, 3) > 0, bits[2] > 0)


def test_a_deflated_frame_larger_than_its_header_says_is_refused(decoder: Decoder, saved: Save) -> None:
    dataset = grey(np.zeros((64, 64), np.uint16))
    path = saved(in_items(dataset, DEFLATED_FRAMES, [deflate(bytes(200 << 20))]))
    with pytest.raises(DamagedPixelsError, match="Frame 1 has .* bytes where its header needs 8192"):
        decoder.frame(path, 1)


@pytest.mark.parametrize("data", [deflate(bytes(100)), b"\xff" * 64])
def test_a_deflated_frame_that_is_none_is_refused_by_its_number(decoder: Decoder, saved: Save, data: bytes) -> None:
    path = saved(in_items(grey(np.zeros((64, 64), np.uint16)), DEFLATED_FRAMES, [data]))
    with pytest.raises(DamagedPixelsError, match="Frame 1"):
        decoder.frame(path, 1)


@pytest.mark.parametrize("process", ["+es", "+ep"])
@pytest.mark.parametrize("bits", [8, 12])
def test_progressive_jpeg_is_decoded_as_dcmtk_decodes_it(
    decoder: Decoder, saved: Save, tmp_path: Path, process: str, bits: int
) -> None:
    y, x = np.mgrid[0:40, 0:56]
    values = ((x * 5 + y * 3) % 2**bits).astype(np.uint16 if bits > 8 else np.uint8)
    plain = saved(grey(values, BitsStored=bits, HighBit=bits - 1))
    coded, theirs = tmp_path / "coded.dcm", tmp_path / "theirs.dcm"
    subprocess.run(
        ["dcmcjpeg", process, "+be" if bits == 8 else "+bt", "+un", plain, coded], check=True, capture_output=True
    )
    subprocess.run(["dcmdjpeg", coded, theirs], check=True, capture_output=True)
    assert pydicom.dcmread(coded).file_meta.TransferSyntaxUID.endswith(".53" if process == "+es" else ".55")
    expected = pydicom.dcmread(theirs).pixel_array.astype(int)
    ours = np.frombuffer(b"".join(decoder.raw(coded).frames), "<u2" if bits > 8 else "u1").astype(int)
    assert np.abs(ours - expected.ravel()).max() <= 1
