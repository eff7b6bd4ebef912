"""Tables of grey that a print profile is given as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from appliance.errors import UsageError
from appliance.events import Actor
from appliance.film.sheet import GreyPolicy
from appliance.printing.grey_tables import read_table
from appliance.printing.printer_verbs import add_profile
from appliance.printing.profiles import PrintProfile
from appliance.store.store import Store
from tests.printing.films import add_folder_printer


def test_a_table_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "soft.txt"
    path.write_text("0, 100\n30000 65535\n")
    assert read_table(path) == (0, 100, 30000, 65535)


def test_a_table_of_a_dicom_file_is_widened_to_16_bits(tmp_path: Path) -> None:
    path = tmp_path / "lut.dcm"
    item = Dataset()
    item.LUTDescriptor = [4, 0, 10]
    item.add_new("LUTData", "OW", b"\x00\x00\x01\x00\x00\x02\xff\x03")
    whole = Dataset()
    whole.PresentationLUTSequence = [item]
    whole.SOPClassUID, whole.SOPInstanceUID = "1.2.840.10008.5.1.1.23", generate_uid()
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole.save_as(path, enforce_file_format=True)
    assert read_table(path) == (0, round(65535 / 1023), round(512 * 65535 / 1023), 65535)


@pytest.mark.parametrize("text", ["", "1", "0 70000", "-1 5", "black white"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.txt"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_table(path)
    assert refused.value.field == "tables"


def test_a_profile_names_only_tables_it_has(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    with pytest.raises(UsageError, match="no table 'SOFT'; there are p-values, lin-od"):
        add_profile(store, PrintProfile(name="p", printer="film", grey=GreyPolicy(without_lut="SOFT")), clerk)
    kept = GreyPolicy(without_lut="SOFT", tables={"SOFT": (0, 65535)})
    add_profile(store, PrintProfile(name="p", printer="film", grey=kept), clerk)
