"""What strangers sent costs no more than it should, in whatever part reads, walks or writes it."""

from __future__ import annotations

import encodings
import io
import struct
from collections.abc import Callable

import pytest
from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

import appliance.pixels.source
import appliance.studies.charset  # noqa: F401  what discs, pages and imports read with
from appliance.pydicom_bounds import MOST_TERMS
from tests.dicom.test_hostile_content import nested


def written(dataset: Dataset) -> None:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, True  # another encoding than it came in: every value is read
    write_dataset(out, dataset)


@pytest.mark.parametrize(
    "use", [str, written, lambda dataset: dataset.walk(lambda *_: None)], ids="print write walk".split()
)
def test_an_error_deep_in_sequences_stays_short(use: Callable[[Dataset], object]) -> None:
    dataset = read_dataset(io.BytesIO(nested(9)), False, True)
    with pytest.raises(Exception, match="US") as raised:
        use(dataset)
    assert len(str(raised.value)) < 1000


def test_of_a_character_set_of_many_terms_few_are_looked_up_and_none_is_kept() -> None:
    """Each item of a sequence has its own."""
    terms = b"\\".join(b"NO CODEC %d" % number for number in range(4000))
    value = struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", len(terms)) + terms
    item = struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value
    sequence = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, len(item)) + item
    with pytest.warns(UserWarning) as told:
        items = read_dataset(io.BytesIO(sequence), False, True).ReferencedImageSequence
    assert len(items) == 1
    assert len(told) <= 2 * MOST_TERMS
    assert not [name for name in vars(encodings)["_cache"] if name.startswith("no_codec")]


def test_a_codec_by_its_own_name_is_still_one() -> None:
    with pytest.warns(UserWarning):
        assert convert_encodings(["cp1251", "Latin-1", "none"]) == ["cp1251", "Latin-1", "iso8859"]
