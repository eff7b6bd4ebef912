"""A film raster as a PDF document: one page, one lossless image, printed at its own size (ISO 32000-1).

The few objects are written here: a library's writer copies the image's bytes half a dozen times on their way, which
costs as much as deflating them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator

from PIL import ImageCms

from appliance.film.deflate import deflated, row_bytes
from appliance.film.document import check_bits, image_box, page_size
from appliance.film.raster import FilmRaster
from appliance.words import say

PRODUCER = "appliance"
MIME_TYPE = "application/pdf"
BITS = (8, 16)
_HEADER = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n"  # 16-bit samples came with 1.5; the comment says: binary
_ADLER32 = 4  # last bytes of a zlib stream
_ICC_DATE = slice(24, 36)  # dateTimeNumber of an ICC profile header (ICC.1 7.2.8)
# Numbers of the objects.
_CATALOG, _PAGES, _PAGE, _CONTENT, _IMAGE, _INFO, _PROFILE = range(1, 8)


def pdf_document(raster: FilmRaster, *, title: str) -> bytes:
    """The film as a PDF document. The same raster and title give the same bytes.

    title: shown by viewers and printers; must hold nothing of the patient.
    Raises UsageError unless the raster is grey of 8 or 16 bits or RGB of 8.
    """
    check_bits(raster, document="PDF", grey=BITS, instead=say("its format to PostScript for 12 bits"))
    image = list(deflated(raster.pixels, raster.bits))
    objects = _objects(raster, title, image)
    pieces, offsets, length = [_HEADER], [], len(_HEADER)
    for number, parts in enumerate(objects, 1):
        offsets.append(length)
        whole = [b"%d 0 obj\n" % number, *parts, b"\nendobj\n"]
        length += sum(map(len, whole))
        pieces += whole
    return b"".join([*pieces, _trailer(offsets, length, _identity(title, raster, image))])


def _objects(raster: FilmRaster, title: str, image: list[bytes]) -> Iterator[list[bytes]]:
    """Each object in the order of its number, in pieces."""
    width, height = page_size(raster)
    preferences = "/PrintScaling /None /Duplex /Simplex /PickTrayByPDFSize true"
    yield [_dictionary(f"/Type /Catalog /Pages {_PAGES} 0 R /ViewerPreferences << {preferences} >>")]
    yield [_dictionary(f"/Type /Pages /Kids [{_PAGE} 0 R] /Count 1")]
    yield [
        _dictionary(
            f"/Type /Page /Parent {_PAGES} 0 R /MediaBox [0 0 {width:.6f} {height:.6f}] /Contents {_CONTENT} 0 R "
            f"/Resources << /XObject << /Film {_IMAGE} 0 R >> >>"
        )
    ]
    yield _stream("", [_content(raster)])
    yield _stream(_image_entries(raster), image)
    info = {"Title": title, "Subject": _subject(raster), "Creator": PRODUCER, "Producer": PRODUCER}
    yield [b"<< ", *(f"/{key} ".encode() + _string(text) + b" " for key, text in info.items()), b">>"]
    if raster.color:
        yield _stream("/N 3 /Alternate /DeviceRGB", [raster.icc_profile or _srgb_profile()])


def _content(raster: FilmRaster) -> bytes:
    """Paint the image so that each sample is one dot of the printer."""
    left, bottom, width, height = image_box(raster)
    return f"q {width:.6f} 0 0 {height:.6f} {left:.6f} {bottom:.6f} cm /Film Do Q".encode()


def _image_entries(raster: FilmRaster) -> str:
    """The image XObject's dictionary (8.9.5); the prediction is undone by bytes whatever the depth (7.4.4.4)."""
    rows, columns = raster.pixels.shape[:2]
    space = f"[/ICCBased {_PROFILE} 0 R]" if raster.color else "/DeviceGray"
    undo = f"<< /Predictor 12 /Colors 1 /BitsPerComponent 8 /Columns {row_bytes(raster.pixels, raster.bits)} >>"
    return (
        f"/Type /XObject /Subtype /Image /Width {columns} /Height {rows} /BitsPerComponent {raster.bits} "
        f"/ColorSpace {space} /Interpolate false /Filter /FlateDecode /DecodeParms {undo}"
    )


def _subject(raster: FilmRaster) -> str:
    if not raster.color:
        return f"Film, {raster.bits}-bit grey: driving levels of the printer"
    if raster.icc_profile is None:
        return "Film, 8-bit RGB: sRGB assumed, no ICC profile was received"
    return "Film, 8-bit RGB: with the ICC profile that was received"


def _dictionary(entries: str) -> bytes:
    return f"<< {entries} >>".encode("ascii")


def _stream(entries: str, data: list[bytes]) -> list[bytes]:
    length = sum(map(len, data))
    return [_dictionary(f"{entries} /Length {length}"), b"\nstream\n", *data, b"\nendstream"]


def _string(text: str) -> bytes:
    """A text string (7.9.2.2): readable when it is ASCII, else UTF-16."""
    if text.isascii() and text.isprintable():
        return b"(" + text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("ascii") + b")"
    return b"<" + ("\ufeff" + text).encode("utf-16-be").hex().encode("ascii") + b">"


def _identity(title: str, raster: FilmRaster, image: list[bytes]) -> str:
    """The document's ID (14.4), from what it holds: the stream ends with a checksum of all samples."""
    said = repr((title, raster.pixels.shape, raster.bits, raster.resolution, raster.width_mm, raster.height_mm))
    return hashlib.sha256(said.encode() + b"".join(image[-2:])[-_ADLER32:]).hexdigest()[:32]


def _trailer(offsets: list[int], start: int, identity: str) -> bytes:
    """Cross-reference table and trailer (7.5.4, 7.5.5)."""
    size = len(offsets) + 1
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    entries = f"/Size {size} /Root {_CATALOG} 0 R /Info {_INFO} 0 R /ID [<{identity}> <{identity}>]"
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< {entries} >>\nstartxref\n{start}\n%%EOF\n"
    return end.encode("ascii")


@functools.cache
def _srgb_profile() -> bytes:
    """An sRGB profile without the time of its making, which would make each document another one."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[_ICC_DATE] = bytes.fromhex("07e8 0001 0001 0000 0000 0000")
    return bytes(profile)
