"""The copy type anonymous: instances by the Basic Application Level Confidentiality Profile (PS3.15 Annex E).

What happens to each attribute stands in :mod:`appliance.media.confidentiality`. UIDs, the patient's new ID and the
shift of dates come from a key of the order by HMAC, so that an order of many discs stays consistent and nothing has to
be remembered. Pixels are copied byte for byte, without what lies beside them; whether something is burned into them a
person must see (:func:`needs_a_look`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from pydicom import DataElement, Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from appliance.errors import ApplianceError, DamagedError, UsageError
from appliance.media.confidentiality import (
    ACTIONS,
    BY_VR,
    CHARACTERISTICS,
    CODES,
    CONTENT,
    DESCRIPTORS,
    DEVICE,
    DUMMIES,
    FREE_TEXT,
    ITEM_ACTIONS,
    NO_TIMES,
    NOT_FREE,
    OF_KINDS,
    STAMPS,
    TEMPORAL,
    TIMES,
    is_masked,
)
from appliance.network.file_head import head_of_file
from appliance.pixels import beside_pixels
from appliance.pixels.errors import NotShownError, VideoError
from appliance.pixels.limits import DEFAULT_LIMITS, Limits
from appliance.pixels.source import Source
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
_SCREEN = re.compile(r"screen.?(save|shot|capture)", re.IGNORECASE)
# scanners put a name onto these, and store some of them as any CT image
_SHEET = re.compile(r"dose.?(report|info|record|summary)|patient.?protocol", re.IGNORECASE)
CHUNK = 1 << 20
MOST_INFLATED = 1 << 27
"""Bytes of a deflated data set, which is held in memory here, whatever else is set."""


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
    if _SCREEN.search(keys.ImageType) or _SHEET.search(keys.SeriesDescription):
        return say("it is a picture of a screen")
    return None


def deidentify(source: Path, target: Path, options: DeidentifyOptions, limits: Limits = DEFAULT_LIMITS) -> str:
    """Write an anonymous copy of the instance `source` as `target`; its new SOP Instance UID.

    Deflated data sets are written inflated (Explicit VR Little Endian). Raises :class:`CannotDeidentifyError` or
    PixelError.
    """
    held = replace(limits, inflated_bytes=min(limits.inflated_bytes, MOST_INFLATED))
    with source.open("rb") as file:
        try:
            check_items(source, 0)
            opened = Source(file, held, video=options.video)
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
    blanks = beside_pixels.ranges(opened) if start < end else []
    with PartFile(target) as part:
        part.write(head_of_file(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(syntax)))
        part.write(_encoded(dataset, syntax))
        for first, last in blanks:
            _copy(opened.file, part, start, first)
            part.write(bytes(last - first))
            start = last
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
        named = ACTIONS if dataset is self.dataset else ITEM_ACTIONS
        for tag in sorted(dataset.keys()):
            if tag.is_private or is_masked(tag):
                del dataset[tag]
                continue
            element = dataset[tag]
            kept = self._retained(element, tag in named)
            self._act(dataset, element, kept or named.get(tag) or self._unnamed(element, otherwise))

    def _retained(self, element: DataElement, named: bool) -> str:
        """The action by an option or by a person who looked; "" where none of them has a say."""
        options, tag = self.options, element.tag
        if options.dates != "remove" and tag not in NO_TIMES:
            if element.VR in ("DA", "DT"):
                return "K" if options.dates == "keep" else "S"
            if tag in TIMES or (element.VR == "TM" and named) or (tag in STAMPS and options.dates == "keep"):
                return "K"
        if tag in DESCRIPTORS and options.descriptors == "clean":
            return "C"
        kept = (tag in DEVICE and options.keep_device) or (tag in CHARACTERISTICS and options.keep_characteristics)
        return "K" if kept or (tag in CONTENT and options.looked) else ""

    def _unnamed(self, element: DataElement, otherwise: str) -> str:
        """A name, a date or a UID the table does not know yet is still one."""
        tag = element.tag
        action = otherwise if tag in OF_KINDS else BY_VR.get(element.VR, otherwise)
        if action == "D" and element.VR == "CS":
            return "N"  # terms the standard gives, as Value Type: a dummy would be none of them
        if action == "K" and (element.VR in FREE_TEXT or tag == Tag("ContentLabel")) and tag not in NOT_FREE:
            return "N"
        return action

    def _act(self, dataset: Dataset, element: DataElement, action: str) -> None:
        if action == "X":
            del dataset[element.tag]
        elif element.VR == "SQ" and action == "Z":
            element.value = Sequence()
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
            element.value = DUMMIES.get(element.VR, "ANONYMIZED")

    def _new_uid(self, element: DataElement) -> None:
        if element.VR != "UI":
            self._empty(element)
            return
        old = element.value
        element.value = self.options.uid(str(old)) if element.VM == 1 else [self.options.uid(str(one)) for one in old]

    def _shift(self, element: DataElement) -> None:
        values = [element.value] if element.VM == 1 else list(element.value)
        # what can't be shifted may not be empty where the table has a dummy
        otherwise = str(DUMMIES[element.VR]) if ACTIONS.get(element.tag) == "D" else ""
        shifted = [_earlier(str(value), self.options.days) or otherwise for value in values]
        element.value = shifted[0] if element.VM == 1 else shifted

    def _clean(self, element: DataElement) -> None:
        values = [element.value] if element.VM == 1 else list(element.value)
        cleaned = [value and (_without(str(value), self.identifying) or "ANONYMIZED") for value in values]
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
        # what somebody did to it before stays said
        before = list(dataset.get("DeidentificationMethodCodeSequence") or ())
        known = {item.get("CodeValue") for item in before}
        before += [_code(code) for code in codes if code not in known]
        dataset.DeidentificationMethodCodeSequence = Sequence(before)
        told = dataset.get("DeidentificationMethod") or ()
        told = [told] if isinstance(told, str) else list(told)
        dataset.DeidentificationMethod = list(dict.fromkeys([*told, *(CODES[code][:64] for code in codes)]))
        was = dataset.get("LongitudinalTemporalInformationModified")
        dataset.LongitudinalTemporalInformationModified = _most_changed(TEMPORAL[options.dates], was)


def _most_changed(now: str, was: object) -> str:
    """Of two values of Longitudinal Temporal Information Modified: dates kept from a moved one are moved."""
    steps = list(TEMPORAL.values())
    return now if was not in steps else max(now, str(was), key=steps.index)


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", CODES[value]
    return item


def _in_pixels(dataset: Dataset, group: int) -> bool:
    """Whether an overlay lies in the pixels, as editions before 2004 allowed (Overlay Bits Allocated is not 1)."""
    tag = (group, 0x0100)
    return tag in dataset and dataset[tag].value not in (None, "", 1) and (group, 0x3000) not in dataset


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
