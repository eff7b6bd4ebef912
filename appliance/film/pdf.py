"""A film raster as a PDF document: one page, one lossless image, printed at its own size (ISO 32000-1).

The page is reportlab's; the image is ours, ready deflated: reportlab's own ``drawImage`` takes seconds for a film and
makes 8-bit colour of 16-bit grey.
"""

from __future__ import annotations

import functools
from io import BytesIO
from typing import Any

from PIL import ImageCms
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from appliance.film.deflate import deflated, row_bytes
from appliance.film.document import check_bits, image_box, page_size
from appliance.film.raster import FilmRaster

PRODUCER = "appliance"
MIME_TYPE = "application/pdf"
BITS = (8, 16)
_IMAGE_NAME = "film"
_PDF_VERSION = (1, 5)  # 16-bit samples came with 1.5
_ADLER32 = 4  # last bytes of a zlib stream
_ICC_DATE = slice(24, 36)  # dateTimeNumber of an ICC profile header (ICC.1 7.2.8)


def pdf_document(raster: FilmRaster, *, title: str) -> bytes:
    """The film as a PDF document. The same raster and title give the same bytes.

    title: shown by viewers and printers; must hold nothing of the patient.
    Raises UsageError unless the raster is grey of 8 or 16 bits or RGB of 8.
    """
    check_bits(raster, document="PDF", grey=BITS, instead="its format to PostScript for 12 bits")
    written = BytesIO()
    canvas = Canvas(written, pagesize=page_size(raster), pageCompression=0, pdfVersion=_PDF_VERSION, invariant=1)
    canvas.setTitle(title)
    canvas.setSubject(_colour_statement(raster))
    canvas.setCreator(PRODUCER)
    canvas.setProducer(PRODUCER)
    canvas.setAuthor(PRODUCER)
    canvas.setViewerPreference("PrintScaling", "None")
    canvas.setViewerPreference("Duplex", "Simplex")
    _place(canvas, raster)
    canvas.showPage()
    canvas.save()
    return written.getvalue()


def _colour_statement(raster: FilmRaster) -> str:
    if not raster.color:
        return f"Film, {raster.bits}-bit grey: driving levels of the printer"
    if raster.icc_profile is None:
        return "Film, 8-bit RGB: sRGB assumed, no ICC profile was received"
    return "Film, 8-bit RGB: with the ICC profile that was received"


def _place(canvas: Canvas, raster: FilmRaster) -> None:
    """Paint the image so that each sample is one dot of the printer, its top left corner at (left_mm, top_mm)."""
    left, bottom, width, height = image_box(raster)
    image = _FilmImage(raster)
    canvas._doc.signature.update(image.stream[-_ADLER32:])  # the document's ID depends on the pixels too
    name = canvas._doc.getXObjectName(_IMAGE_NAME)
    canvas._doc.Reference(image, name)
    canvas._formsinuse.append(_IMAGE_NAME)
    canvas.saveState()
    canvas.transform(width, 0, 0, height, left, bottom)
    canvas._code.append(f"/{name} Do")
    canvas.restoreState()


class _FilmImage(pdfdoc.PDFObject):  # type: ignore[misc]
    """The raster as an image XObject (ISO 32000-1 8.9.5)."""

    __RefOnly__ = 1

    def __init__(self, raster: FilmRaster) -> None:
        self.raster = raster
        self.stream = b"".join(deflated(raster.pixels, raster.bits))

    def format(self, document: Any) -> bytes:
        raster = self.raster
        rows, columns = raster.pixels.shape[:2]
        stream = pdfdoc.PDFStream(content=self.stream, filters=None)
        stream.dictionary.dict.update(
            Type=pdfdoc.PDFName("XObject"),
            Subtype=pdfdoc.PDFName("Image"),
            Width=columns,
            Height=rows,
            BitsPerComponent=raster.bits,
            ColorSpace=_color_space(raster, document),
            Interpolate="false",
            Filter=pdfdoc.PDFName("FlateDecode"),
            DecodeParms=pdfdoc.PDFDictionary(
                {"Predictor": 12, "Colors": 1, "BitsPerComponent": 8, "Columns": row_bytes(raster.pixels, raster.bits)}
            ),
        )
        return stream.format(document)  # type: ignore[no-any-return]


def _color_space(raster: FilmRaster, document: Any) -> Any:
    if not raster.color:
        return pdfdoc.PDFName("DeviceGray")
    profile = pdfdoc.PDFStream(content=raster.icc_profile or _srgb_profile(), filters=None)
    profile.dictionary.dict.update(N=3, Alternate=pdfdoc.PDFName("DeviceRGB"))
    return pdfdoc.PDFArray([pdfdoc.PDFName("ICCBased"), document.Reference(profile)])


@functools.cache
def _srgb_profile() -> bytes:
    """An sRGB profile without the time of its making, which would make each document another one."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_ICC_DATE] = bytes.fromhex("07e8 0001 0001 0000 0000 0000")
    return bytes(profile)
