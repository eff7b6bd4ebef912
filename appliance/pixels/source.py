"""An instance opened for its pixels: the header read, its claims checked against the limits, nothing decoded yet."""

from __future__ import annotations

import io
import zlib
from functools import cached_property
from typing import Any, BinaryIO

from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import UID, MPEGTransferSyntaxes

import appliance.pydicom_bounds  # noqa: F401  pydicom within bounds
from appliance.newer_uids import DEFLATED_FRAMES
from appliance.pixels.encapsulated import Fragments, find
from appliance.pixels.errors import DamagedPixelsError, NotShownError, TooLargeError, VideoError
from appliance.pixels.limits import Limits
from appliance.words import say

# Pixel Data, Double Float Pixel Data, Float Pixel Data (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25)
PIXEL_ELEMENTS = {0x0010: "PixelData", 0x0009: "DoubleFloatPixelData", 0x0008: "FloatPixelData"}
PIXEL_VRS = {b"OB", b"OW", b"OF", b"OD", b"UN"}
VIDEO = {
    *MPEGTransferSyntaxes,
    *(UID(f"1.2.840.10008.1.2.4.{k}{tail}") for k in range(100, 109) for tail in ("", ".1")),
}
NATIVE_IN_ITEMS = {UID("1.2.840.10008.1.2.1.98"), DEFLATED_FRAMES}
"""Transfer syntaxes whose items hold frames as uncompressed pixel data has them, each from a byte of its own."""
UNDEFINED_LENGTH = 0xFFFFFFFF


class Source:
    """One instance: `header` is the data set up to the pixels. What follows is known after :meth:`enter_pixels`.

    A video raises VideoError, unless `video` says that nothing will be decoded.
    """

    def __init__(self, file: BinaryIO, limits: Limits, *, video: bool = False) -> None:
        self.limits = limits
        self.transfer_syntax = _transfer_syntax(file)
        if self.transfer_syntax in VIDEO and not video:
            raise VideoError(say("This is a video. It is not shown here."))
        self.file = _inflated(file, limits.inflated_bytes) if self.transfer_syntax.is_deflated else file
        self.header: Dataset = read_dataset(
            self.file,
            self.transfer_syntax.is_implicit_VR,
            self.transfer_syntax.is_little_endian,
            stop_when=_at_pixels,
        )
        self._entered = False

    def enter_pixels(self) -> None:
        """Find the pixel data and check its claims; once is enough."""
        if not self._entered:
            self._find_pixels()
            self._check_claims()
            self._entered = True

    def _find_pixels(self) -> None:
        order = "little" if self.transfer_syntax.is_little_endian else "big"
        head = self.file.read(8)
        group, element = (int.from_bytes(head[at : at + 2], order) for at in (0, 2))  # type: ignore[arg-type]
        if len(head) < 8 or group != 0x7FE0 or element not in PIXEL_ELEMENTS:
            raise NotShownError(say("This object holds no picture."))
        self.keyword = PIXEL_ELEMENTS[element]
        # asked of the bytes: files that say one and are the other exist
        if head[4:6] in PIXEL_VRS:
            self.pixel_vr, length = head[4:6].decode("ascii"), self.file.read(4)
        else:
            self.pixel_vr, length = "OW", head[4:]
        self.length = int.from_bytes(length, order)  # type: ignore[arg-type]
        self.start = self.file.tell()

    def _check_claims(self) -> None:
        """Rows x Columns x samples x bits and the frames, before anything of that size is allocated."""
        for keyword in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"):
            if self.header.get(keyword) in (None, ""):
                if keyword == "PhotometricInterpretation" and self.keyword != "PixelData":
                    continue
                raise DamagedPixelsError(say("The image has pixel data but no %(keyword)s.", keyword=keyword))
        self.rows, self.columns = int(self.header.Rows), int(self.header.Columns)
        self.samples = int(self.header.get("SamplesPerPixel") or 1)
        self.bits_allocated = int(self.header.BitsAllocated)
        self.bits_stored = int(self.header.get("BitsStored") or self.bits_allocated)
        self.frames = _frames(self.header)
        if min(self.rows, self.columns, self.samples, self.bits_allocated) <= 0 or self.samples > 4:
            raise DamagedPixelsError(
                say(
                    "An image of %(rows)s x %(columns)s pixels with %(samples)s samples of "
                    "%(bits_allocated)s bits can't be.",
                    rows=self.rows,
                    columns=self.columns,
                    samples=self.samples,
                    bits_allocated=self.bits_allocated,
                )
            )
        if self.bits_stored > self.bits_allocated:
            raise DamagedPixelsError(
                say(
                    "The image says %(bits_stored)s bits stored in %(bits_allocated)s.",
                    bits_stored=self.bits_stored,
                    bits_allocated=self.bits_allocated,
                )
            )
        if self.frame_bytes > self.limits.frame_bytes or self.frames > self.limits.frames:
            raise TooLargeError(
                say(
                    "The image says %(frames)s frames of %(rows)s x %(columns)s pixels: more than is shown here.",
                    frames=self.frames,
                    rows=self.rows,
                    columns=self.columns,
                )
            )
        if not self.encapsulated:
            self._check_native_length()

    def _check_native_length(self) -> None:
        needed = (self.native_frame_bits * self.frames + 7) // 8
        if self.length == UNDEFINED_LENGTH or self.length < needed:
            raise DamagedPixelsError(
                say(
                    "The pixel data has %(length)s bytes where the image needs %(needed)s.",
                    length=self.length,
                    needed=needed,
                )
            )

    @property
    def unused_low_bits(self) -> int:
        """How far values lie above the lowest bit, which older editions allowed (PS3.5 8.1.1); 0 in compressed ones."""
        high = self.header.get("HighBit")
        if self.encapsulated or not isinstance(high, int) or not self.bits_stored <= high < self.bits_allocated:
            return 0
        return high + 1 - self.bits_stored

    @property
    def encapsulated(self) -> bool:
        return bool(self.transfer_syntax.is_encapsulated)

    @property
    def frame_bytes(self) -> int:
        """Size of one decoded frame."""
        return self.rows * self.columns * self.samples * max(8, self.bits_allocated) // 8

    @property
    def native_frame_bits(self) -> int:
        """Size of one frame as it lies in uncompressed Pixel Data (PS3.5 8.1; YBR_FULL_422 leaves out a third)."""
        bits = self.rows * self.columns * self.samples * self.bits_allocated
        return bits // 3 * 2 if self.header.get("PhotometricInterpretation") == "YBR_FULL_422" else bits

    @cached_property
    def fragments(self) -> Fragments:
        """Where the compressed frames lie."""
        self.file.seek(self.start)
        return find(self.file, self.frames, self.header.get("ExtendedOffsetTable") or b"")

    def pixel_options(self) -> dict[str, Any]:
        """The header's part in decoding one frame, as pydicom's decoders take it."""
        header = self.header
        return {
            "transfer_syntax_uid": self.transfer_syntax,
            "rows": self.rows,
            "columns": self.columns,
            "samples_per_pixel": self.samples,
            "bits_allocated": self.bits_allocated,
            "bits_stored": self.bits_stored,
            "number_of_frames": 1,
            "photometric_interpretation": str(header.get("PhotometricInterpretation") or "MONOCHROME2"),
            "pixel_representation": int(header.get("PixelRepresentation") or 0),
            "planar_configuration": int(header.get("PlanarConfiguration") or 0),
            "pixel_keyword": self.keyword,
            "pixel_vr": self.pixel_vr,
        }


def _transfer_syntax(file: BinaryIO) -> UID:
    """Read the file meta information; the file then stands at the data set."""
    try:
        read_preamble(file, force=False)
    except InvalidDicomError:
        raise NotShownError(say("This is not a DICOM file.")) from None
    meta = read_dataset(file, False, True, stop_when=_after_meta)
    if not meta.get("TransferSyntaxUID"):
        raise DamagedPixelsError(say("The file does not say its transfer syntax."))
    return UID(meta.TransferSyntaxUID)


def _frames(header: Dataset) -> int:
    try:
        return max(1, int(header.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        raise DamagedPixelsError(say("Number of Frames is not a number.")) from None


def _inflated(file: BinaryIO, limit: int) -> BinaryIO:
    """What follows of a deflated data set (PS3.5 A.5), inflated in memory up to `limit` bytes."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflate.decompress(file.read(), limit + 1)
    if len(data) > limit:
        raise TooLargeError(say("The deflated data set is larger than %(limit)s MiB.", limit=limit >> 20))
    return io.BytesIO(data)


def _after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != 2


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group == 0x7FE0 and tag.element in PIXEL_ELEMENTS
