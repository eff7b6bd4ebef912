"""A film session as the attributes and pixels a film imager is sent (PS3.4 H.4); nothing is sent here.

What came from the modality goes on as it came: pixels, polarity, Presentation LUT, densities, L0 and La. Nothing is
mapped through the GSDF; that is the imager's task and must happen once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from appliance.errors import DamagedError
from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PresentationLUT
from appliance.film.raster import FilmRaster
from appliance.network.print_scu import Pixels
from appliance.printing.device.options import DeviceOptions
from appliance.words import say

CHUNK = 3 * 128 * 1024  # bytes of an image held at once: whole words and whole pixels of three samples

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


def session_data(session: FilmSession, copies: int, options: DeviceOptions) -> Dataset:
    """Film Session N-CREATE."""
    data = Dataset()
    if not session.FilmSessionLabel.isascii() or not session.OwnerID.isascii():
        data.SpecificCharacterSet = "ISO_IR 192"
    data.NumberOfCopies = copies
    put(data, session, SESSION_KEYWORDS, options)
    return data


def film_data(film: FilmBox, options: DeviceOptions) -> Dataset:
    """Film Box N-CREATE."""
    data = Dataset()
    put(data, film, FILM_KEYWORDS, options)
    if not film.annotation_boxes and "AnnotationDisplayFormatID" in data:
        del data.AnnotationDisplayFormatID
    return data


def image_box_data(box: ImageBox, options: DeviceOptions) -> Dataset:
    """Image Box N-SET without the image."""
    data = Dataset()
    put(data, box, IMAGE_BOX_KEYWORDS, options)
    return data


def image_data(image: Image) -> Dataset:
    """The item of the image sequence without Pixel Data; colour goes by plane."""
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
    return item


def file_pixels(image: Image, folder: Path) -> Pixels:
    """Pixel Data of one image as it is sent, read while it leaves. Raises OSError, DamagedError when it is short."""
    where = image.pixels
    path = folder / where.file
    length = image.Rows * image.Columns * image.SamplesPerPixel * image.BitsAllocated // 8
    if length > where.length or where.offset + length > path.stat().st_size:
        raise DamagedError(
            say("%(path)s does not hold the %(length)s bytes of its image", path=path.name, length=length)
        )
    by_pixel = image.SamplesPerPixel == 3 and image.PlanarConfiguration == 0
    return Pixels(length=length, pieces=_planes(path, image, length) if by_pixel else _read(path, image, length))


def _read(path: Path, image: Image, length: int) -> Iterator[bytes]:
    """`length` bytes in pieces; words that came big endian, and the pairs of 8-bit samples in them, turned around."""
    turned = image.pixels.big_endian
    with path.open("rb") as file:
        file.seek(image.pixels.offset)
        for start in range(0, length, CHUNK):
            count = min(CHUNK, length - start)
            data = file.read(count + count % 2 if turned else count)
            yield np.frombuffer(data, ">u2").astype("<u2").tobytes()[:count] if turned else data


def _planes(path: Path, image: Image, length: int) -> Iterator[bytes]:
    """Three passes over 8-bit colour by pixel, one for each plane."""
    for sample in range(3):
        for data in _read(path, image, length):
            yield data[sample::3]


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
    """The image item of a composed film without Pixel Data: 12 or 8 bits of grey P-values."""
    item = Dataset()
    item.SamplesPerPixel = 1
    item.PhotometricInterpretation = "MONOCHROME2"
    item.Rows, item.Columns = raster.pixels.shape[:2]
    item.BitsAllocated = 8 if bits == 8 else 16
    item.BitsStored, item.HighBit, item.PixelRepresentation = bits, bits - 1, 0
    return item


def raster_pixels(raster: FilmRaster, bits: int) -> Pixels:
    """The pixels of a composed film, its lowest bits left away where the imager takes fewer."""
    kind, width = ("<u1", 1) if bits == 8 else ("<u2", 2)
    rows, columns = raster.pixels.shape[:2]
    step = max(1, CHUNK // (columns * width))
    shift = max(0, raster.bits - bits)
    blocks = (raster.pixels[row : row + step] >> shift for row in range(0, rows, step))
    return Pixels(length=rows * columns * width, pieces=(block.astype(kind).tobytes() for block in blocks))


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
