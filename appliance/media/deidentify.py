"""The copy type anonymous: instances by the Basic Application Level Confidentiality Profile (PS3.15 Annex E).

What happens to each attribute is table E.1-1, taken as data from the package dicom-anonymizer (edition 2026c); what the
profile leaves to the one who applies it is decided here. UIDs, the patient's new ID and the shift of dates come from a
key of the order by HMAC, so that an order of many discs stays consistent and nothing has to be remembered. Pixel data
is copied byte for byte: whether something is burned into it a person must see (:func:`needs_a_look`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom import DataElement, Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from appliance.errors import ApplianceError, DamagedError, UsageError
from appliance.network.file_head import head_of_file
from appliance.pixels.errors import NotShownError, VideoError
from appliance.pixels.source import Limits, Source
from appliance.store.files import PartFile
from appliance.studies.bounds import check_items
from appliance.studies.keys import InstanceKeys
from appliance.words import say

PREFIX = "1.2.840.10008.5.1.4.1.1."
LOOK_MODALITIES = {"US", "SC", "XC", "ES", "OT", "DOC", "SR", "IVUS", "HC"}
# classes (after PREFIX) whose pixels or text are made for people to read, whatever Modality says
LOOK_CLASSES = {
    "7": say("a secondary capture"),
    "3.1": say("an ultrasound image"),
    "6.1": say("an ultrasound image"),
    "6.2": say("an ultrasound image"),
    "77.1": say("a photograph, endoscopy or video"),
    "88": say("a report"),
    "104": say("a document"),
    "9": say("a waveform, whose annotations may hold names"),
}
CHUNK = 1 << 20
MOST_INFLATED = 1 << 27
"""Bytes of a deflated data set, which is held in memory here."""


class CannotDeidentifyError(ApplianceError):
    """An instance can't be made anonymous."""

    http_status = 422


@dataclass(frozen=True, kw_only=True)
class DeidentifyOptions:
    """Choices of one anonymous order (PS3.15 E.3)."""

    key: bytes  # random, of this order; who has it can link the copies to their originals
    filed_under: str = ""  # the Patient ID whose instance it is taken for, where that may not be its own
    dates: str = "remove"  # remove, shift (all by the same number of days), keep
    descriptors: str = "remove"  # remove, clean (descriptions stay without the words that identify)
    keep_device: bool = False  # Retain Device Identity Option
    keep_characteristics: bool = False  # Retain Patient Characteristics Option: sex, age, size, weight
    looked: bool = False  # a person has looked at pixels and text of this instance and let it pass
    video: bool = False  # a video may pass: its stream goes no further as it is, for it may hold names and voices

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise UsageError(say("The key of an anonymous order has at least 16 bytes"), field="key")
        if self.dates not in ("remove", "shift", "keep") or self.descriptors not in ("remove", "clean"):
            raise UsageError(say("dates is remove, shift or keep; descriptors is remove or clean"), field="dates")

    @cached_property
    def days(self) -> int:
        """How far dates are shifted into the past: 30 days to ten years."""
        return 30 + int.from_bytes(self.digest("days", "")[:4], "big") % 3620

    def digest(self, kind: str, value: str) -> bytes:
        return hmac.new(self.key, f"{kind}\0{value}".encode(), hashlib.sha256).digest()

    def uid(self, value: str) -> str:
        """The new UID of an old one; those of the standard stay."""
        value = value.strip("\0 ")
        if not value or value.startswith("1.2.840.10008."):
            return value
        return f"2.25.{uuid.UUID(bytes=self.digest('uid', value)[:16], version=5).int}"

    def patient(self, dataset: Dataset) -> str:
        """The new Patient ID; the same for the same old one."""
        known = self.filed_under or f"{dataset.get('PatientID', '')}\0{dataset.get('IssuerOfPatientID', '')}"
        return "ANON" + self.digest("patient", known).hex()[:10].upper()


def needs_a_look(keys: InstanceKeys) -> str | None:
    """Why a person must look at this instance before it goes on an anonymous disc; None when nothing says so."""
    if keys.BurnedInAnnotation.upper() == "YES":
        return say("it says that text is burned into its pixels")
    tail = keys.SOPClassUID.removeprefix(PREFIX)
    for start, what in LOOK_CLASSES.items():
        if tail == start or (tail.startswith(start + ".") and tail != keys.SOPClassUID):
            return say("it is %(what)s", what=what)
    if keys.Modality.upper() in LOOK_MODALITIES:
        return say("its modality is %(modality)s, whose pixels or text often name the patient", modality=keys.Modality)
    if "SCREEN SAVE" in keys.ImageType.upper():
        return say("it is a picture of a screen")
    return None


def deidentify(source: Path, target: Path, options: DeidentifyOptions) -> str:
    """Write an anonymous copy of the instance `source` as `target`; its new SOP Instance UID.

    Deflated data sets are written inflated (Explicit VR Little Endian). Raises :class:`CannotDeidentifyError` or
    PixelError.
    """
    with source.open("rb") as file:
        try:
            check_items(source, 0)
            opened = Source(file, Limits(inflated_bytes=MOST_INFLATED), video=options.video)
            start, end = _pixel_span(opened)
            dataset = opened.header
            _Deidentifier(dataset, options).run()
            _write(dataset, opened, start, end, target)
        except VideoError as error:
            raise CannotDeidentifyError(
                say("video goes on anonymous discs as MP4 files alone (--video mp4), without its sound")
            ) from error
        except DamagedError as error:
            raise CannotDeidentifyError(say("An instance can't be made anonymous: %(why)s", why=str(error))) from error
        except ApplianceError:
            raise
        except (RecursionError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
            # parsing and rewriting a damaged instance raises any of these; their words may hold its text
            raise CannotDeidentifyError(
                say(
                    "An instance can't be made anonymous: it is damaged (%(name)s). Leave it out.",
                    name=type(error).__name__,
                )
            ) from None
    return str(dataset.SOPInstanceUID)


def _pixel_span(opened: Source) -> tuple[int, int]:
    """Where the pixel data element begins and ends; nothing when there is none (what follows it is left out)."""
    start = opened.file.tell()
    try:
        opened.enter_pixels()
    except NotShownError:
        return start, start
    if not opened.encapsulated:
        return start, opened.start + opened.length
    # walking the fragments leaves the file behind the delimiter
    _ = opened.fragments
    return start, opened.file.tell()


def _write(dataset: Dataset, opened: Source, start: int, end: int, target: Path) -> None:
    syntax = ExplicitVRLittleEndian if opened.transfer_syntax.is_deflated else opened.transfer_syntax
    with PartFile(target) as part:
        part.write(head_of_file(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(syntax)))
        part.write(_encoded(dataset, syntax))
        _copy(opened.file, part, start, end)
        part.commit()


def _encoded(dataset: Dataset, syntax: UID) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = syntax.is_implicit_VR, syntax.is_little_endian
    write_dataset(out, dataset)
    return bytes(out.getvalue())


def _copy(file: BinaryIO, part: PartFile, start: int, end: int) -> None:
    file.seek(start)
    left = end - start
    while left > 0:
        data = file.read(min(CHUNK, left))
        if not data:
            raise CannotDeidentifyError(say("An instance can't be made anonymous: it ends within its pixel data."))
        part.write(data)
        left -= len(data)


def _expanded() -> dict[BaseTag, str]:
    actions = {"X_TAGS": "X", "Z_TAGS": "Z", "D_TAGS": "D", "U_TAGS": "U", "Z_D_TAGS": "D", "X_Z_TAGS": "Z"}
    actions |= {"X_D_TAGS": "D", "X_Z_D_TAGS": "D", "X_Z_U_STAR_TAGS": "U"}
    found = ((entry, action) for name, action in actions.items() for entry in getattr(table, name))
    return {Tag(*entry): action for entry, action in found if len(entry) == 2}


# dummies in these would make drawings and annotations of nothing; both may be absent
WHOLE = {Tag("GraphicAnnotationSequence"): "X", Tag("WaveformAnnotationSequence"): "X"}
ACTIONS = _expanded() | WHOLE
"""Table E.1-1; of alternatives the one that keeps the instance valid whatever the attribute's type."""
MASKED = [entry for entry in table.ALL_TAGS if len(entry) == 4]
"""Its repeating groups (curves, overlay data and comments): group, element and their masks; all are removed."""

# Clean Descriptors Option (table E.1-1, column Clean Desc.): those that a clerk writes or a protocol names
DESCRIPTORS = {
    Tag(keyword)
    for keyword in (
        "StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription",
        "PerformedProcedureStepDescription", "ContrastBolusAgent", "AcquisitionProtocolDescription",
        "AcquisitionDeviceProcessingDescription", "SegmentLabel", "ROIName", "StructureSetLabel", "RTPlanLabel",
    )
}  # fmt: skip
# Retain Device Identity Option
DEVICE = {Tag(keyword) for keyword in ("DeviceSerialNumber", "StationName", "DetectorID", "TreatmentMachineName",
                                       "GantryID", "PlateID", "CassetteID", "DeviceUID")}  # fmt: skip
# Retain Patient Characteristics Option
CHARACTERISTICS = {Tag(keyword) for keyword in ("PatientSex", "PatientAge", "PatientSize", "PatientWeight",
                                                "EthnicGroup", "SmokingStatus", "PregnancyStatus")}  # fmt: skip
# what a person who looked has let pass: text of reports and annotations, the document itself
CONTENT = {Tag(keyword) for keyword in ("ContentSequence", "TextValue", "EncapsulatedDocument", "DocumentTitle",
                                        "GraphicAnnotationSequence", "UnformattedTextValue")}  # fmt: skip

# Free text the table does not name (Content Label, Content Description, Segment Label and so on) stays but for this
# patient's names and numbers. Codes are left alone: a patient may be called Brown.
FREE_TEXT = ("LO", "SH", "ST", "LT", "UT", "UC")
NOT_FREE = frozenset(Tag(0x0008, number) for number in range(0x0100, 0x0125))

# UIDs and addresses the table does not name are replaced as well, for they lead back to their originals (Retrieve URL,
# SOP Instance UID of Concatenation Source and so on); not these, which say what kind of thing or code something is
OF_KINDS = frozenset(
    Tag(keyword)
    for keyword in (
        "SOPClassUID", "RelatedGeneralSOPClassUID", "OriginalSpecializedSOPClassUID", "SOPClassesInStudy",
        "SOPClassesSupported", "ReferencedSOPClassUID", "PertinentSOPClassesInStudy", "PertinentSOPClassesInSeries",
        "CodingSchemeUID", "CodingSchemeURL", "ContextGroupExtensionCreatorUID", "ContextUID", "MappingResourceUID",
        "URNCodeValue", "StoredInstanceTransferSyntaxUID", "AvailableTransferSyntaxUID", "FlowTransferSyntaxUID",
        "MACCalculationTransferSyntaxUID", "EncryptedContentTransferSyntaxUID", "SelectorUIValue",
        "RelativeURIReferenceWithinEncapsulatedDocument",
    )
)  # fmt: skip
BY_VR = {"PN": "Z", "DA": "Z", "DT": "Z", "UI": "U", "UR": "D", "UN": "X"}
"""What becomes of an element the table does not name; of what the dictionary does not know either, nobody can say what
it holds."""

# PS3.15 E.3, CID 7050: what was done, by code
CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
}

_DUMMIES: dict[str, object] = {
    "PN": "Anonymous", "AS": "000Y", "DA": "19000101", "TM": "000000", "DT": "19000101000000", "IS": "0", "DS": "0",
    "UR": "http://anonymized.invalid", "OB": b"\0\0", "OW": b"\0\0", "UN": b"\0\0", "OF": bytes(4), "OD": bytes(8),
    "OL": bytes(4), "OV": bytes(8), **dict.fromkeys(("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"), 0),
}  # fmt: skip


class _Deidentifier:
    """Changes one data set in place."""

    def __init__(self, dataset: Dataset, options: DeidentifyOptions) -> None:
        self.dataset = dataset
        self.options = options
        self.patient = options.patient(dataset)
        self.names = _words_of(dataset, IDS)
        self.identifying = _words_of(dataset, IDS + PLACES) if options.descriptors == "clean" else set()

    def run(self) -> None:
        if not self.dataset.get("SOPInstanceUID") or not self.dataset.get("SOPClassUID"):
            raise CannotDeidentifyError(
                say("An instance without SOP Class or SOP Instance UID can't be made anonymous.")
            )
        if any(_in_pixels(self.dataset, group) for group in range(0x6000, 0x6100, 2)):
            raise CannotDeidentifyError(
                say(
                    "An instance can't be made anonymous: it has graphics in unused bits of its pixels, which may name "
                    "the patient. Leave it out."
                )
            )
        self._walk(self.dataset)
        self.dataset.PatientName = f"Anonymous^{self.patient}"
        self.dataset.PatientID = self.patient
        self._say()

    def _walk(self, dataset: Dataset, otherwise: str = "K") -> None:
        """Every element by its action; `otherwise` for those the table does not name."""
        for tag in sorted(dataset.keys()):
            if tag.is_private or _is_masked(tag):
                del dataset[tag]
                continue
            element = dataset[tag]
            self._act(dataset, element, self._action(element, otherwise))

    def _action(self, element: DataElement, otherwise: str) -> str:
        options, tag = self.options, element.tag
        action = ACTIONS.get(tag, "")
        if element.VR in ("DA", "DT") and tag != Tag("PatientBirthDate") and options.dates != "remove":
            return "K" if options.dates == "keep" else "S"
        if element.VR == "TM" and action and tag != Tag("PatientBirthTime") and options.dates != "remove":
            return "K"
        if tag in DESCRIPTORS and options.descriptors == "clean":
            return "C"
        kept = (tag in DEVICE and options.keep_device) or (tag in CHARACTERISTICS and options.keep_characteristics)
        if kept or (tag in CONTENT and options.looked):
            return "K"
        # a name, a date or a UID the table does not know yet is still one
        unknown = otherwise if tag in OF_KINDS else BY_VR.get(element.VR, otherwise)
        if unknown == "K" and (element.VR in FREE_TEXT or tag == Tag("ContentLabel")) and tag not in NOT_FREE:
            unknown = "N"
        return action or unknown

    def _act(self, dataset: Dataset, element: DataElement, action: str) -> None:
        if action == "X" or (element.VR == "SQ" and action == "Z"):
            del dataset[element.tag]
        elif element.VR == "SQ":
            for item in element.value:
                self._walk(item, "D" if action == "D" else "K")
        elif not element.is_empty:
            self._changes()[action](element)

    def _changes(self) -> dict[str, Callable[[DataElement], None]]:
        return {
            "K": lambda element: None,
            "Z": self._empty,
            "D": self._dummy,
            "U": self._new_uid,
            "S": self._shift,
            "C": self._clean,
            "N": self._without_names,
        }

    def _empty(self, element: DataElement) -> None:
        element.value = None if element.VR in ("PN", "UI") or element.VR not in ("OB", "OW", "UN") else b""

    def _dummy(self, element: DataElement) -> None:
        if element.VR == "UI":
            self._new_uid(element)
        else:
            element.value = _DUMMIES.get(element.VR, "ANONYMIZED")

    def _new_uid(self, element: DataElement) -> None:
        if element.VR != "UI":
            self._empty(element)
            return
        old = element.value
        element.value = self.options.uid(str(old)) if element.VM == 1 else [self.options.uid(str(one)) for one in old]

    def _shift(self, element: DataElement) -> None:
        values = [element.value] if element.VM == 1 else list(element.value)
        shifted = [_earlier(str(value), self.options.days) for value in values]
        element.value = shifted[0] if element.VM == 1 else shifted

    def _clean(self, element: DataElement) -> None:
        values = [element.value] if element.VM == 1 else list(element.value)
        cleaned = [_without(str(value), self.identifying) for value in values]
        element.value = cleaned[0] if element.VM == 1 else cleaned

    def _without_names(self, element: DataElement) -> None:
        values = [element.value] if element.VM == 1 else list(element.value)
        if any(_tells(str(value), self.names) for value in values):
            cleaned = [_without(str(value), self.names) or "ANONYMIZED" for value in values]
            element.value = cleaned[0] if element.VM == 1 else cleaned

    def _say(self) -> None:
        """Say in the instance that and how it was done (PS3.3 C.7.1.1, C.12.1.1)."""
        options, dataset = self.options, self.dataset
        codes = ["113100"]
        codes += ["113105"] if options.descriptors == "clean" else []
        codes += {"shift": ["113107"], "keep": ["113106"]}.get(options.dates, [])
        codes += ["113108"] if options.keep_characteristics else []
        codes += ["113109"] if options.keep_device else []
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = [CODES[code][:64] for code in codes]
        dataset.DeidentificationMethodCodeSequence = Sequence([_code(code) for code in codes])
        times = {"remove": "REMOVED", "shift": "MODIFIED", "keep": "UNMODIFIED"}
        dataset.LongitudinalTemporalInformationModified = times[options.dates]


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", CODES[value]
    return item


def _in_pixels(dataset: Dataset, group: int) -> bool:
    """Whether an overlay lies in the pixels, as editions before 2004 allowed (Overlay Bits Allocated is not 1)."""
    tag = (group, 0x0100)
    return tag in dataset and dataset[tag].value not in (None, "", 1) and (group, 0x3000) not in dataset


def _is_masked(tag: BaseTag) -> bool:
    """Whether the tag is in one of the table's repeating groups; without its data the rest of an overlay goes too."""
    return 0x6000 <= tag.group <= 0x60FF or any(
        tag.group & group_mask == group & group_mask and tag.element & mask == element & mask
        for group, element, group_mask, mask in MASKED
    )


def _earlier(value: str, days: int) -> str:
    """A DA or DT moved `days` into the past; what is no full date is emptied (its year alone could tell)."""
    found = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})(.*)", value.strip())
    if not found:
        return ""
    try:
        moved = date(int(found[1]), int(found[2]), int(found[3])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved.year:04d}{moved:%m%d}{found[4]}"


IDS = ("PatientID", "OtherPatientIDs", "AccessionNumber")
PLACES = ("InstitutionName", "InstitutionAddress", "StationName")


def _words_of(dataset: Dataset, named: tuple[str, ...]) -> set[str]:
    """Words of this data set that say who: all names, also written as one word, and what `named` attributes hold."""
    found: set[str] = set()
    for element in dataset.iterall():
        if element.VR == "PN":
            found.update("".join(_split(group)) for group in re.split(r"[=\\]", str(element.value)))
        if element.VR == "PN" or element.keyword in named:
            found.update(_split(str(element.value)))
    return {word for word in found if len(word) > 1}


def _split(text: str) -> list[str]:
    return [word.casefold() for word in re.split(r"[\W_]+", text)]


def _runs_on(word: str) -> bool:
    """Whether it is in a script that does not part words, or joins others to them: letters without case."""
    return any(unicodedata.category(letter) == "Lo" for letter in word)


def _tells(text: str, words: set[str]) -> bool:
    parts = set(_split(text))
    return any(word in parts or (_runs_on(word) and word in text.casefold()) for word in words)


def _without(text: str, words: set[str]) -> str:
    """The text without those words and without numbers of four digits and more (dates, record numbers)."""
    for word in sorted(filter(_runs_on, words), key=len, reverse=True):
        text = re.sub(re.escape(word), " ", text, flags=re.IGNORECASE)
    parts = re.split(r"([\W_]+)", text)
    kept = ["" if part.casefold() in words or re.search(r"\d{4}", part) else part for part in parts]
    return " ".join("".join(kept).split())
