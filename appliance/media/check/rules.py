"""What a directory has to say, typed in from the standard a second time (PS3.3 Annex F.4, F.5; PS3.11 D.3-2, H.3-2)."""

from __future__ import annotations

# Type 1 keys of each record type; a name followed by the tags that may not be missing or empty.
_TYPE_1 = """
PATIENT 00100020
STUDY 00080020 00080030 0020000D 00200010
SERIES 00080060 0020000E 00200011
IMAGE 00200013
RT DOSE 00200013 3004000A
RT STRUCTURE SET 00200013 30060002
RT PLAN 00200013 300A0002
RT TREAT RECORD 00200013
PRESENTATION 00200013 00700080 00700082 00700083
WAVEFORM 00200013 00080023 00080033
SR DOCUMENT 00200013 0040A491 0040A493 00080023 00080033 0040A043
KEY OBJECT DOC 00200013 00080023 00080033 0040A043
SPECTROSCOPY 00080008 00080023 00080033 00200013 00280008 00280010 00280011 00289001 00289002
RAW DATA 00080023 00080033
REGISTRATION 00080023 00080033 00200013 00700080
FIDUCIAL 00080023 00080033 00200013 00700080
HANGING PROTOCOL 00720002 00720004 00720006 00720008 0072000A 0072000C 00720014
ENCAP DOC 00200013 00420012
VALUE MAP 00080023 00080033 00200013 00700080
STEREOMETRIC
PALETTE 00700080
IMPLANT 00080070 00221095 00221097
IMPLANT ASSY 00080070 00760001 00760020
IMPLANT GROUP 00780001 00780020
PLAN
MEASUREMENT 00080023 00080033 00200013 00700080
SURFACE 00080023 00080033 00200013 00700080
SURFACE SCAN 00080023 00080033
TRACT 00080023 00080033 00200013 00700080
ASSESSMENT 00200013 00080012
RADIOTHERAPY 00200013
ANNOTATION 00080023 00080033 00200013 00700080
INVENTORY 00080023 00080033 00080403 00080426 00080428
WF PRESENTATION 00200013 00700080 00700082 00700083
PRIVATE 00041432
"""


def _type_1() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for line in _TYPE_1.strip().splitlines():
        words = line.split()
        tags = [word for word in words if len(word) == 8 and word[4:].isalnum() and word[0].isdigit()]
        name = " ".join(words[: len(words) - len(tags)])
        found[name] = tuple(int(tag, 16) for tag in tags)
    return found


TYPE_1 = _type_1()
IN_ROOT = frozenset(
    {"PATIENT", "HANGING PROTOCOL", "PALETTE", "IMPLANT", "IMPLANT ASSY", "IMPLANT GROUP", "INVENTORY", "PRIVATE"}
)
BELOW = {"PATIENT": {"STUDY", "PRIVATE"}, "STUDY": {"SERIES", "PRIVATE"}}
"""Record types that may lie below PATIENT and STUDY; below SERIES lies every instance record."""

NOT_BELOW_SERIES = IN_ROOT - {"PRIVATE"} | {"STUDY", "SERIES"}
WITHOUT_FILE = frozenset({"PATIENT", "STUDY", "SERIES"})

NAMES = {
    0x00080020: "Study Date",
    0x00080030: "Study Time",
    0x0020000D: "Study Instance UID",
    0x00200010: "Study ID",
    0x00100020: "Patient ID",
    0x00080060: "Modality",
    0x0020000E: "Series Instance UID",
    0x00200011: "Series Number",
    0x00200013: "Instance Number",
    0x00080023: "Content Date",
    0x00080033: "Content Time",
    0x0040A043: "Concept Name Code Sequence",
    0x00700080: "Content Label",
    0x00080008: "Image Type",
    0x00081140: "Referenced Image Sequence",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280008: "Number of Frames",
    0x00280030: "Pixel Spacing",
    0x00200032: "Image Position (Patient)",
    0x00200037: "Image Orientation (Patient)",
    0x00200052: "Frame of Reference UID",
}


def name_of(tag: int) -> str:
    """A tag as people read it."""
    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return f"{NAMES[tag]} {number}" if tag in NAMES else number


# Keys an IMAGE record must have if the object has them not empty.
PROFILE_KEYS: dict[str, tuple[int, ...]] = {
    "D.3-2": (0x00080008, 0x00081140),
    "E.3-2": (0x00081140, 0x00200032, 0x00200037, 0x00200052, 0x00280010, 0x00280011, 0x00280030),
    "H.3-2": (
        0x00080008,
        0x0008002A,
        0x00081140,
        0x00181800,
        0x00200032,
        0x00200037,
        0x00200052,
        0x00200200,
        0x00280008,
        0x00280010,
        0x00280011,
        0x00280030,
        0x00282112,
        0x00500004,
    ),
    "": (),
}
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DIRECTORY_CLASS = "1.2.840.10008.1.3.10"

CONCEPT_MOD = b"HAS CONCEPT MOD"
