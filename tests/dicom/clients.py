"""A print client for tests, with all of a response kept."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID
from pynetdicom import DEFAULT_TRANSFER_SYNTAXES, evt
from pynetdicom.association import Association

from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.requestor import Peer, associated, context

GRAY = "1.2.840.10008.5.1.1.9"
COLOR = "1.2.840.10008.5.1.1.18"
SESSION = "1.2.840.10008.5.1.1.1"
FILM = "1.2.840.10008.5.1.1.2"
GRAY_BOX = "1.2.840.10008.5.1.1.4"
COLOR_BOX = "1.2.840.10008.5.1.1.4.1"
ANNOTATION = "1.2.840.10008.5.1.1.15"
LUT = "1.2.840.10008.5.1.1.23"
JOB = "1.2.840.10008.5.1.1.14"
PRINTER = "1.2.840.10008.5.1.1.16"
PRINTER_INSTANCE = "1.2.840.10008.5.1.1.17"
CONFIGURATION = "1.2.840.10008.5.1.1.16.376"
CONFIGURATION_INSTANCE = "1.2.840.10008.5.1.1.17.376"
EVERYTHING = (GRAY, ANNOTATION, LUT, JOB, PRINTER, CONFIGURATION)


def dataset(**values: Any) -> Dataset:
    """A data set of keyword values; lists of data sets become sequences."""
    made = Dataset()
    for keyword, value in values.items():
        is_sequence = isinstance(value, list) and (not value or isinstance(value[0], Dataset))
        setattr(made, keyword, DicomSequence(value) if is_sequence else value)
    return made


def reference(sop_class: str, instance: str) -> Dataset:
    return dataset(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=instance)


def gray_image(rows: int = 16, columns: int = 24, bits: int = 12, **changes: Any) -> Dataset:
    """The item of a Basic Grayscale Image Sequence: a ramp."""
    allocated = 8 if bits == 8 else 16
    ramp = np.linspace(0, (1 << bits) - 1, rows * columns).astype("<u1" if allocated == 8 else "<u2")
    item = dataset(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=rows,
        Columns=columns,
        BitsAllocated=allocated,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=0,
        PixelData=ramp.tobytes(),
    )
    return changed(item, changes)


def color_image(rows: int = 16, columns: int = 24, planar: int = 1, **changes: Any) -> Dataset:
    """The item of a Basic Color Image Sequence."""
    pixels = np.arange(rows * columns * 3, dtype=np.uint32).astype("u1")
    item = dataset(
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=planar,
        Rows=rows,
        Columns=columns,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        PixelData=pixels.tobytes(),
    )
    return changed(item, changes)


def changed(item: Dataset, changes: dict[str, Any]) -> Dataset:
    """With other values; None takes an element out."""
    for keyword, value in changes.items():
        if value is None:
            del item[keyword]
        else:
            setattr(item, keyword, value)
    if "PixelData" in item:
        item["PixelData"].VR = "OB" if item.get("BitsAllocated") == 8 else "OW"
    return item


@dataclass(frozen=True)
class Response:
    """All of a DIMSE response."""

    status: int
    dataset: Dataset | None
    instance: str
    comment: str
    tags: tuple[int, ...]


@dataclass
class PrintClient:
    """One association to the appliance."""

    association: Association
    events: list[tuple[str, int, Dataset]] = field(default_factory=list)
    got_event: threading.Condition = field(default_factory=threading.Condition)
    last: dict[str, Any] = field(default_factory=dict)
    message_id: int = 0

    def _received(self, event: Any) -> None:
        command = event.message.command_set
        if command.get("CommandField", 0) & 0x8000:
            self.last = {element.keyword: element.value for element in command}

    def _event_report(self, event: Any) -> Any:
        information = event.event_information if event.request.EventInformation else Dataset()
        with self.got_event:
            self.events.append((str(event.request.AffectedSOPClassUID), event.request.EventTypeID, information))
            self.got_event.notify_all()
        return 0x0000, None

    def _response(self, attributes: Any) -> Response:
        tags = self.last.get("AttributeIdentifierList") or ()
        return Response(
            status=self.last["Status"],
            dataset=attributes,
            instance=str(self.last.get("AffectedSOPInstanceUID", "")),
            comment=str(self.last.get("ErrorComment", "")),
            tags=tuple(tags) if isinstance(tags, Sequence) or hasattr(tags, "__iter__") else (int(tags),),
        )

    def _context(self, sop_class: str, context: str | None) -> str | None:
        """The Meta class a request goes under, where its class has no context of its own."""
        if context is not None:
            return context
        accepted = {str(cx.abstract_syntax) for cx in self.association.accepted_contexts}
        if sop_class in accepted:
            return None
        return COLOR if sop_class == COLOR_BOX or GRAY not in accepted else GRAY

    def _next(self) -> int:
        self.message_id += 1
        return self.message_id

    def create(self, sop_class: str, uid: str | None = None, *, context: str | None = None, **values: Any) -> Response:
        request = values.pop("request", None) or dataset(**values)
        meta = self._context(sop_class, context)
        _, attributes = self.association.send_n_create(
            request if len(request) else None, sop_class, uid, self._next(), meta_uid=meta
        )
        return self._response(attributes)

    def set(self, sop_class: str, uid: str, *, context: str | None = None, **values: Any) -> Response:
        request = values.pop("request", None) or dataset(**values)
        meta = self._context(sop_class, context)
        _, attributes = self.association.send_n_set(request, sop_class, UID(uid), self._next(), meta_uid=meta)
        return self._response(attributes)

    def get(self, sop_class: str, uid: str, tags: list[int] | None = None, *, context: str | None = None) -> Response:
        meta = self._context(sop_class, context)
        _, attributes = self.association.send_n_get(tags or [], sop_class, UID(uid), self._next(), meta_uid=meta)
        return self._response(attributes)

    def action(self, sop_class: str, uid: str, kind: int = 1, *, context: str | None = None) -> Response:
        meta = self._context(sop_class, context)
        _, reply = self.association.send_n_action(None, kind, sop_class, UID(uid), self._next(), meta_uid=meta)
        return self._response(reply)

    def delete(self, sop_class: str, uid: str, *, context: str | None = None) -> Response:
        meta = self._context(sop_class, context)
        self.association.send_n_delete(sop_class, UID(uid), self._next(), meta_uid=meta)
        return self._response(None)

    # --- usual steps ---

    def session(self, **values: Any) -> str:
        response = self.create(SESSION, **{"NumberOfCopies": 1, **values})
        assert response.status >> 12 != 0xC and response.instance, response
        return response.instance

    def film(self, session: str, ImageDisplayFormat: str = "STANDARD\\1,1", **values: Any) -> Response:
        return self.create(
            FILM,
            ImageDisplayFormat=ImageDisplayFormat,
            ReferencedFilmSessionSequence=[reference(SESSION, session)],
            **values,
        )

    def image(self, box: str, position: int = 1, item: Dataset | None = None, **values: Any) -> Response:
        item = gray_image() if item is None else item
        return self.set(GRAY_BOX, box, ImageBoxPosition=position, BasicGrayscaleImageSequence=[item], **values)

    def wait_for_event(self, sop_class: str, kind: int, seconds: float = 20) -> Dataset:
        """The information of an event, as soon as it is there."""

        def found() -> Dataset | None:
            return next((info for uid, number, info in self.events if (uid, number) == (sop_class, kind)), None)

        with self.got_event:
            assert self.got_event.wait_for(lambda: found() is not None, seconds), self.events
        information = found()
        assert information is not None
        return information


def boxes(response: Response) -> list[str]:
    """The image boxes of a new film box."""
    assert response.dataset is not None, response
    return [item.ReferencedSOPInstanceUID for item in response.dataset.ReferencedImageBoxSequence]


@contextmanager
def print_client(
    port: int,
    calling: str = "TOLERANT",
    called: str = "APPLIANCE",
    classes: Sequence[str] = EVERYTHING,
    syntaxes: Sequence[str] | None = None,
    tls: ssl.SSLContext | None = None,
    limits: Limits = DEFAULT_LIMITS,
    host: str = "127.0.0.1",
) -> Iterator[PrintClient]:
    """An established association. Not pynetdicom's own class: its sending races with its receiving thread."""
    client = PrintClient(association=None)  # type: ignore[arg-type]
    handlers = [(evt.EVT_DIMSE_RECV, client._received), (evt.EVT_N_EVENT_REPORT, client._event_report)]
    contexts = [context(sop_class, *(syntaxes or DEFAULT_TRANSFER_SYNTAXES)) for sop_class in classes]
    peer = Peer(host=host, port=port, called=called, calling=calling, tls=tls)
    with associated(peer, contexts, handlers=handlers, limits=limits) as association:
        client.association = association
        yield client
