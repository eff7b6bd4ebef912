"""What an association holds of a film session before it is printed, and how answers tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset

from appliance.dicom.capabilities import Capabilities
from appliance.film.boxes import AnnotationBox, FilmBox, FilmSession, ImageBox
from appliance.film.sheet import Sheet

SESSION_CLASS = "1.2.840.10008.5.1.1.1"
FILM_BOX_CLASS = "1.2.840.10008.5.1.1.2"
GRAY_BOX_CLASS = "1.2.840.10008.5.1.1.4"
COLOR_BOX_CLASS = "1.2.840.10008.5.1.1.4.1"
ANNOTATION_CLASS = "1.2.840.10008.5.1.1.15"
LUT_CLASS = "1.2.840.10008.5.1.1.23"


@dataclass(kw_only=True)
class FilmNode:
    """A film box and what hangs on it."""

    uid: str
    color: bool
    film: FilmBox  # without its boxes
    images: dict[str, ImageBox] = field(default_factory=dict)  # by SOP Instance UID, in order of position
    annotations: dict[str, AnnotationBox] = field(default_factory=dict)
    verdicts: dict[str, tuple[int, str]] = field(default_factory=dict)  # image box -> status and words of its size

    @property
    def empty(self) -> bool:
        return all(box.image is None for box in self.images.values())


@dataclass(kw_only=True)
class SessionNode:
    """The film session itself."""

    uid: str
    color: bool
    session: FilmSession  # without its films
    charset: str = ""  # Specific Character Set
    common: dict[str, Any] = field(default_factory=dict)  # LUT, L0, La that older printers take here (before CP 173)


def session_in_use(node: SessionNode, can: Capabilities) -> Dataset:
    """The attributes of the film session as they are taken, defaults included."""
    session, reply = node.session, Dataset()
    reply.NumberOfCopies = session.NumberOfCopies
    reply.PrintPriority = session.PrintPriority
    reply.MediumType = session.MediumType or can.medium_types[0]
    reply.FilmDestination = session.FilmDestination or can.film_destinations[0]
    if session.FilmSessionLabel.isascii():
        reply.FilmSessionLabel = session.FilmSessionLabel
    return reply


def film_in_use(node: FilmNode, session: SessionNode, sheet: Sheet, can: Capabilities) -> Dataset:
    """The attributes of a film box as they are taken, and the references clients wait for.

    They go out with a warning too: without them a client can't go on (trap 3).
    """
    film, reply = node.film, Dataset()
    reply.ImageDisplayFormat = film.ImageDisplayFormat
    reply.FilmOrientation = film.FilmOrientation or "PORTRAIT"
    reply.FilmSizeID = film.FilmSizeID or can.film_sizes[0]
    reply.MagnificationType = film.MagnificationType or can.magnification_types[0]
    reply.BorderDensity = film.BorderDensity or sheet.border_density
    reply.EmptyImageDensity = film.EmptyImageDensity or sheet.empty_image_density
    reply.Trim = film.Trim or "NO"
    reply.RequestedResolutionID = film.RequestedResolutionID or can.resolutions[0]
    for keyword, value in grey_in_use(node, session, sheet).items():
        setattr(reply, keyword, value)
    for keyword in ("SmoothingType", "ConfigurationInformation", "AnnotationDisplayFormatID"):
        if getattr(film, keyword):
            setattr(reply, keyword, getattr(film, keyword))
    _refer(reply, node, session)
    return reply


def grey_in_use(node: FilmNode, session: SessionNode, sheet: Sheet) -> dict[str, int]:
    """Densities (1/100 OD) and viewing conditions: the film's, else the session's, else the sheet's."""
    defaults = {
        "MinDensity": round(sheet.min_density * 100),
        "MaxDensity": round(sheet.max_density * 100),
        "Illumination": round(sheet.illumination),
        "ReflectedAmbientLight": round(sheet.reflected_ambient_light),
    }
    own = {keyword: getattr(node.film, keyword) for keyword in defaults}
    return {k: session.common.get(k, v) if own[k] is None else own[k] for k, v in defaults.items()}


def _refer(reply: Dataset, node: FilmNode, session: SessionNode) -> None:
    image_class = COLOR_BOX_CLASS if node.color else GRAY_BOX_CLASS
    reply.ReferencedFilmSessionSequence = [reference_item(SESSION_CLASS, session.uid)]
    reply.ReferencedImageBoxSequence = [reference_item(image_class, uid) for uid in node.images]
    if node.annotations:
        reply.ReferencedBasicAnnotationBoxSequence = [reference_item(ANNOTATION_CLASS, uid) for uid in node.annotations]


def box_in_use(box: ImageBox) -> Dataset:
    """The attributes of an image box as they are taken."""
    reply = Dataset()
    for keyword in ("Polarity", "MagnificationType", "SmoothingType", "MinDensity", "MaxDensity"):
        value = getattr(box, keyword)
        if value is not None:
            setattr(reply, keyword, value)
    return reply


def reference_item(sop_class: str, instance: str) -> Dataset:
    """One item of a reference sequence."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = instance
    return item
