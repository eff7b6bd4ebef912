"""Instances made Explicit VR Little Endian for a disc that allows nothing else: lossless, UIDs unchanged.

Elements are copied as bytes; Pixel Data is decoded frame by frame (in the limited child of ``appliance.pixels``)
or copied with its bytes in order. What was written is decoded once more and compared with what the source decodes to.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from appliance.errors import DamagedError
from appliance.network.file_head import head_of_file
from appliance.pixels import Decoder, PixelError, RawPixels
from appliance.store.files import failpoint, write_scratch
from appliance.studies import elements
from appliance.studies.bounds import check_items
from appliance.words import say

from .inflating import inflated
from .obstacles import UndecodableError
from .profiles import EXPLICIT_LE
from .source import Placed, SourceInstance

_PIXEL_DATA = 0x7FE00010
_PIXELS = {_PIXEL_DATA: "", 0x7FE00008: "OF", 0x7FE00009: "OD"}
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
ICON = 0x00880200
_ALWAYS_LOSSY = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55))
MOST_GROWTH, SMALL = 64, 16 << 20
"""How many times larger than deflated a data set may become besides its pixels, and bytes that are always allowed."""
DAMAGES = (ValueError, KeyError, TypeError, AttributeError, NotImplementedError, RecursionError, struct.error, EOFError)
"""What rewriting a damaged data set raises; the words of such errors may hold its text."""
_DEFER = 1 << 21  # bytes; larger values are read when they are copied
_BLOCK = 1 << 22  # a multiple of every word


def decompressed(placed: Placed, work: Path, decoder: Decoder) -> Placed:
    """Write the instance in Explicit VR Little Endian into `work`; it is placed with its exact size.

    Raises UndecodableError if it can't be decoded, or what was written does not decode to the same values; DamagedError
    if the file is not what was received.
    """
    source, keys = placed.source, placed.source.keys
    failpoint("transcode.data")
    path = work / f"{'-'.join(placed.file_id)}.dcm"
    head = head_of_file(keys.SOPClassUID, keys.SOPInstanceUID, EXPLICIT_LE)
    _check_source(source)
    digest = hashlib.sha256()
    lost_icon = False
    try:
        if UID(keys.TransferSyntaxUID).is_deflated:
            write_scratch(path, chain((head,), _hashed(digest, _inflated(source))))
        else:
            check_items(Path(source.path), source.data_set_offset, keys.NumberOfFrames)
            transcoder = _Transcoder(source, decoder)
            write_scratch(path, chain((head,), _hashed(digest, transcoder.chunks())))
            lost_icon = transcoder.lost_icon
            if transcoder.pixels is not None:
                _compare(decoder.raw(path), transcoder.pixel_sum)
    except (PixelError, DamagedError) as error:
        raise UndecodableError({keys.SOPInstanceUID: str(error)}) from error
    except DAMAGES as error:
        raise UndecodableError({keys.SOPInstanceUID: f"it is damaged ({type(error).__name__})"}) from error
    size = path.stat().st_size - len(head)
    made = replace(source, path=path, data_set_offset=len(head), data_set_size=size, sha256=digest.hexdigest())
    return replace(placed, source=made, size=len(head) + size, decompress=False, lost_icon=lost_icon)


def _hashed(digest: Any, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _inflated(source: SourceInstance) -> Iterator[bytes]:
    """What a deflated instance holds, which is Explicit VR Little Endian already."""
    limit = source.keys.pixel_bytes + MOST_GROWTH * source.data_set_size + SMALL
    return inflated(Path(source.path), source.data_set_offset, limit)


def _compare(again: RawPixels, pixel_sum: str) -> None:
    if _sum(again.frames) != pixel_sum:
        raise DamagedError(say("it does not decode to the same values after it was decompressed"))


def _sum(frames: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame)
    return digest.hexdigest()


class _Transcoder:
    """The data set of one instance, element by element."""

    def __init__(self, source: SourceInstance, decoder: Decoder) -> None:
        self.source = source
        self.syntax = UID(source.keys.TransferSyntaxUID)
        self.pixel_sum = ""  # SHA-256 of all decoded frames, once written
        try:
            self.dataset = dcmread(source.path, force=True, defer_size=_DEFER)
        except Exception as error:  # readers of damaged files raise whatever they like
            raise DamagedError(
                say(
                    "Instance %(sopinstanceuid)s can't be read: %(why)s",
                    sopinstanceuid=source.keys.SOPInstanceUID,
                    why=error,
                )
            ) from error
        has_pixels = any(tag in self.dataset for tag in _PIXELS)
        if not has_pixels and self.syntax.is_encapsulated and source.keys.Rows:
            raise DamagedError(
                say(
                    "Instance %(sopinstanceuid)s is an image, but its pixels can't be found",
                    sopinstanceuid=source.keys.SOPInstanceUID,
                )
            )
        self.pixels = decoder.raw(Path(source.path)) if self.syntax.is_encapsulated and has_pixels else None
        self.lost_icon = self.pixels is not None and has_coded_icon(self.dataset)

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the data set in Explicit VR Little Endian."""
        changed = self._changes()
        tags = {int(tag) for tag in self.dataset.keys()} | changed.keys()  # noqa: SIM118  (iterating reads values)
        for tag in sorted(tags):
            if tag & 0xFFFF == 0 or tag in _OFFSET_TABLES:  # group lengths are no longer true
                continue
            if tag in changed:
                yield changed[tag]
            elif tag in _PIXELS:
                yield from self._pixel_data(tag)
            elif tag != ICON or not self.lost_icon:
                yield self._copied(tag)

    def _changes(self) -> dict[int, bytes]:
        """Elements that say how the pixels lie."""
        pixels = self.pixels
        if pixels is None:
            return {}
        changed = {
            0x00280004: elements.element(0x00280004, "CS", pixels.PhotometricInterpretation.encode("ascii")),
            0x00280100: _word(0x00280100, pixels.BitsAllocated),
            0x00280101: _word(0x00280101, pixels.BitsStored),
            0x00280102: _word(0x00280102, pixels.HighBit),
            0x00280103: _word(0x00280103, pixels.PixelRepresentation),
        }
        if pixels.SamplesPerPixel > 1:
            changed[0x00280006] = _word(0x00280006, pixels.PlanarConfiguration)
        if self.syntax in _ALWAYS_LOSSY:
            changed[0x00282110] = elements.element(0x00282110, "CS", b"01")
        return changed

    def _copied(self, tag: int) -> bytes:
        found: Any = self.dataset.get_item(tag)
        if getattr(found, "is_raw", False) and found.value is None and found.length:
            self.dataset[tag]  # read what was deferred
        signed = elements.value_bytes(self.dataset, 0x00280103, "US")[:1] == b"\1"
        return elements.copied(self.dataset, tag, signed=signed)

    def _pixel_data(self, tag: int) -> Iterator[bytes]:
        if self.pixels is not None:
            yield from self._decoded(tag, self.pixels)
            return
        found: Any = self.dataset.get_item(tag)
        if found.value is not None:
            value = found.value or b""
            pieces: Iterable[bytes] = (value[at : at + _BLOCK] for at in range(0, len(value), _BLOCK))
            length = len(value)
        else:
            length = found.length
            pieces = _read(Path(self.source.path), found.value_tell, length)
        bits = int.from_bytes(elements.value_bytes(self.dataset, 0x00280100, "US")[:2], "little")
        vr = _PIXELS[tag] or (found.VR if found.VR in ("OB", "OW") else "OW")
        yield _long(tag, vr, length + length % 2)
        width = 1 if self.syntax.is_little_endian or vr == "OB" else {"OF": 4, "OD": 8}.get(vr, max(2, bits // 8))
        yield from pieces if width == 1 else (elements.swapped(piece, width) for piece in pieces)
        yield bytes(length % 2)

    def _decoded(self, tag: int, pixels: RawPixels) -> Iterator[bytes]:
        bits = pixels.Rows * pixels.Columns * pixels.SamplesPerPixel * pixels.BitsAllocated
        frame, length = -(-bits // 8), -(-bits * pixels.NumberOfFrames // 8)
        digest = hashlib.sha256()
        yield _long(tag, _PIXELS[tag] or ("OW" if pixels.BitsAllocated > 8 else "OB"), length + length % 2)
        yield from _packed(self._checked(pixels, frame, digest), bits)
        self.pixel_sum = digest.hexdigest()
        yield bytes(length % 2)

    def _checked(self, pixels: RawPixels, frame: int, digest: Any) -> Iterator[bytes]:
        """The frames, each of `frame` bytes. Raises DamagedError if one is not."""
        for number, data in enumerate(pixels.frames, 1):
            if len(data) != frame:
                name = self.source.keys.SOPInstanceUID
                raise DamagedError(
                    say(
                        "Instance %(name)s: frame %(number)s decodes to %(data)s bytes, not %(frame)s",
                        name=name,
                        number=number,
                        data=len(data),
                        frame=frame,
                    )
                )
            digest.update(data)
            yield data


def _packed(frames: Iterable[bytes], bits: int) -> Iterator[bytes]:
    """Frames of `bits` each, one behind the other: single bits go on within a byte (PS3.5 8.1.1)."""
    if bits % 8 == 0:
        yield from frames
        return
    rest: NDArray[np.uint8] = np.zeros(0, np.uint8)
    for frame in frames:
        flags = np.unpackbits(np.frombuffer(frame, np.uint8), count=bits, bitorder="little")
        flags = np.concatenate([rest, flags])
        whole = len(flags) // 8 * 8
        rest = flags[whole:]
        yield np.packbits(flags[:whole], bitorder="little").tobytes()
    yield np.packbits(rest, bitorder="little").tobytes()


def _check_source(source: SourceInstance) -> None:
    """Refuse a file that is not what was received."""
    name = source.keys.SOPInstanceUID
    if not Path(source.path).is_file():
        raise DamagedError(say("Instance %(name)s: its file can't be opened", name=name))
    found = _sum(_read(Path(source.path), source.data_set_offset, source.data_set_size))
    if source.sha256 and found != source.sha256:
        raise DamagedError(
            say("Instance %(name)s: its file is not what was received; fetch the study again", name=name)
        )


def _word(tag: int, value: int) -> bytes:
    return elements.element(tag, "US", value.to_bytes(2, "little"))


def _long(tag: int, vr: str, length: int) -> bytes:
    return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), 0, length)


def _read(path: Path, offset: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while length:
            piece = file.read(min(_BLOCK, length))
            if not piece:
                raise DamagedError(say("%(path)s ends within its pixel data; fetch the study again", path=path.name))
            length -= len(piece)
            yield piece


def has_coded_icon(dataset: Dataset) -> bool:
    """Whether the icon is compressed as well: it can't stay in an uncompressed instance, and nobody misses it."""
    for icon in elements.items(dataset, ICON):
        found: Any = icon.get_item(_PIXEL_DATA)
        if found is not None and bytes(found.value or b"")[:4] == b"\xfe\xff\x00\xe0":
            return True
    return False
