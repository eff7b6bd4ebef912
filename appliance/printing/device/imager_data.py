"""A film session as the data sets a film imager is sent (PS3.4 H.4): pure, nothing is sent here.

What came from the modality goes on as it came: pixels, polarity, Presentation LUT, densities, L0 and La. Nothing is
mapped through the GSDF; that is the imager's task and must happen once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from appliance.film.boxes import AnnotationBox, FilmBox, FilmSession, Image, ImageBox, PresentationLUT
from appliance.film.raster import FilmRaster
from appliance.printing.device.options import DeviceOptions

BASIC_FILM_SESSION = UID("1.2.840.10008.5.1.1.1")
BASIC_FILM_BOX = UID("1.2.840.10008.5.1.1.2")
BASIC_GRAYSCALE_IMAGE_BOX = UID("1.2.840.10008.5.1.1.4")
BASIC_COLOR_IMAGE_BOX = UID("1.2.840.10008.5.1.1.4.1")
BASIC_GRAYSCALE_META = UID("1.2.840.10008.5.1.1.9")
PRINT_JOB = UID("1.2.840.10008.5.1.1.14")
BASIC_ANNOTATION_BOX = UID("1.2.840.10008.5.1.1.15")
PRINTER = UID("1.2.840.10008.5.1.1.16")
PRINTER_INSTANCE = UID("1.2.840.10008.5.1.1.17")
BASIC_COLOR_META = UID("1.2.840.10008.5.1.1.18")
PRESENTATION_LUT = UID("1.2.840.10008.5.1.1.23")

# PS3.4 Table H.4-2
SESSION_KEYWORDS = ("PrintPriority", "MediumType", "FilmDestination", "FilmSessionLabel", "OwnerID")

# PS3.4 Table H.4-6
FILM_KEYWORDS = (
    "ImageDisplayFormat",
    "FilmOrientation",
    "FilmSizeID",
    "MagnificationType",
    "SmoothingType",
    "BorderDensity",
    "EmptyImageDensity",
    "MinDensity",
    "MaxDensity",
    "Trim",
    "ConfigurationInformation",
    "Illumination",
    "ReflectedAmbientLight",
    "RequestedResolutionID",
    "AnnotationDisplayFormatID",
)

# PS3.4 Tables H.4-10 and H.4-12
IMAGE_BOX_KEYWORDS = (
    "ImageBoxPosition",
    "Polarity",
    "MagnificationType",
    "SmoothingType",
    "MinDensity",
    "MaxDensity",
    "ConfigurationInformation",
    "RequestedImageSize",
    "RequestedDecimateCropBehavior",
)

# PS3.4 H.4.3.1.2.1: (Bits Allocated, Bits Stored, High Bit) every grayscale imager takes
GRAY_DEPTHS = {(8, 8, 7), (16, 12, 11)}


def put(target: Dataset, source: Any, keywords: Iterable[str], options: DeviceOptions) -> None:
    """Copy what is there, in the imager's own terms, and leave out what it must not be sent."""
    for keyword in keywords:
        value = getattr(source, keyword)
        if value not in (None, "") and keyword not in options.drop:
            setattr(target, keyword, term(keyword, value, options.terms))


def term(keyword: str, value: Any, terms: Mapping[str, Mapping[str, str]]) -> Any:
    """The imager's word for one of ours."""
    return terms.get(keyword, {}).get(str(value), value)


def reference(sop_class: UID, instance: UID) -> Sequence:
    """A sequence of one item that refers to an instance."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = instance
    return Sequence([item])


def session_data(session: FilmSession, copies: int, options: DeviceOptions) -> Dataset:
    """Film Session N-CREATE."""
    data = Dataset()
    if not session.FilmSessionLabel.isascii() or not session.OwnerID.isascii():
        data.SpecificCharacterSet = "ISO_IR 192"
    data.NumberOfCopies = copies
    put(data, session, SESSION_KEYWORDS, options)
    return data


def film_data(film: FilmBox, session_uid: UID, luts: Mapping[PresentationLUT, UID], options: DeviceOptions) -> Dataset:
    """Film Box N-CREATE."""
    data = Dataset()
    put(data, film, FILM_KEYWORDS, options)
    if not film.annotation_boxes and "AnnotationDisplayFormatID" in data:
        del data.AnnotationDisplayFormatID
    data.ReferencedFilmSessionSequence = reference(BASIC_FILM_SESSION, session_uid)
    if film.presentation_lut is not None and film.presentation_lut in luts:
        data.ReferencedPresentationLUTSequence = reference(PRESENTATION_LUT, luts[film.presentation_lut])
    return data


def image_data(
    box: ImageBox, folder: Path, luts: Mapping[PresentationLUT, UID], options: DeviceOptions, *, color: bool
) -> Dataset:
    """Image Box N-SET of an image as the modality sent it."""
    assert box.image is not None
    data = Dataset()
    put(data, box, IMAGE_BOX_KEYWORDS, options)
    if box.presentation_lut is not None and box.presentation_lut in luts:
        data.ReferencedPresentationLUTSequence = reference(PRESENTATION_LUT, luts[box.presentation_lut])
    item = pixel_item(box.image, read_pixels(box.image, folder))
    if color:
        data.BasicColorImageSequence = Sequence([item])
    else:
        data.BasicGrayscaleImageSequence = Sequence([item])
    return data


def pixel_item(image: Image, pixels: bytes) -> Dataset:
    """The item of the image sequence. Pixels are in Little Endian, colour by plane."""
    item = Dataset()
    item.SamplesPerPixel = image.SamplesPerPixel
    item.PhotometricInterpretation = image.PhotometricInterpretation
    if image.SamplesPerPixel == 3:
        item.PlanarConfiguration = 1
    item.Rows, item.Columns = image.Rows, image.Columns
    if image.PixelAspectRatio != (1, 1):
        item.PixelAspectRatio = list(image.PixelAspectRatio)
    item.BitsAllocated, item.BitsStored, item.HighBit = image.BitsAllocated, image.BitsStored, image.HighBit
    item.PixelRepresentation = 0
    item.add_new("PixelData", "OB" if image.BitsAllocated == 8 else "OW", pixels)
    return item


def read_pixels(image: Image, folder: Path) -> bytes:
    """Pixel Data of one image in Little Endian, colour by plane. Raises OSError."""
    where = image.pixels
    with (folder / where.file).open("rb") as file:
        file.seek(where.offset)
        data = file.read(where.length)
    if where.big_endian and image.BitsAllocated == 16:
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    if image.SamplesPerPixel == 3 and image.PlanarConfiguration == 0:
        count = image.Rows * image.Columns
        planes = np.frombuffer(data, np.uint8, count * 3).reshape(count, 3).T
        data = planes.tobytes() + b"\0" * (count * 3 % 2)
    return data


def raster_film(film: FilmBox, *, magnify: bool) -> FilmBox:
    """The film box that carries the whole film as one image: all is composed but the grey, which stays P-values."""
    return FilmBox(
        ImageDisplayFormat="STANDARD\\1,1",
        image_boxes=(),
        FilmSizeID=film.FilmSizeID,
        FilmOrientation=film.FilmOrientation,
        MagnificationType=film.MagnificationType if magnify else "NONE",
        BorderDensity=film.BorderDensity,
        MinDensity=film.MinDensity,
        MaxDensity=film.MaxDensity,
        Illumination=film.Illumination,
        ReflectedAmbientLight=film.ReflectedAmbientLight,
        RequestedResolutionID=film.RequestedResolutionID,
        presentation_lut=IDENTITY,
    )


IDENTITY = PresentationLUT(PresentationLUTShape="IDENTITY")


def raster_data(raster: FilmRaster, bits: int) -> Dataset:
    """Image Box N-SET of a composed film, 12 or 8 bits of grey P-values."""
    pixels = raster.pixels >> max(0, raster.bits - bits)
    rows, columns = pixels.shape[:2]
    item = Dataset()
    item.SamplesPerPixel = 1
    item.PhotometricInterpretation = "MONOCHROME2"
    item.Rows, item.Columns = rows, columns
    item.BitsAllocated = 8 if bits == 8 else 16
    item.BitsStored, item.HighBit, item.PixelRepresentation = bits, bits - 1, 0
    data = pixels.astype("<u1" if bits == 8 else "<u2").tobytes()
    item.add_new("PixelData", "OB" if bits == 8 else "OW", data + b"\0" * (len(data) % 2))
    box = Dataset()
    box.ImageBoxPosition = 1
    box.Polarity = "NORMAL"
    box.BasicGrayscaleImageSequence = Sequence([item])
    return box


def annotation_data(box: AnnotationBox) -> Dataset:
    """Annotation Box N-SET."""
    data = Dataset()
    if not box.TextString.isascii():
        data.SpecificCharacterSet = "ISO_IR 192"
    data.AnnotationPosition = box.AnnotationPosition
    data.TextString = box.TextString[:64]
    return data


def lut_data(lut: PresentationLUT) -> Dataset:
    """Presentation LUT N-CREATE (PS3.4 H.4.9): a shape, or a table."""
    data = Dataset()
    if lut.PresentationLUTShape:
        data.PresentationLUTShape = lut.PresentationLUTShape
        return data
    item = Dataset()
    entries = np.asarray(lut.data, "<u2")
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, lut.first_value, lut.bits])
    if lut.LUTExplanation:
        item.LUTExplanation = lut.LUTExplanation
    item.add_new("LUTData", "OW", entries.tobytes())
    data.PresentationLUTSequence = Sequence([item])
    return data


def luts_of(film: FilmBox) -> list[PresentationLUT]:
    """The different Presentation LUTs of one film."""
    found = [film.presentation_lut, *(box.presentation_lut for box in film.image_boxes)]
    return list(dict.fromkeys(lut for lut in found if lut is not None))


def passes(image: Image) -> bool:
    """Whether every imager takes the image as it is; others go as a composed raster."""
    if image.SamplesPerPixel == 3:
        return image.BitsStored == 8
    return image.PixelRepresentation == 0 and (image.BitsAllocated, image.BitsStored, image.HighBit) in GRAY_DEPTHS


def matrix_for(film: FilmBox, options: DeviceOptions) -> tuple[int, int] | None:
    """The imager's printable (rows, columns) for the film as it is held, when it is configured."""
    matrix = options.printable_matrix.get(film.FilmSizeID or "")
    if matrix is None:
        return None
    rows, columns = matrix
    return (columns, rows) if film.FilmOrientation == "LANDSCAPE" else (rows, columns)
