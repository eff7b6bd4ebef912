"""One DIMSE-N request, read: who it is for, what it says, and where its pixels lie."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom.dsutils import decode
from pynetdicom.events import Event

from appliance.dicom.answering import INVALID_VALUE, StatusError
from appliance.film.boxes import PixelReference
from appliance.network.skim import DEFAULT_LIMITS, Bulk, Skim, SkimLimits, skim, skim_stream
from appliance.network.spool import spooled_dataset
from appliance.store import files

BODIES = {"N-CREATE": "AttributeList", "N-SET": "ModificationList", "N-ACTION": "ActionInformation"}
IMAGE_SEQUENCES = (Tag("BasicGrayscaleImageSequence"), Tag("BasicColorImageSequence"))
PIXEL_DATA = Tag("PixelData")
BYTES_EACH = 16
"""An element of many takes at least so much; a reference, which is an item and two UIDs, three times that."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as handlers need it."""

    event: Event
    service: str  # N-CREATE, N-SET, N-GET, N-ACTION, N-DELETE
    sop_class: str  # Affected or Requested SOP Class UID
    instance: str  # Affected or Requested SOP Instance UID; "" where N-CREATE leaves it to us
    abstract_syntax: str  # of the presentation context
    implicit: bool
    big_endian: bool
    action_type: int = 0
    attributes: tuple[int, ...] = ()  # Attribute Identifier List of N-GET

    def dataset(self, elements: int = DEFAULT_LIMITS.elements) -> Dataset:
        """The data set, in memory; empty when there is none. Raises RefusedError (0110) when it is malformed.

        It is so, too, with more than `elements` elements and items, or with many that are almost empty.
        """
        stream = getattr(self.event.request, BODIES[self.service], None)
        if stream is None or not stream.getbuffer().nbytes:
            return Dataset()
        most = max(DEFAULT_LIMITS.elements, stream.getbuffer().nbytes // BYTES_EACH)
        limits = replace(self._limits, elements=min(elements, most))
        skim_stream(stream, str(self.event.context.transfer_syntax), limits=limits)
        stream.seek(0)
        return decode(stream, self.implicit, not self.big_endian)

    def image(self, folder: Path) -> ReceivedImage:
        """The data set of an image box, which lies in a file of the association's spool folder."""
        spooled = spooled_dataset(self.event)
        skimmed = skim(spooled.path, spooled.transfer_syntax, offset=spooled.offset, limits=self._limits)
        return ReceivedImage(skimmed, spooled.path, folder, self.big_endian)

    @property
    def _limits(self) -> SkimLimits:
        association: Any = self.event.assoc
        return SkimLimits(depth=association.limits.sequence_depth)


class ReceivedImage:
    """The data set of an N-SET: small values as a Dataset, pixels by their place in the file."""

    def __init__(self, skimmed: Skim, path: Path, folder: Path, big_endian: bool) -> None:
        self.dataset = skimmed.dataset
        self.unreadable = tuple(keyword_for_tag(value.path[-1]) or "" for value in skimmed.unreadable)
        self._path = path
        self._folder = folder
        self._name = f"{uuid.uuid4().hex}.dcm"
        self.pixels = self._pixels(skimmed, big_endian)

    def _pixels(self, skimmed: Skim, big_endian: bool) -> PixelReference | None:
        bulk = self._bulk(skimmed)
        if bulk is None:
            return None
        if bulk.fragments:
            raise StatusError(INVALID_VALUE, "encapsulated Pixel Data", ("PixelData",))
        return PixelReference(
            file=self._name,
            offset=bulk.offset,
            length=bulk.length,
            big_endian=big_endian and bulk.VR == "OW",  # bytes (OB) have no order
        )

    @staticmethod
    def _bulk(skimmed: Skim) -> Bulk | None:
        found = (skimmed.find(sequence, 0, PIXEL_DATA) for sequence in IMAGE_SEQUENCES)
        return next((bulk for bulk in found if bulk is not None), None)

    def keep(self) -> None:
        """Keep the file, under a name of its own: every N-SET has a fresh one, so that jobs can share it."""
        files.link(self._path, self._folder / self._name)


def read_request(event: Event, service: str) -> Request:
    """The request of a pynetdicom event."""
    request: Any = event.request
    target = "Affected" if service == "N-CREATE" else "Requested"
    syntax = event.context.transfer_syntax
    return Request(
        event=event,
        service=service,
        sop_class=str(getattr(request, f"{target}SOPClassUID") or ""),
        instance=str(getattr(request, f"{target}SOPInstanceUID") or ""),
        abstract_syntax=str(event.context.abstract_syntax),
        implicit=syntax.is_implicit_VR,
        big_endian=not syntax.is_little_endian,
        action_type=int(getattr(request, "ActionTypeID", None) or 0),
        attributes=_tags(getattr(request, "AttributeIdentifierList", None)),
    )


def _tags(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(int(tag) for tag in value) if isinstance(value, list | tuple) else (int(value),)
