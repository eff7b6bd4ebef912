"""One bounded pass over data sets from anyone."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from appliance.errors import RefusedError
from appliance.network.skim import SkimLimits, skim
from appliance.network.uids import is_valid_uid

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
SYNTAXES = (IMPLICIT, EXPLICIT, BIG)
PIXELS = bytes(range(200)) * 10
GRAYSCALE, PIXEL_DATA = 0x20200110, 0x7FE00010


def image_box(undefined: bool = False) -> Dataset:
    image = Dataset()
    image.Rows, image.Columns, image.BitsAllocated = 40, 50, 8
    image.add_new(PIXEL_DATA, "OW", PIXELS)
    image.is_undefined_length_sequence_item = undefined
    box = Dataset()
    box.SpecificCharacterSet = "ISO_IR 144"
    box.PatientName = "Иванов^Иван"
    box.ImageBoxPosition = 3
    box.BasicGrayscaleImageSequence = Sequence([image])
    box["BasicGrayscaleImageSequence"].is_undefined_length = undefined
    return box


def encoded(dataset: Dataset, syntax: str) -> bytes:
    stream = DicomFileLike(BytesIO())
    stream.is_implicit_VR, stream.is_little_endian = syntax == IMPLICIT, syntax != BIG
    write_dataset(stream, dataset)
    return stream.parent.getvalue()


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "data"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_pixel_data_is_found_inside_an_image_box(tmp_path: Path, syntax: str, undefined: bool) -> None:
    data = encoded(image_box(undefined), syntax)
    found = skim(written(tmp_path, b"head" + data), syntax, offset=4)
    bulk = found.find(GRAYSCALE, 0, PIXEL_DATA)
    assert bulk is not None
    raw = (b"head" + data)[bulk.offset : bulk.offset + bulk.length]
    assert raw == (PIXELS if syntax != BIG else raw)
    assert bulk.length == len(PIXELS)
    assert found.dataset.ImageBoxPosition == 3
    assert found.dataset.PatientName == "Иванов^Иван"
    assert found.dataset.BasicGrayscaleImageSequence[0].Columns == 50
    assert not found.unreadable


def real_files() -> list[Any]:
    known_bad = {"image_dfl", "SC_rgb_jpeg", "no_meta_group_length", "rtplan_truncated", "MR_truncated"}
    paths = sorted((Path(pydicom.__path__[0]) / "data/test_files").glob("*.dcm"))
    return [path for path in paths if path.stem not in known_bad]


@pytest.mark.filterwarnings("ignore")
def test_real_data_sets_read_as_pydicom_reads_them() -> None:
    compared = 0
    for path in real_files():
        head = Path(path).read_bytes()[:144]
        if head[128:138] != b"DICM\2\0\0\0UL":
            continue
        whole = dcmread(path)
        if "TransferSyntaxUID" not in whole.file_meta:
            continue
        found = skim(
            Path(path),
            whole.file_meta.TransferSyntaxUID,
            offset=144 + struct.unpack_from("<L", head, 140)[0],
            limits=SkimLimits(value=1 << 20),
        )
        bulk = {bulk.path[0] for bulk in found.bulk}
        for element in whole:
            if element.tag not in bulk and element.VR != "SQ":
                assert found.dataset[element.tag] == element, (path, element.tag)
                compared += 1
    assert compared > 2000


def test_encapsulated_pixel_data_is_listed_by_fragment() -> None:
    path = Path(pydicom.__path__[0]) / "data/test_files/JPEG2000.dcm"
    data = path.read_bytes()
    found = skim(path, dcmread(path).file_meta.TransferSyntaxUID, offset=144 + struct.unpack_from("<L", data, 140)[0])
    bulk = found.find(PIXEL_DATA)
    assert bulk is not None
    assert data[bulk.fragments[1][0] :][:2] == b"\xff\x4f"
    assert bulk.offset + bulk.length + 8 <= len(data)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_cut_of_a_data_set_is_refused_as_truncated(tmp_path: Path, syntax: str) -> None:
    data = encoded(image_box(), syntax)
    whole = range(1, len(data) - 1, 7)
    refused = 0
    for position in whole:
        try:
            found = skim(written(tmp_path, data[:position]), syntax)
        except RefusedError as error:
            assert error.dimse_status == 0x0110
            refused += 1
        else:
            assert "BasicGrayscaleImageSequence" not in found.dataset  # cut exactly between two elements
    assert refused > len(whole) * 0.9


def nested(depth: int, defined: bool) -> bytes:
    data = b""
    for _ in range(depth):
        length = len(data) if defined else 0xFFFFFFFF
        item = struct.pack("<HHL", 0xFFFE, 0xE000, length) + data
        item += b"" if defined else struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
        length = len(item) if defined else 0xFFFFFFFF
        data = struct.pack("<HHL", 0x2020, 0x0110, length) + item
        data += b"" if defined else struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return data


@pytest.mark.parametrize("defined", [True, False])
def test_nesting_has_a_limit(tmp_path: Path, defined: bool) -> None:
    skim(written(tmp_path, nested(64, defined)), IMPLICIT)
    with pytest.raises(RefusedError, match="nested deeper than 64"):
        skim(written(tmp_path, nested(65, defined)), IMPLICIT)
    with pytest.raises(RefusedError, match="nested deeper"):
        skim(written(tmp_path, nested(5000, False)), IMPLICIT)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("2 GB announced", struct.pack("<HHL", 0x0010, 0x0010, 0x7FFFFFFF) + b"abcd", "truncated"),
        ("undefined length of a text", struct.pack("<HHL", 0x0010, 0x0010, 0xFFFFFFFF) + b"abcd", "undefined length"),
        ("an item outside a sequence", struct.pack("<HHL", 0xFFFE, 0xE000, 0), "out of place"),
        ("an element twice", struct.pack("<HHL", 0x0010, 0x0020, 0) * 2, "twice"),
        ("no item in a sequence", struct.pack("<HHLHHL", 0x2020, 0x0110, 8, 0x0010, 0x0010, 0), "where an item should"),
        (
            "an item longer than its sequence",
            struct.pack("<HHLHHL", 0x2020, 0x0110, 8, 0xFFFE, 0xE000, 8) + b"x" * 8,
            "truncated",
        ),
        ("terms without end", struct.pack("<HHL", 8, 5, 60_000) + b"1\\" * 30_000, "Specific Character Set of 60000"),
        ("too many", b"".join(struct.pack("<HHL", 9, n, 0) for n in range(2000)), "more than 1000 elements"),
    ],
)
def test_a_malformed_data_set_is_refused_with_what_is_wrong(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        skim(written(tmp_path, data), IMPLICIT, limits=SkimLimits(elements=1000))


def test_a_long_value_is_not_read(tmp_path: Path) -> None:
    data = struct.pack("<HHL", 0x0010, 0x0010, 1 << 20) + b"x" * (1 << 20)
    found = skim(written(tmp_path, data), IMPLICIT)
    assert found.find(0x00100010).length == 1 << 20
    assert "PatientName" not in found.dataset


def test_a_value_that_is_not_what_it_should_be_is_named(tmp_path: Path) -> None:
    data = struct.pack("<HHL", 0x0028, 0x0010, 3) + b"abc"
    found = skim(written(tmp_path, data), IMPLICIT)
    assert found.unreadable[0].path == (0x00280010,)
    assert "Rows" not in found.dataset


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_data_sets_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from(SYNTAXES))
    mutated = bytearray(encoded(image_box(data.draw(st.booleans())), syntax))
    for _ in range(data.draw(st.integers(1, 8))):
        mutated[data.draw(st.integers(0, min(300, len(mutated) - 1)))] = data.draw(st.integers(0, 255))
    try:
        found = skim(written(tmp_path, bytes(mutated)), syntax)
    except RefusedError:
        return
    for bulk in found.bulk:
        assert 0 <= bulk.offset <= bulk.offset + bulk.length <= len(mutated)
    str(found.dataset)


@pytest.mark.parametrize("uid", ["1.2.3", "0.0", "2.25.123", "1." * 31 + "12"])
def test_valid_uids(uid: str) -> None:
    assert is_valid_uid(uid)


@pytest.mark.parametrize(
    "uid", ["", "1.", ".1", "1..2", "01.2", "1.02", "1.2\n", "1.2 ", "../x", "١.٢", "1" * 65, "1.2\0", "a.b", "1.-2"]
)
def test_invalid_uids(uid: str) -> None:
    assert not is_valid_uid(uid)
