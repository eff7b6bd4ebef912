"""What a disc is made from: stored instances, where they lie, and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.network.file_head import head_of_file
from appliance.studies.keys import InstanceKeys
from appliance.studies.records import DirectoryRecords

from .file_id import FileID


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceInstance:
    """One stored instance: what the index knows, and its file."""

    keys: InstanceKeys
    records: DirectoryRecords
    path: str | Path  # of the DICOM file; a str takes a third of the memory
    data_set_offset: int  # where its data set begins: see appliance.studies.part10.read_file_meta
    data_set_size: int  # bytes from there to the end of the file
    sha256: str = ""  # of the data set's bytes as received, hexadecimal; "" if not known


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """An instance with its place on a volume."""

    source: SourceInstance
    patient_id: str  # it is filed under: its own, or the one supplied
    TransferSyntaxUID: str  # on the disc
    size: int  # bytes on the disc; an upper bound where `decompress` is set
    decompress: bool  # to Explicit VR Little Endian before it can be written
    mp4: bool = False  # a video that lies beside the file-set; `size` is the most its MP4 file may have
    lost_icon: bool = False  # its compressed Icon Image Sequence went when it was decompressed
    file_id: FileID = ()  # its File ID; the place of its MP4 file


def head(placed: Placed) -> bytes:
    """Preamble and file meta information of an instance on the disc."""
    keys = placed.source.keys
    return head_of_file(keys.SOPClassUID, keys.SOPInstanceUID, placed.TransferSyntaxUID)
