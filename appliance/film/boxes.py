"""What an association builds and what is printed: the film session tree (PS3.3 C.13), as plain values.

The front door fills these in; a print job keeps them as ``film.json`` beside the image box files; the composer reads
them. Attributes bear their DICOM keywords; None means absent (the printer's default applies). Densities are in 1/100
OD, as DICOM sends them. Pixels stay in their file until the composer maps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PixelReference:
    """Where the Pixel Data of one image lies."""

    file: str  # name of the file inside the job's folder
    offset: int  # of the first byte of Pixel Data
    length: int  # bytes of Pixel Data, pad byte included
    big_endian: bool = False  # byte order of 16-bit words; 8-bit samples lie in such words too (OW)


@dataclass(frozen=True, kw_only=True)
class Image:
    """One item of Basic Grayscale / Basic Color Image Sequence (PS3.3 C.13.5)."""

    SamplesPerPixel: int  # 1 or 3
    PhotometricInterpretation: str  # MONOCHROME1, MONOCHROME2, RGB
    Rows: int
    Columns: int
    BitsAllocated: int  # 8 or 16
    BitsStored: int  # 8..16
    HighBit: int
    pixels: PixelReference
    PixelRepresentation: int = 0  # 1 = signed
    PlanarConfiguration: int = 0  # 0 by pixel, 1 by plane; colour only
    PixelAspectRatio: tuple[int, int] = (1, 1)  # vertical, horizontal


@dataclass(frozen=True, kw_only=True)
class PresentationLUT:
    """A Presentation LUT SOP instance (PS3.3 C.11.4): a shape, or a table."""

    PresentationLUTShape: str | None = None  # IDENTITY, LIN OD
    first_value: int = 0  # LUT Descriptor: first input value mapped
    bits: int = 16  # LUT Descriptor: bits of each entry, 8..16
    data: tuple[int, ...] = ()  # LUT Data: P-values 0 .. 2**bits - 1; empty with a shape
    LUTExplanation: str = ""


@dataclass(frozen=True, kw_only=True)
class ImageBox:
    """One place on the film and what was set into it (PS3.3 C.13.5)."""

    ImageBoxPosition: int  # from 1
    image: Image | None = None  # None: empty or erased
    Polarity: str = "NORMAL"  # NORMAL, REVERSE
    MagnificationType: str | None = None
    SmoothingType: str | None = None
    MinDensity: int | None = None  # 1/100 OD
    MaxDensity: int | None = None  # 1/100 OD
    ConfigurationInformation: str | None = None
    RequestedImageSize: float | None = None  # width in mm
    RequestedDecimateCropBehavior: str | None = None  # DECIMATE, CROP, FAIL
    presentation_lut: PresentationLUT | None = None


@dataclass(frozen=True, kw_only=True)
class AnnotationBox:
    """One text on the film (PS3.3 C.13.7)."""

    AnnotationPosition: int
    TextString: str = ""  # decoded; empty: nothing is printed


@dataclass(frozen=True, kw_only=True)
class FilmBox:
    """One film (PS3.3 C.13.3)."""

    ImageDisplayFormat: str  # e.g. STANDARD\2,3
    image_boxes: tuple[ImageBox, ...]
    FilmSizeID: str | None = None
    FilmOrientation: str | None = None  # PORTRAIT, LANDSCAPE
    MagnificationType: str | None = None
    SmoothingType: str | None = None
    BorderDensity: str | None = None  # BLACK, WHITE, or 1/100 OD as digits
    EmptyImageDensity: str | None = None
    MinDensity: int | None = None  # 1/100 OD
    MaxDensity: int | None = None  # 1/100 OD
    Trim: str | None = None  # YES, NO
    ConfigurationInformation: str | None = None
    Illumination: int | None = None  # L0, cd/m2
    ReflectedAmbientLight: int | None = None  # La, cd/m2
    RequestedResolutionID: str | None = None  # STANDARD, HIGH
    AnnotationDisplayFormatID: str | None = None
    annotation_boxes: tuple[AnnotationBox, ...] = ()
    presentation_lut: PresentationLUT | None = None
    pattern: str = ""  # instead of images, a page of the printer's own: test-page, steps, smpte
    icc_profile: str | None = None  # name of a file inside the job's folder; colour only
    sent: Mapping[str, Any] = field(default_factory=dict)  # keyword -> value as the modality sent it


@dataclass(frozen=True, kw_only=True)
class FilmSession:
    """A print request whole: session and its films (PS3.3 C.13.1)."""

    film_boxes: tuple[FilmBox, ...]
    color: bool = False  # built on the Basic Color Meta class
    NumberOfCopies: int = 1
    PrintPriority: str = "MED"  # HIGH, MED, LOW
    MediumType: str | None = None
    FilmDestination: str | None = None
    FilmSessionLabel: str = ""
    OwnerID: str = ""
    collated: bool = False  # printed by the session's N-ACTION: copies 1234 1234
    sent: Mapping[str, Any] = field(default_factory=dict)  # keyword -> value as the modality sent it


def to_json(session: FilmSession) -> dict[str, Any]:
    """The tree as JSON-ready values; see :func:`from_json`."""
    return asdict(session)


def from_json(data: Mapping[str, Any]) -> FilmSession:
    """The tree that :func:`to_json` gave. Unknown keys are left out, so that newer versions read older jobs."""
    films = tuple(_film_box(film) for film in data["film_boxes"])
    return FilmSession(**{**_known(FilmSession, data), "film_boxes": films})


def _known(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {key: value for key, value in data.items() if key in names}


def _film_box(data: Mapping[str, Any]) -> FilmBox:
    values = _known(FilmBox, data)
    values["image_boxes"] = tuple(_image_box(box) for box in data["image_boxes"])
    values["annotation_boxes"] = tuple(AnnotationBox(**_known(AnnotationBox, box)) for box in data["annotation_boxes"])
    values["presentation_lut"] = _presentation_lut(data.get("presentation_lut"))
    return FilmBox(**values)


def _image_box(data: Mapping[str, Any]) -> ImageBox:
    values = _known(ImageBox, data)
    values["presentation_lut"] = _presentation_lut(data.get("presentation_lut"))
    image = data.get("image")
    if image is not None:
        image = _known(Image, image)
        image["pixels"] = PixelReference(**_known(PixelReference, image["pixels"]))
        image["PixelAspectRatio"] = tuple(image["PixelAspectRatio"])
        values["image"] = Image(**image)
    return ImageBox(**values)


def _presentation_lut(data: Mapping[str, Any] | None) -> PresentationLUT | None:
    if data is None:
        return None
    values = _known(PresentationLUT, data)
    values["data"] = tuple(values.get("data", ()))
    return PresentationLUT(**values)


def files_of_session(session: FilmSession) -> set[str]:
    """The names of the files a film session refers to."""
    names = {film.icc_profile for film in session.film_boxes}
    images = [box.image for film in session.film_boxes for box in film.image_boxes]
    return {name for name in names if name} | {image.pixels.file for image in images if image}
