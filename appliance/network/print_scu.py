"""The appliance as Print SCU (PS3.4 Annex H): towards film imagers, and for trying one's own set-up.

Implicit VR Little Endian is proposed first: some imagers know no other. Pixels are read only as fast as they are taken.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import evt
from pynetdicom.dimse_primitives import N_ACTION, N_CREATE, N_DELETE, N_GET, N_SET
from pynetdicom.dsutils import encode
from pynetdicom.presentation import PresentationContext

from appliance.errors import DeviceError
from appliance.network.association import BoundedAssociation
from appliance.network.fragments import Buffer
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.requestor import NoAssociationError, Peer, associated, context, exchange
from appliance.words import say

GRAYSCALE, COLOR = "1.2.840.10008.5.1.1.9", "1.2.840.10008.5.1.1.18"
FILM_SESSION, FILM_BOX = "1.2.840.10008.5.1.1.1", "1.2.840.10008.5.1.1.2"
GRAYSCALE_BOX, COLOR_BOX = "1.2.840.10008.5.1.1.4", "1.2.840.10008.5.1.1.4.1"
ANNOTATION_BOX, PRINT_JOB = "1.2.840.10008.5.1.1.15", "1.2.840.10008.5.1.1.14"
PRESENTATION_LUT = "1.2.840.10008.5.1.1.23"
PRINTER, PRINTER_INSTANCE = "1.2.840.10008.5.1.1.16", "1.2.840.10008.5.1.1.17"

SESSION_CREATION, FILM_CREATION = say("the film session"), say("the film box")
"""What PrintRefusedError calls the requests whose refusal is often about the medium."""

_GRAYSCALE_SEQUENCE, _COLOR_SEQUENCE, _PIXEL_DATA = 0x20200110, 0x20200111, 0x7FE00010


class PrintRefusedError(DeviceError):
    """The imager answered a request with a failure."""

    permanent = True

    def __init__(self, what: str, status: int, comment: str) -> None:
        said = f": {comment}" if comment else ""
        super().__init__(
            say(
                "the imager refuses %(what)s with status %(status)sH%(said)s",
                what=what,
                status=f"{status:04X}",
                said=said,
            )
        )
        self.what = what
        self.status = status


@dataclass(frozen=True, kw_only=True)
class PrintWarning:
    """The imager did it, though not as asked."""

    what: str
    status: int
    comment: str


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an imager may take to answer, in seconds."""

    request: float
    printing: float  # N-ACTION: some answer when the film is out
    image_rate: int = 20_000  # bytes a second that count as progress while an image is being sent


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Pixel Data on its way out: 16-bit words little endian, colour as the description says."""

    length: int  # bytes in all, without padding
    pieces: Iterable[Buffer]  # made as they are taken, in the thread that sends them


@dataclass(frozen=True, kw_only=True)
class CreatedSession:
    """A film session, as the imager made it."""

    uid: str
    attributes: Dataset  # as the imager has them


@dataclass(frozen=True, kw_only=True)
class CreatedFilm:
    """A film box, as the imager made it."""

    uid: str
    image_boxes: tuple[str, ...]  # SOP Instance UIDs, in order of Image Box Position
    annotation_boxes: tuple[str, ...]
    attributes: Dataset  # as the imager has them


@dataclass(frozen=True, kw_only=True)
class PrintEvent:
    """An N-EVENT-REPORT of the imager."""

    event_type: int  # printer: 1 normal, 2 warning, 3 failure; job: 1 pending, 2 printing, 3 done, 4 failure
    sop_class: str
    sop_instance: str


@contextmanager
def printing(
    peer: Peer,
    *,
    color: bool = False,
    on_event: Callable[[PrintEvent], None] = lambda event: None,
    limits: Limits = DEFAULT_LIMITS,
    patience: Patience | None = None,
) -> Iterator[PrintClient]:
    """An association with a film imager. Raises NoAssociationError; aborts when the block raises.

    Without `patience` every answer may take as long as `limits` allow.
    """
    patience = patience or Patience(request=limits.response_timeout, printing=limits.response_timeout)
    meta = COLOR if color else GRAYSCALE
    syntaxes = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
    contexts = [context(uid, *syntaxes) for uid in (meta, PRESENTATION_LUT, ANNOTATION_BOX, PRINT_JOB)]
    handlers = [(evt.EVT_N_EVENT_REPORT, _take_event, [on_event])]
    with associated(peer, contexts, handlers=handlers, limits=limits) as association:
        accepted = {str(accepted.abstract_syntax): accepted for accepted in association.accepted_contexts}
        if meta not in accepted:
            kind = "colour" if color else "grayscale"
            raise NoAssociationError(
                say("%(peer)s does not print %(kind)s films", peer=peer, kind=kind), permanent=True
            )
        yield PrintClient(association, accepted, meta, patience)


def _take_event(event: evt.Event, on_event: Callable[[PrintEvent], None]) -> tuple[int, None]:
    request: Any = event.request
    on_event(
        PrintEvent(
            event_type=request.EventTypeID,
            sop_class=str(request.AffectedSOPClassUID),
            sop_instance=str(request.AffectedSOPInstanceUID),
        )
    )
    return 0x0000, None


@dataclass
class PrintClient:
    """The requests of Annex H, one at a time. Each raises PrintRefusedError or NoResponseError."""

    association: BoundedAssociation
    accepted: dict[str, PresentationContext]
    meta: str
    patience: Patience
    warnings: list[PrintWarning] = field(default_factory=list)

    @property
    def color(self) -> bool:
        return self.meta == COLOR

    def offers(self, sop_class: str) -> bool:
        """Whether the imager accepted an optional class: PRESENTATION_LUT, ANNOTATION_BOX, PRINT_JOB."""
        return sop_class in self.accepted

    def printer(self, *keywords: str) -> Dataset:
        """The printer's attributes: those named, or all (PS3.4 H.4.6)."""
        return self._get(say("the printer's state"), PRINTER, PRINTER_INSTANCE, keywords)

    def job(self, uid: str) -> Dataset:
        """Execution Status and more of a print job (PS3.4 H.4.5)."""
        return self._get(say("the print job's state"), PRINT_JOB, uid, ())

    def create_session(self, attributes: Dataset) -> CreatedSession:
        """Create the film session."""
        uid, made = self._create(SESSION_CREATION, FILM_SESSION, attributes)
        return CreatedSession(uid=uid, attributes=made)

    def create_lut(self, attributes: Dataset) -> str:
        """Returns the Presentation LUT's SOP Instance UID."""
        uid, _ = self._create(say("the presentation LUT"), PRESENTATION_LUT, attributes)
        return uid

    def create_film(self, session: str, attributes: Dataset, lut: str | None = None) -> CreatedFilm:
        """Create a film box of `session`; `lut` is the Presentation LUT for its images."""
        wanted = Dataset()
        wanted.update(attributes)
        wanted.ReferencedFilmSessionSequence = _reference(FILM_SESSION, session)
        if lut is not None:
            wanted.ReferencedPresentationLUTSequence = _reference(PRESENTATION_LUT, lut)
        uid, made = self._create(FILM_CREATION, FILM_BOX, wanted)
        return CreatedFilm(
            uid=uid,
            image_boxes=_instances(made, "ReferencedImageBoxSequence"),
            annotation_boxes=_instances(made, "ReferencedBasicAnnotationBoxSequence"),
            attributes=made,
        )

    def set_image(
        self, box: str, attributes: Dataset, image: Dataset, pixels: Buffer | Pixels, *, lut: str | None = None
    ) -> None:
        """Set one image into its box.

        `attributes` are those of the image box (Image Box Position, Polarity …), `image` the pixel description without
        Pixel Data, `pixels` its bytes, as large as they may be; `lut` is the Presentation LUT of this image alone.
        """
        if not isinstance(pixels, Pixels):
            view = memoryview(pixels).cast("B")
            pixels = Pixels(length=len(view), pieces=(view,))
        wanted = Dataset()
        wanted.update(attributes)
        if lut is not None:
            wanted.ReferencedPresentationLUTSequence = _reference(PRESENTATION_LUT, lut)
        sequence = _COLOR_SEQUENCE if self.color else _GRAYSCALE_SEQUENCE
        implicit = self.accepted[self.meta].transfer_syntax[0] == ImplicitVRLittleEndian
        request = N_SET()
        request.RequestedSOPClassUID = COLOR_BOX if self.color else GRAYSCALE_BOX
        request.RequestedSOPInstanceUID = box
        body = image_box_body(wanted, sequence, image, pixels, implicit=implicit)
        deadline = self.patience.request + pixels.length / self.patience.image_rate
        self._ask(say("the image"), self.meta, request, body=body, deadline=deadline)

    def set_annotation(self, box: str, text: str, position: int = 1) -> None:
        """Set one text of the film (PS3.4 H.4.4)."""
        attributes = Dataset()
        attributes.AnnotationPosition = position
        attributes.TextString = text
        if not text.isascii():
            attributes.SpecificCharacterSet = "ISO_IR 192"
        request = N_SET()
        request.RequestedSOPClassUID = ANNOTATION_BOX
        request.RequestedSOPInstanceUID = box
        self._ask(say("the annotation"), ANNOTATION_BOX, request, ("ModificationList", attributes))

    def print_film(self, film: str) -> str | None:
        """Print a film; returns the print job's UID if the imager tells one."""
        return self._print(say("to print the film"), FILM_BOX, film)

    def print_session(self, session: str) -> str | None:
        """Print all films of a session, collated; returns the print job's UID if the imager tells one."""
        return self._print(say("to print the film session"), FILM_SESSION, session)

    def delete_film(self, film: str) -> None:
        """Delete a film box with its image boxes."""
        self._delete(say("to delete the film box"), FILM_BOX, film)

    def delete_session(self, session: str) -> None:
        """Delete the film session with all in it."""
        self._delete(say("to delete the film session"), FILM_SESSION, session)

    # The requests

    def _ask(
        self,
        what: str,
        syntax: str,
        request: Any,
        dataset: tuple[str, Dataset] | None = None,
        body: Iterable[Buffer] | None = None,
        reply: str | None = None,
        deadline: float | None = None,
    ) -> tuple[Dataset, Any]:
        self.association.dimse_timeout = self.patience.request if deadline is None else deadline
        status, answer, response = exchange(
            self.association, self.accepted[syntax], request, dataset=dataset, body=body, reply=reply
        )
        comment = str(getattr(response, "ErrorComment", None) or "")
        if status == 0:
            return answer, response
        if status in (0x0001, 0x0107, 0x0116) or status >> 12 == 0xB:
            self.warnings.append(PrintWarning(what=what, status=status, comment=comment))
            return answer, response
        raise PrintRefusedError(what, status, comment)

    def _syntax_for(self, sop_class: str) -> str:
        if sop_class in (FILM_SESSION, FILM_BOX, PRINTER):
            return self.meta
        if not self.offers(sop_class):
            raise DeviceError(say("the imager does not offer this: ask offers() first"))
        return sop_class

    def _create(self, what: str, sop_class: str, attributes: Dataset) -> tuple[str, Dataset]:
        request = N_CREATE()
        request.AffectedSOPClassUID = sop_class
        uid = request.AffectedSOPInstanceUID = generate_uid(prefix=None)
        made, response = self._ask(
            what, self._syntax_for(sop_class), request, ("AttributeList", attributes), reply="AttributeList"
        )
        return str(response.AffectedSOPInstanceUID or uid), made

    def _get(self, what: str, sop_class: str, uid: str, keywords: Sequence[str]) -> Dataset:
        request = N_GET()
        request.RequestedSOPClassUID = sop_class
        request.RequestedSOPInstanceUID = uid
        request.AttributeIdentifierList = [Tag(keyword) for keyword in keywords] or None
        found, _ = self._ask(what, self._syntax_for(sop_class), request, reply="AttributeList")
        return found

    def _print(self, what: str, sop_class: str, uid: str) -> str | None:
        request = N_ACTION()
        request.RequestedSOPClassUID = sop_class
        request.RequestedSOPInstanceUID = uid
        request.ActionTypeID = 1
        answer, _ = self._ask(what, self.meta, request, reply="ActionReply", deadline=self.patience.printing)
        jobs = _instances(answer, "ReferencedPrintJobSequence") or _instances(
            answer, "ReferencedPrintJobSequencePullStoredPrint"
        )
        return jobs[0] if jobs else None

    def _delete(self, what: str, sop_class: str, uid: str) -> None:
        request = N_DELETE()
        request.RequestedSOPClassUID = sop_class
        request.RequestedSOPInstanceUID = uid
        self._ask(what, self.meta, request)


def _reference(sop_class: str, uid: str) -> DicomSequence:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = uid
    return DicomSequence([item])


def _instances(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Instances a data set refers to, by position; none where one of them has no UID."""
    found: Any = dataset.get_item(keyword)
    items = found.value or () if found is not None and found.VR == "SQ" else ()
    uids = tuple(str(item.get("ReferencedSOPInstanceUID") or "") for item in items)
    return uids if all(uids) else ()


def image_box_body(
    attributes: Dataset, sequence: int, image: Dataset, pixels: Pixels, *, implicit: bool
) -> Iterator[Buffer]:
    """The encoded data set of an image box with its image, little endian, without copying the pixels."""
    before = _encoded(Dataset({e.tag: e for e in attributes if e.tag < sequence}), implicit)
    after = _encoded(Dataset({e.tag: e for e in attributes if e.tag > sequence}), implicit)
    description = _encoded(image, implicit)
    pad = pixels.length % 2
    pixel_header = _header(_PIXEL_DATA, b"OW", pixels.length + pad, implicit)
    item_length = len(description) + len(pixel_header) + pixels.length + pad
    item_header = struct.pack("<HHL", 0xFFFE, 0xE000, item_length)
    yield before + _header(sequence, b"SQ", item_length + 8, implicit) + item_header + description + pixel_header
    yield from pixels.pieces
    if pad or after:
        yield b"\0" * pad + after


def _header(tag: int, vr: bytes, length: int, implicit: bool) -> bytes:
    if implicit:
        return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, length)
    return struct.pack("<HH2s2xL", tag >> 16, tag & 0xFFFF, vr, length)


def _encoded(dataset: Dataset, implicit: bool) -> bytes:
    encoded = encode(dataset, implicit, True)
    if encoded is None:
        raise ValueError("the attributes of the image box can't be encoded")
    return encoded
