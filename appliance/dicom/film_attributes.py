"""Annex H's attribute tables, and reading a data set by them (PS3.4 H.2.4, tables H.4-2 to H.4-17)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from appliance.dicom.answering import (
    ATTRIBUTE_LIST_WARNING,
    INVALID_VALUE,
    MISSING_ATTRIBUTE,
    MISSING_VALUE,
    NO_SUCH_ATTRIBUTE,
    VALUE_OUT_OF_RANGE,
    StatusError,
)
from appliance.dicom.capabilities import Capabilities
from appliance.dicom.domains import (
    Annotations,
    AnnotationText,
    Density,
    Destination,
    Domain,
    Elsewhere,
    FilmSize,
    Format,
    Medium,
    Millimetres,
    Offered,
    Paint,
    Table,
    Terms,
    Text,
    Whole,
    joined,
)
from appliance.dicom.text import text_of
from appliance.printing.profiles import FILM_KEYWORDS, PrintProfile, value_in_use

log = logging.getLogger(__name__)

DENSITY_OUT_OF_RANGE = 0xB605
CREATE, SET = "N-CREATE", "N-SET"


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One row of a table."""

    usage: str  # SCU/SCP usage letters (PS3.4 H.2.4)
    domain: Domain
    settable: bool = True  # N-SET may change it
    tolerant_only: bool = False  # not in this edition's table; older or other printers take it

    @property
    def mandatory(self) -> bool:
        return self.usage.startswith("M/")

    @property
    def optional(self) -> bool:
        """Whether the standard lets an SCP do without it (U/U)."""
        return self.usage == "U/U"


ORIENTATION = Terms(("PORTRAIT", "LANDSCAPE"))
MAGNIFICATION = Offered("magnification_types")
SMOOTHING = Offered("smoothing_types")
DENSITY = Density()
LUMINANCE = Whole(1, 65535)
LUT_REFERENCE = Elsewhere("reference to a Presentation LUT of this association", "0106", "0106")
PROFILE = Elsewhere("colour films: input profile of all images", "0107 on grey films", "0105 on grey films")
POSITION = Elsewhere("the position of the box addressed", "0106", "0106")
ONE_IMAGE = Elsewhere("one image, or none to erase", "0106", "0106")
LUT_TABLE = Elsewhere("one table of entries of 8-16 bits; strict: 256 or 4096 of 10-16", "0106", "0106")

# Table H.4-2 (N-CREATE and N-SET)
FILM_SESSION = {
    "SpecificCharacterSet": Attribute(usage="U/U", domain=Elsewhere("any defined term of PS3.3 C.12.1.1.2")),
    "NumberOfCopies": Attribute(usage="U/M", domain=Whole(1, "maximum_copies")),
    "PrintPriority": Attribute(usage="U/M", domain=Terms(("HIGH", "MED", "LOW"))),
    "MediumType": Attribute(usage="U/M", domain=Medium()),
    "FilmDestination": Attribute(usage="U/M", domain=Destination()),
    "FilmSessionLabel": Attribute(usage="U/U", domain=Text(64)),
    "MemoryAllocation": Attribute(usage="U/U", domain=Whole(0, 2**31 - 1)),
    "OwnerID": Attribute(usage="U/U", domain=Text(16)),
    "ProposedStudySequence": Attribute(usage="U/U", domain=Elsewhere("kept with the job, not printed")),
    # Printers older than CP 173 take these three here instead of on the film box.
    "ReferencedPresentationLUTSequence": Attribute(usage="U/U", domain=LUT_REFERENCE, tolerant_only=True),
    "Illumination": Attribute(usage="U/U", domain=LUMINANCE, tolerant_only=True),
    "ReflectedAmbientLight": Attribute(usage="U/U", domain=Whole(0, 65535), tolerant_only=True),
}

# Tables H.4-6 (N-CREATE) and H.4-7 (N-SET)
FILM_BOX = {
    "ImageDisplayFormat": Attribute(usage="M/M", domain=Format(), settable=False),
    "ReferencedFilmSessionSequence": Attribute(
        usage="M/M",
        domain=Elsewhere("the film session of this association", "0117; absent: taken as meant", "0117"),
        settable=False,
    ),
    "FilmOrientation": Attribute(usage="U/M", domain=ORIENTATION, settable=False),
    "FilmSizeID": Attribute(usage="U/M", domain=FilmSize(), settable=False),
    "MagnificationType": Attribute(usage="U/M", domain=MAGNIFICATION),
    "MaxDensity": Attribute(usage="U/M", domain=DENSITY),
    "ConfigurationInformation": Attribute(usage="U/M", domain=Table()),
    "ReferencedPresentationLUTSequence": Attribute(usage="U/MC", domain=LUT_REFERENCE),
    "AnnotationDisplayFormatID": Attribute(usage="U/U", domain=Annotations(), settable=False),
    "SmoothingType": Attribute(usage="U/U", domain=SMOOTHING),
    "BorderDensity": Attribute(usage="U/U", domain=Paint()),
    "EmptyImageDensity": Attribute(usage="U/U", domain=Paint()),
    "MinDensity": Attribute(usage="U/U", domain=DENSITY),
    "Trim": Attribute(usage="U/U", domain=Terms(("YES", "NO"))),
    "Illumination": Attribute(usage="U/MC", domain=LUMINANCE),
    "ReflectedAmbientLight": Attribute(usage="U/MC", domain=Whole(0, 65535)),
    "RequestedResolutionID": Attribute(usage="U/U", domain=Offered("resolutions"), settable=False),
    "ICCProfile": Attribute(
        usage="U/U",
        domain=PROFILE,
    ),
    # Sent back by dull clients (pynetdicom's example); the boxes are ours to make.
    "ReferencedImageBoxSequence": Attribute(usage="-/M", domain=Elsewhere("made here"), tolerant_only=True),
    "ReferencedBasicAnnotationBoxSequence": Attribute(usage="-/MC", domain=Elsewhere("made here"), tolerant_only=True),
}

# Tables H.4-11 (grayscale) and H.4-13 (colour), N-SET; the image item has a table of its own in image_attributes.
IMAGE_BOX = {
    "ImageBoxPosition": Attribute(usage="M/M", domain=POSITION),
    "BasicGrayscaleImageSequence": Attribute(usage="M/M", domain=ONE_IMAGE),
    "Polarity": Attribute(usage="U/M", domain=Terms(("NORMAL", "REVERSE"))),
    "MagnificationType": Attribute(usage="U/U", domain=MAGNIFICATION),
    "SmoothingType": Attribute(usage="U/U", domain=SMOOTHING),
    "MinDensity": Attribute(usage="U/U", domain=DENSITY),
    "MaxDensity": Attribute(usage="U/U", domain=DENSITY),
    "ConfigurationInformation": Attribute(usage="U/U", domain=Table()),
    "RequestedImageSize": Attribute(usage="U/U", domain=Millimetres()),
    "RequestedDecimateCropBehavior": Attribute(usage="U/U", domain=Terms(("DECIMATE", "CROP", "FAIL"))),
    "ReferencedPresentationLUTSequence": Attribute(usage="U/U", domain=LUT_REFERENCE),
    "OriginalImageSequence": Attribute(usage="U/U", domain=Elsewhere("ignored"), tolerant_only=True),
}
GRAY_ONLY = ("MinDensity", "MaxDensity", "ReferencedPresentationLUTSequence", "BasicGrayscaleImageSequence")
COLOR_IMAGE_BOX = {
    "BasicColorImageSequence": IMAGE_BOX["BasicGrayscaleImageSequence"],
    **{keyword: row for keyword, row in IMAGE_BOX.items() if keyword not in GRAY_ONLY},
}

# Table H.4-15, N-SET
ANNOTATION_BOX = {
    "AnnotationPosition": Attribute(usage="M/M", domain=Whole(0, 65535)),
    "TextString": Attribute(usage="U/M", domain=AnnotationText(1024)),
}

# Section H.4.9.1.1, N-CREATE
PRESENTATION_LUT = {
    "PresentationLUTSequence": Attribute(
        usage="MC/M",
        domain=LUT_TABLE,
    ),
    "PresentationLUTShape": Attribute(usage="MC/M", domain=Elsewhere("IDENTITY, LIN OD", "0106", "0106")),
}

FORGIVEN = frozenset({"SOPClassUID", "SOPInstanceUID", "PatientID", "PatientName", "SpecificCharacterSet"})
"""Attributes scanners send along that change nothing about a film: a tolerant peer gets no warning for them."""

TEXTS = ("FilmSessionLabel", "OwnerID", "TextString")
"""Attributes in the session's character set."""

LONGEST_SENT = 1024
"""Characters kept of a value as it was sent, as many as the longest VR here has (ST): all films lie in memory."""


@dataclass(kw_only=True)
class Reading:
    """What a data set said, value by value as it is taken."""

    values: dict[str, Any] = field(default_factory=dict)  # keyword -> value in use; what is absent is not in it
    sent: dict[str, Any] = field(default_factory=dict)  # keyword -> value as sent, JSON-ready
    warnings: list[tuple[int, str, str]] = field(default_factory=list)  # (status, keyword, words)

    def warn(self, status: int, keyword: str, words: str) -> None:
        self.warnings.append((status, keyword, words))

    @property
    def status(self) -> int:
        """The one status to tell: a specific one before 0116 before 0107."""
        found = {status for status, _, _ in self.warnings}
        specific = sorted(status for status in found if status >= 0xB000)
        return (specific + [s for s in (VALUE_OUT_OF_RANGE, ATTRIBUTE_LIST_WARNING) if s in found] + [0])[0]

    @property
    def comment(self) -> str:
        return "; ".join(words for _, _, words in self.warnings)

    @property
    def offending(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(keyword for _, keyword, _ in self.warnings if keyword))


@dataclass(kw_only=True)
class Reader:
    """Reads a data set by a table, with the print profile's defaults and overrides."""

    table: Mapping[str, Attribute]
    service: str  # N-CREATE, N-SET
    can: Capabilities
    profile: PrintProfile
    charset: str = ""  # Specific Character Set in force
    fresh: bool = True  # what is absent gets the profile's default; else it stays as it was
    reading: Reading = field(default_factory=Reading)

    def read(self, dataset: Dataset) -> Reading:
        """Raises StatusError with 0105, 0106, 0120, 0121; what can be done without is a warning (0107, 0116)."""
        self._note_strangers(dataset)
        for keyword, attribute in self.table.items():
            if self._applies(attribute) and not isinstance(attribute.domain, Elsewhere):
                self._read_one(keyword, attribute, dataset)
        return self.reading

    def _applies(self, attribute: Attribute) -> bool:
        if self.can.strict and attribute.tolerant_only:
            return False
        return self.service == CREATE or attribute.settable

    def _note_strangers(self, dataset: Dataset) -> None:
        """Elements that the table hasn't, or that N-SET may not change: 0105 in strict, 0107 in tolerant."""
        for tag in map(Tag, list(dataset.keys())):
            keyword = keyword_for_tag(tag)
            attribute = self.table.get(keyword)
            if tag.element == 0 or (attribute and self._applies(attribute)):
                continue
            words = f"{keyword or tag} is no attribute of this {self.service}"
            if self.can.strict:
                raise StatusError(NO_SUCH_ATTRIBUTE, words, (keyword,) if keyword else ())
            if keyword in FORGIVEN:
                log.info("%s, ignored", words)
                continue
            self.reading.warn(ATTRIBUTE_LIST_WARNING, keyword, f"{words}, ignored")

    def _read_one(self, keyword: str, attribute: Attribute, dataset: Dataset) -> None:
        sent = sent_value(dataset, keyword, self.charset, self.can.assumed_charset)
        if sent not in (None, ""):
            kept = sent if isinstance(sent, str | int | float) else joined(sent)
            self.reading.sent[keyword] = kept[:LONGEST_SENT] if isinstance(kept, str) else kept
        wanted = self._wanted(keyword, sent)
        if wanted in (None, ""):
            require(keyword, attribute, sent)
            if sent is not None:
                self.reading.values[keyword] = "" if keyword in TEXTS else None
            return
        try:
            self.reading.values[keyword] = attribute.domain.read(wanted, self.can)
        except (ValueError, TypeError, OverflowError) as error:
            self._out_of_range(keyword, attribute, str(error))

    def _wanted(self, keyword: str, sent: Any) -> Any:
        """Override, else as sent, else default; just as sent where the profile has no say."""
        if keyword not in FILM_KEYWORDS or (sent is None and not self.fresh):
            return sent
        return value_in_use(self.profile, keyword, sent)

    def _out_of_range(self, keyword: str, attribute: Attribute, why: str) -> None:
        if self.can.strict or attribute.mandatory:
            raise StatusError(INVALID_VALUE, f"{keyword}: {why}", (keyword,))
        self.reading.warn(VALUE_OUT_OF_RANGE, keyword, f"{keyword}: {why}, default used")
        self.reading.values[keyword] = self.profile.defaults.get(keyword)


def require(keyword: str, attribute: Attribute, sent: Any) -> None:
    """Raise 0120 or 0121 for a mandatory attribute that is absent (None) or empty."""
    if attribute.mandatory:
        status = MISSING_ATTRIBUTE if sent is None else MISSING_VALUE
        raise StatusError(status, f"{keyword} is {'missing' if sent is None else 'empty'}", (keyword,))


def sent_items(dataset: Dataset, keyword: str) -> Sequence:
    """The items of a sequence, none when it is absent or empty. Raises StatusError (0106) for another value."""
    value = sent_value(dataset, keyword)
    if value in (None, ""):
        return Sequence()
    if not isinstance(value, Sequence):
        raise StatusError(INVALID_VALUE, f"{keyword} is no sequence", (keyword,))
    return value


def sent_value(dataset: Dataset, keyword: str, charset: str = "", assumed: str = "") -> Any:
    """The value as sent: None when absent, "" when empty, text decoded; what can't be read as its VR says, as text."""
    if keyword not in dataset:
        return None
    if keyword in TEXTS:
        return text_of(dataset, keyword, charset, assumed) or ""
    raw = dataset.get_item(Tag(keyword)).value  # type: ignore[union-attr]
    try:
        value = dataset[keyword].value
    except Exception:
        # pydicom's converters raise many kinds for a value that does not fit its VR
        return raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw)
    is_sequence, should_be = isinstance(value, Sequence), dictionary_VR(keyword) == "SQ"
    if is_sequence and not should_be:
        return "a sequence"  # what it holds is nobody's to read
    if value is None or (hasattr(value, "__len__") and len(value) == 0):
        return ""
    return "no sequence" if should_be and not is_sequence else value
