"""An error deep within sequences is as long as it is raised, in whatever part reads, walks or writes them."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

import appliance.pixels.source
import appliance.studies.charset  # noqa: F401  what discs, pages and imports read with
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
