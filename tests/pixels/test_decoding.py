"""Every codec gives the stored values exactly; hostile files are refused in words and harm nobody else."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    MPEG4HP41,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from appliance.errors import DamagedError, ResourceError
from appliance.pixels import DamagedPixelsError, Decoder, Limits, NotShownError, TooLargeError
from tests.pixels.conftest import SHIPPED, grey

Save = Callable[[Dataset], Path]
CT = SHIPPED / "CT_small.dcm"


@pytest.mark.parametrize("name", ["RLE", "jp2klossless", "jpeg_ls_lossless", "implicit", "bigendian", "expb"])
def test_raw_values_are_those_of_the_uncompressed_twin(decoder: Decoder, name: str) -> None:
    expected = pydicom.dcmread(SHIPPED / "MR_small.dcm").pixel_array.astype("<i2").tobytes()
    assert b"".join(decoder.raw(SHIPPED / f"MR_small_{name}.dcm").frames) == expected


@pytest.mark.parametrize("name", ["JPEG-lossy.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm"])
def test_jpeg_is_decoded_as_dcmtk_decodes_it(decoder: Decoder, tmp_path: Path, name: str) -> None:
    plain = tmp_path / "plain.dcm"
    subprocess.run(["dcmdjpeg", "+px", "+cn", SHIPPED / name, plain], check=True, capture_output=True)
    theirs = pydicom.dcmread(plain)
    ours = decoder.raw(SHIPPED / name)
    dtype = "<u2" if ours.BitsAllocated == 16 else "u1"
    got, expected = (np.frombuffer(data, dtype).astype(int) for data in (b"".join(ours.frames), theirs.PixelData))
    assert np.abs(got - expected[: got.size]).max() <= (0 if dtype == "<u2" else 2)


def test_all_frames_of_a_multiframe_come_in_order(decoder: Decoder) -> None:
    path = SHIPPED / "rtdose.dcm"
    raw = decoder.raw(path)
    frames = list(raw.frames)
    assert raw.NumberOfFrames == len(frames) == 15
    assert b"".join(frames) == pydicom.dcmread(path).pixel_array.astype("<u4").tobytes()


def test_signed_twelve_bit_values_survive_jpeg_ls(decoder: Decoder, saved: Save) -> None:
    values = np.random.default_rng(2).integers(-2048, 2048, (32, 32)).astype(np.int16)
    dataset = grey(values, BitsStored=12, HighBit=11)
    dataset.compress(JPEGLSLossless, encoding_plugin="pyjpegls")
    assert b"".join(decoder.raw(saved(dataset)).frames) == values.tobytes()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("rtplan.dcm", NotShownError, "no picture"),
        ("waveform_ecg.dcm", NotShownError, "no picture"),
        ("ExplVR_LitEndNoMeta.dcm", NotShownError, "not a DICOM file"),
        ("MR_truncated.dcm", DamagedPixelsError, "ends within its pixel data"),
        ("meta_missing_tsyntax.dcm", DamagedPixelsError, "transfer syntax"),
    ],
)
def test_what_cannot_be_shown_is_said_in_words(decoder: Decoder, name: str, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        decoder.frame(SHIPPED / name, 1)


def test_a_video_is_not_shown(decoder: Decoder, saved: Save) -> None:
    dataset = grey(np.zeros((8, 8), np.uint8))
    dataset.PixelData = encapsulate([b"\0\0\1\xb3" * 4])
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    with pytest.raises(NotShownError, match="video"):
        decoder.frame(saved(dataset), 1)


def test_a_header_that_asks_for_gigabytes_is_refused_before_they_are_allocated(decoder: Decoder, saved: Save) -> None:
    dataset = grey(np.zeros((8, 8), np.uint16), Rows=65535, Columns=65535)
    with pytest.raises(TooLargeError, match="65535 x 65535"):
        decoder.frame(saved(dataset), 1)


def test_more_frames_than_bytes_are_refused(decoder: Decoder, saved: Save) -> None:
    with pytest.raises(DamagedPixelsError, match="bytes"):
        decoder.frame(saved(grey(np.zeros((8, 8), np.uint16), NumberOfFrames=50)), 1)


def test_a_jpeg_2000_header_of_65535_squared_is_refused(decoder: Decoder, saved: Save) -> None:
    dataset = grey(np.zeros((64, 64), np.uint16))
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    at = dataset.PixelData.find(b"\xff\x4f\xff\x51") + 4 + 4
    dataset.PixelData = dataset.PixelData[:at] + struct.pack(">II", 65535, 65535) + dataset.PixelData[at + 8 :]
    with pytest.raises(DamagedPixelsError, match="65535 x 65535"):
        decoder.frame(saved(dataset), 1)


def test_an_rle_bomb_is_refused(decoder: Decoder, saved: Save) -> None:
    dataset = grey(np.zeros((16, 16), np.uint8))
    bomb = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\x00" * 500_000
    dataset.PixelData = encapsulate([bomb])
    dataset.file_meta.TransferSyntaxUID = RLELossless
    with pytest.raises(DamagedPixelsError, match="more RLE data"):
        decoder.frame(saved(dataset), 1)


def test_a_deflate_bomb_is_refused(saved: Save) -> None:
    path = saved(grey(np.zeros((8, 8), np.uint8)))
    with path.open("rb") as file:
        head = file.read(132)
        meta = pydicom.filereader._read_file_meta_info(file)  # noqa: SLF001
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    element = struct.pack("<HH2sHL", 0x0009, 0x1001, b"OB", 0, 200 << 20)
    squeezed = zlib.compressobj(wbits=-15)
    data = squeezed.compress(element) + squeezed.compress(bytes(200 << 20)) + squeezed.flush()
    with path.open("wb") as file:
        file.write(head)
        pydicom.filewriter.write_file_meta_info(file, meta)
        file.write(data)
    assert path.stat().st_size < 1 << 20
    with Decoder(limits=Limits(inflated_bytes=64 << 20)) as small, pytest.raises(TooLargeError, match="64 MiB"):
        small.frame(path, 1)


def test_sequences_nested_without_end_are_refused(decoder: Decoder, saved: Save) -> None:
    path = saved(grey(np.zeros((8, 8), np.uint8)))
    data = path.read_bytes()
    nested = (struct.pack("<HH2sHL", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 3000
    at = data.rfind(struct.pack("<HH", 0x7FE0, 0x0010))
    path.write_bytes(data[:at] + nested + data[at:])
    with pytest.raises(DamagedPixelsError):
        decoder.frame(path, 1)


def test_more_memory_than_given_is_refused_in_words(saved: Save) -> None:
    path = saved(grey(np.zeros((9000, 9000), np.uint16)))
    with Decoder(limits=Limits(address_space=600 << 20)) as small, pytest.raises(TooLargeError, match="memory"):
        small.raw(path)


def _child(decoder: Decoder) -> int:
    decoder.frame(CT, 1)
    return decoder._idle.queue[-1].pid  # noqa: SLF001


def test_after_a_child_died_the_next_request_works() -> None:
    with Decoder() as decoder:
        os.kill(_child(decoder), signal.SIGSEGV)
        with pytest.raises(DamagedPixelsError, match="broke the decoder"):
            decoder.frame(CT, 1)
        assert decoder.frame(CT, 1).shape == (128, 128)


def test_a_child_that_hangs_is_ended() -> None:
    with Decoder(limits=Limits(seconds=0.5)) as decoder:
        os.kill(pid := _child(decoder), signal.SIGSTOP)
        with pytest.raises(TooLargeError, match="was ended"):
            decoder.frame(CT, 1)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert decoder.frame(CT, 1).shape == (128, 128)


@contextlib.contextmanager
def descriptors(left: int) -> Iterator[None]:
    """So many files more may be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]  # fills what is free below the last of them
    try:
        for each in spare[-left:] if left else ():
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1] + 1, hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in spare[: len(spare) - left]:
            os.close(each)


@pytest.mark.parametrize(("left", "words"), [(0, "CT_small.dcm can't be read"), (1, "decoder of images")])
def test_a_machine_without_descriptors_for_a_moment_is_no_damaged_image(left: int, words: str) -> None:
    with Decoder(children=1) as decoder:
        with descriptors(left), pytest.raises(ResourceError, match=words):
            decoder.frame(CT, 1)
        assert decoder.frame(CT, 1).shape == (128, 128)


def test_the_decoder_comes_back_after_its_nursery_was_killed() -> None:
    with Decoder() as decoder:
        _child(decoder)
        nursery = decoder._nursery  # noqa: SLF001
        assert nursery is not None
        nursery.process.kill()
        nursery.process.wait()
        with pytest.raises(DamagedPixelsError):
            decoder.frame(CT, 1)
        assert decoder.frame(CT, 1).shape == (128, 128)


def test_a_child_cannot_write_files(decoder: Decoder) -> None:
    limits = Path(f"/proc/{_child(decoder)}/limits").read_text()
    assert "Max file size             0" in limits
    assert "Max address space         3221225472" in limits


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_bytes_never_break_the_decoder(decoder: Decoder, tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [
        "JPEG2000.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "JPEG-lossy.dcm",
    ]
    for name in names:
        data = bytearray((SHIPPED / name).read_bytes())
        for at in random.integers(132, len(data), 40):
            data[at] = random.integers(0, 256)
        path = tmp_path / name
        path.write_bytes(data)
        with contextlib.suppress(NotShownError, DamagedPixelsError, TooLargeError):
            decoder.frame(path, 1)
    assert decoder.frame(CT, 1).shape == (128, 128)


def test_a_file_that_is_gone_is_said_and_costs_no_child(decoder: Decoder, tmp_path: Path) -> None:
    before = _child(decoder)
    with pytest.raises(DamagedError, match=r"gone\.dcm"):
        decoder.frame(tmp_path / "gone.dcm", 1)
    assert _child(decoder) == before


def test_a_child_has_no_way_into_the_network(decoder: Decoder) -> None:
    ours, theirs = (Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", _child(decoder)))
    if ours == theirs:
        pytest.skip("this system gives no network name spaces away")
    assert ours != theirs


def test_two_threads_are_served_at_once(decoder: Decoder) -> None:
    from concurrent.futures import ThreadPoolExecutor

    names = ["CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm"] * 20
    with ThreadPoolExecutor(4) as pool:
        shapes = list(pool.map(lambda name: decoder.frame(SHIPPED / name, 1).shape, names))
    assert shapes == [(128, 128), (64, 64), (240, 320, 3)] * 20


def test_a_header_of_millions_of_elements_is_ended(saved: Save) -> None:
    path = saved(grey(np.zeros((8, 8), np.uint8)))
    data = path.read_bytes()
    at = data.rfind(struct.pack("<HH", 0x7FE0, 0x0010))
    elements = b"".join(struct.pack("<HH2sH", 0x0051, k & 0xFFFF, b"LO", 0) for k in range(1 << 20))
    path.write_bytes(data[:at] + elements * 8 + data[at:])
    with Decoder(limits=Limits(cpu_seconds=1)) as small, pytest.raises(TooLargeError, match="processor time"):
        small.frame(path, 1)


def test_bytes_in_a_codestream_that_look_like_delimiters_end_nothing(decoder: Decoder, saved: Save) -> None:
    """Fragments are walked by their lengths (PS3.5 A.4): a comment may hold anything."""
    values = np.random.default_rng(3).integers(0, 4096, (64, 64)).astype(np.uint16)
    dataset = grey(values)
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    plain = next(generate_frames(dataset.PixelData, number_of_frames=1))
    end_of_siz = 4 + int.from_bytes(plain[4:6], "big")
    marks = b"\xfe\xff\xdd\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    comment = b"\xff\x64" + struct.pack(">HH", 4 + len(marks), 0) + marks
    dataset.PixelData = encapsulate([plain[:end_of_siz] + comment + plain[end_of_siz:]])
    assert b"".join(decoder.raw(saved(dataset)).frames) == values.tobytes()


def test_a_codestream_spoiled_by_a_delimiter_is_refused_with_both_sizes(decoder: Decoder) -> None:
    """pydicom's file: the delimiter lies in the SIZ marker, which now claims a width of 3,722,445,056 pixels."""
    with pytest.raises(DamagedPixelsError, match="1024 x 3722445056 x 1, its header 1024 x 256 x 1"):
        decoder.frame(SHIPPED / "JPEG2000-embedded-sequence-delimiter.dcm", 1)
