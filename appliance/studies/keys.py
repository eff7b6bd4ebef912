"""What the index knows of one instance: the keys for search, for C-FIND answers and for planning discs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from sys import intern
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from appliance.studies import elements
from appliance.studies.charset import CharacterSet
from appliance.studies.records import instance_charset


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceKeys:
    """Attributes of one stored instance as text, decoded; "" where it has none, multiple values joined by a
    backslash."""

    TransferSyntaxUID: str
    SOPClassUID: str
    SOPInstanceUID: str
    # patient
    PatientName: str = ""
    PatientID: str = ""
    IssuerOfPatientID: str = ""
    PatientBirthDate: str = ""
    PatientSex: str = ""
    # study
    StudyInstanceUID: str = ""
    StudyDate: str = ""
    StudyTime: str = ""
    StudyID: str = ""
    AccessionNumber: str = ""
    StudyDescription: str = ""
    ReferringPhysicianName: str = ""
    # series
    SeriesInstanceUID: str = ""
    SeriesNumber: str = ""
    Modality: str = ""
    SeriesDescription: str = ""
    BodyPartExamined: str = ""
    InstitutionName: str = ""
    StationName: str = ""
    Manufacturer: str = ""
    # instance
    InstanceNumber: str = ""
    ContentDate: str = ""
    ContentTime: str = ""
    AcquisitionDateTime: str = ""
    ImageType: str = ""
    DocumentTitle: str = ""
    BurnedInAnnotation: str = ""
    LossyImageCompression: str = ""
    PhotometricInterpretation: str = ""
    Rows: int = 0
    Columns: int = 0
    NumberOfFrames: int = 0  # 0: not a multi-frame, or no image
    SamplesPerPixel: int = 0
    BitsAllocated: int = 0
    BitsStored: int = 0
    # how the texts were read
    SpecificCharacterSet: str = ""
    charset_source: str = "declared"  # "declared", "assumed", "guessed"

    def to_json(self) -> dict[str, Any]:
        """All fields, by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> InstanceKeys:
        """The inverse of :meth:`to_json`; unknown names are ignored. Equal texts of many instances are kept once."""
        known: dict[str, Any] = {name: value for name, value in values.items() if name in _NAMES}
        known.update({name: intern(value) for name, value in known.items() if isinstance(value, str)})
        return cls(**known)

    @property
    def pixel_bytes(self) -> int:
        """Bytes of Pixel Data once decompressed; 0 for what has no pixels."""
        frame = self.Rows * self.Columns * max(self.SamplesPerPixel, 1) * self.BitsAllocated
        return -(-frame * max(self.NumberOfFrames, 1) // 8)


_NAMES = {field.name: field.type for field in fields(InstanceKeys)}
_NOT_READ = ("TransferSyntaxUID", "SpecificCharacterSet", "charset_source")


def _vr(keyword: str) -> tuple[int, str]:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return tag, dictionary_VR(tag)


_TAGS = {name: _vr(name) for name in _NAMES if name not in _NOT_READ}


def instance_keys(dataset: Dataset, TransferSyntaxUID: str, assumed_charset: str = "") -> InstanceKeys:
    """Take the keys from a data set; it may come without its pixels, and before any of its texts was decoded."""
    charset = instance_charset(dataset, assumed_charset)
    found: dict[str, Any] = {
        name: _read(dataset, tag, vr, charset) for name, (tag, vr) in _TAGS.items() if dataset.get_item(tag) is not None
    }
    return InstanceKeys(
        TransferSyntaxUID=intern(str(TransferSyntaxUID)),
        SpecificCharacterSet="\\".join(charset.SpecificCharacterSet),
        charset_source=charset.source,
        **{"SOPClassUID": "", "SOPInstanceUID": "", **found},
    )


def some_keys(dataset: Dataset, names: Iterable[str], charset: CharacterSet) -> dict[str, Any]:
    """Some of the keys, by name: those the data set has. `charset` is what the texts are in."""
    wanted = ((name, *_TAGS[name]) for name in names)
    return {name: _read(dataset, tag, vr, charset) for name, tag, vr in wanted if dataset.get_item(tag) is not None}


def _read(dataset: Dataset, tag: int, vr: str, charset: CharacterSet) -> str | int:
    value = elements.value_bytes(dataset, tag, vr, list(charset.SpecificCharacterSet))
    if vr == "US":
        return int.from_bytes(value[:2], "little")
    text = charset.text(value)
    if vr == "IS" and tag == 0x00280008:
        return _whole(text)
    return "\\".join(part.strip() for part in text.split("\\")) if "\\" in text else text.strip()


def _whole(text: str) -> int:
    try:
        return max(int(text.split("\\", maxsplit=1)[0]), 0)
    except ValueError:
        return 0
