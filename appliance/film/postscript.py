"""A film raster as a PostScript Level 3 document that follows the Document Structuring Conventions 3.0.

The image is read by one procedure from the bytes after it, so that the interpreter never takes pixels for program text.
The page is asked for by size and never scaled: a printer that has no such sheet asks a person for it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from appliance.errors import UsageError
from appliance.film.deflate import deflated, row_bytes
from appliance.film.document import check_bits, image_box, page_size
from appliance.film.raster import FilmRaster
from appliance.words import say

CREATOR = "appliance"
MIME_TYPE = "application/postscript"
BITS = (8, 12)
_LINE_BYTES = 64
_LINE = _LINE_BYTES // 4 * 5  # characters of ASCII85 on a line: well under DSC's 255
_ASCII85_BLOCK = 4096 * _LINE_BYTES
_ZERO = ord("!")  # ASCII85's digit 0
_ASK_A_PERSON = 2  # page device policy (PLRM 6.2, Policies): ask for what is missing; 3 and 4 would scale to fit
_IGNORE = 1


def postscript_document(
    raster: FilmRaster,
    *,
    title: str,
    copies: int = 1,
    media_type: str | None = None,
    media_position: int | None = None,
    ascii85: bool = False,
) -> bytes:
    """The film as a PostScript document. The same arguments give the same bytes.

    title: for the printer's display; must hold nothing of the patient. copies: 1 and up. media_type: the printer's name
    of the medium; media_position: the printer's number of a tray; None leaves either to the printer. ascii85: text of
    7 bits, a quarter longer, for lines that don't carry binary.
    Raises UsageError unless the raster is grey of 8 or 12 bits or RGB of 8, and copies at least 1.
    """
    check_bits(raster, document="PostScript", grey=BITS, instead=say("its format to PDF for 16 bits"))
    if copies < 1:
        raise UsageError(say("A film is printed at least once, not %(copies)s times.", copies=copies), field="copies")
    data = b"".join(deflated(raster.pixels, raster.bits))
    if ascii85:
        data = b"".join(_ascii85(data))
    invocation = b"film\n"
    kind = "ASCII" if ascii85 else "Binary"
    return b"".join(
        (
            _text(_header(raster, title, copies, media_type, ascii85)),
            _text(_prolog(raster, ascii85)),
            _text(_setup(raster, copies, media_type, media_position)),
            _text(_page(raster)),
            _text([f"%%BeginData: {len(invocation) + len(data)} {kind} Bytes"]),
            invocation,
            data,
            _text(["", "%%EndData", "grestore", "showpage", "%%PageTrailer", "%%Trailer", "%%EOF"]),
        )
    )


def _header(raster: FilmRaster, title: str, copies: int, media_type: str | None, ascii85: bool) -> list[str]:
    """Header comments of the Document Structuring Conventions."""
    page_width, page_height = page_size(raster)
    left, bottom, width, height = image_box(raster)
    right, top = left + width, bottom + height
    media = f"%%DocumentMedia: Film {_number(page_width)} {_number(page_height)} 0 () {_string(media_type or '')}"
    return [
        "%!PS-Adobe-3.0",
        f"%%Title: {_string(title)}",
        f"%%Creator: {_string(CREATOR)}",
        f"%%BoundingBox: {math.floor(left)} {math.floor(bottom)} {math.ceil(right)} {math.ceil(top)}",
        f"%%HiResBoundingBox: {_number(left)} {_number(bottom)} {_number(right)} {_number(top)}",
        f"%%DocumentData: {'Clean7Bit' if ascii85 else 'Binary'}",
        "%%LanguageLevel: 3",
        "%%Orientation: Portrait",
        "%%Pages: 1",
        "%%PageOrder: Ascend",
        f"%%Requirements: numcopies({copies})",
        media,
        "%%EndComments",
    ]


def _prolog(raster: FilmRaster, ascii85: bool) -> list[str]:
    """The procedure that reads and paints the image (PLRM 4.10.5, 3.13.3)."""
    rows, columns = raster.pixels.shape[:2]
    source = "currentfile /ASCII85Decode filter" if ascii85 else "currentfile"
    width = row_bytes(raster.pixels, raster.bits)
    return [
        "%%BeginProlog",
        "/film {",
        f"  /encoded {source} def",
        # Ghostscript refuses 12 bits in a predictor's dictionary; by bytes every interpreter undoes it the same way.
        f"  /undo << /Predictor 12 /Colors 1 /BitsPerComponent 8 /Columns {width} >> def",
        "  /samples encoded undo /FlateDecode filter def",
        f"  /Device{'RGB' if raster.color else 'Gray'} setcolorspace",
        f"  << /ImageType 1 /Width {columns} /Height {rows} /BitsPerComponent {raster.bits}",
        f"     /Decode [{' '.join(['0 1'] * (3 if raster.color else 1))}] /Interpolate false",
        f"     /ImageMatrix [{columns} 0 0 {-rows} 0 {rows}] /DataSource samples >> image",
        f"  samples flushfile{' encoded flushfile' if ascii85 else ''}",
        "} bind def",
        "%%EndProlog",
    ]


def _setup(raster: FilmRaster, copies: int, media_type: str | None, media_position: int | None) -> list[str]:
    """What is asked of the printer (PLRM 6.2)."""
    width, height = page_size(raster)
    wanted = [
        f"/PageSize [{_number(width)} {_number(height)}]",
        f"/NumCopies {copies}",
        "/Duplex false",
    ]
    if media_type is not None:
        wanted.append(f"/MediaType {_string(media_type)}")
    if media_position is not None:
        wanted.append(f"/MediaPosition {media_position}")
    policies = (
        f"/PolicyNotFound {_IGNORE} /PageSize {_ASK_A_PERSON} /MediaType {_ASK_A_PERSON} "
        f"/MediaPosition {_ASK_A_PERSON} /Duplex {_IGNORE}"
    )
    return ["%%BeginSetup", f"<< /Policies << {policies} >>", *wanted, ">> setpagedevice", "%%EndSetup"]


def _page(raster: FilmRaster) -> list[str]:
    left, bottom, width, height = image_box(raster)
    return [
        "%%Page: 1 1",
        "%%BeginPageSetup",
        "%%EndPageSetup",
        "gsave",
        f"{_number(left)} {_number(bottom)} translate {_number(width)} {_number(height)} scale",
    ]


def _ascii85(data: bytes) -> Iterator[bytes]:
    """`data` as ASCII85 text with its end mark (PLRM 3.13.3). Lines begin with a space, so none is a DSC comment."""
    whole = len(data) - len(data) % _LINE_BYTES
    for start in range(0, whole, _ASCII85_BLOCK):
        words = np.frombuffer(data[start : min(start + _ASCII85_BLOCK, whole)], ">u4").astype(np.uint32)
        words = words.reshape(-1, _LINE_BYTES // 4)
        lines = np.empty((len(words), _LINE + 2), np.uint8)
        lines[:, 0], lines[:, -1] = ord(" "), ord("\n")
        upper = words // 85**3
        lower = words - upper * 85**3
        middle = lower // 85**2
        # Both ends fit into 16 bits, which are far quicker to divide.
        _two_digits(lines[:, 1:-1:5], lines[:, 2:-1:5], upper.astype(np.uint16))
        lines[:, 3:-1:5] = middle + _ZERO
        _two_digits(lines[:, 4:-1:5], lines[:, 5:-1:5], (lower - middle * 85**2).astype(np.uint16))
        yield lines.tobytes()
    yield b" " + base64.a85encode(data[whole:]) + b"\n~>\n"


def _two_digits(high: NDArray[np.uint8], low: NDArray[np.uint8], values: NDArray[np.uint16]) -> None:
    """Values 0 .. 7224 as two digits of base 85, written in place."""
    quotients = values // 85
    high[:] = quotients + _ZERO
    low[:] = values - quotients * 85 + _ZERO


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _string(text: str) -> str:
    """A PostScript string of printable ASCII; whatever else was there becomes a question mark."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    return "(" + plain.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") + ")"


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")
