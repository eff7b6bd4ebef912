"""UDF (ECMA-167, UDF 1.02 to 2.01): the other view of a bridge disc, showing the same files, or all of a DVD."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from appliance.words import say

from .finding import Findings
from .iso9660 import SECTOR, File, Image

_ANCHOR_AT = 256
_PRIMARY, _ANCHOR, _PARTITION, _LOGICAL, _TERMINATOR = 1, 2, 5, 6, 8
_FILE_SET, _NAME, _ENTRY, _EXTENDED_ENTRY = 256, 257, 261, 266
_DIRECTORY = 4  # file type in an ICB tag (ECMA-167 4/14.6.6)
_MOST = 2_000_000


class UdfError(Exception):
    """The UDF view can't be followed."""


class _Place(NamedTuple):
    offset: int
    size: int


def has_udf(whole: memoryview) -> bool:
    """Whether the volume recognition sequence announces UDF (ECMA-167 3/9)."""
    return any(bytes(whole[at * SECTOR + 1 : at * SECTOR + 6]) in (b"NSR02", b"NSR03") for at in range(16, 32))


def is_alone(whole: memoryview) -> bool:
    """Whether UDF begins where ISO 9660 would; of a bridge disc whose first descriptor is lost it does not."""
    return has_udf(whole) and bytes(whole[16 * SECTOR + 1 : 16 * SECTOR + 6]) == b"BEA01"


def read_alone(whole: memoryview, findings: Findings) -> Image:
    """The files of a disc that has no ISO 9660 volume."""
    text = say("it is a UDF volume without ISO 9660: allowed on a DVD (PS3.12 Annex P), not on a CD")
    findings.warning("no-iso9660", "", text)
    image = Image(size=len(whole))
    try:
        reader = _Reader(whole)
        image.volume_id = reader.volume_id
        for path, place in reader.files():
            if place.offset + place.size > len(whole):
                text = say("the file lies beyond the end of the image: the image is cut short")
                findings.error("file-outside", path, text)
            else:
                image.files.append(File(path, *place))
    except (UdfError, struct.error, UnicodeDecodeError) as error:
        findings.error("udf", "", say("the UDF view can't be read: %(why)s", why=error))
    return image


def compare(whole: memoryview, image: Image, findings: Findings) -> None:
    """Every file of the ISO view must be in the UDF view, under its name and in its place, and no other."""
    try:
        reader = _Reader(whole)
        found = dict(reader.files())
    except (UdfError, struct.error, UnicodeDecodeError) as error:
        findings.error("udf", "", say("the UDF view can't be read: %(why)s", why=error))
        return
    if reader.volume_id != image.volume_id:
        text = say(
            "the UDF volume is called %(volume_id)s, the ISO 9660 one %(volume_id_2)s",
            volume_id=repr(reader.volume_id),
            volume_id_2=repr(image.volume_id),
        )
        findings.warning("volume-identifier", "", text)
    by_place = {place: path for path, place in found.items() if place.size}
    for file in image.files:
        names = {file.path, file.long_path} - {""}
        name = (
            by_place.pop(_Place(file.offset, file.size), None) if file.size else next(iter(names & found.keys()), None)
        )
        if name is None:
            findings.error("udf", file.path, say("the UDF view does not show this file, or shows other bytes"))
        elif file.path.startswith("DICOM") and name != file.path:
            findings.error("udf", file.path, say("the UDF view calls it %(name)s", name=name))
    for path in by_place.values():
        findings.error("udf", path, say("only the UDF view shows this file"))


class _Reader:
    """Follows the descriptors from the anchor to the files."""

    def __init__(self, whole: memoryview) -> None:
        self.whole = whole
        self.start = 0  # of the partition, in sectors
        self.volume_id = ""
        self.file_set = 0
        anchor = self._descriptor(_ANCHOR_AT, _ANCHOR)
        length, first = struct.unpack_from("<LL", anchor, 16)
        for sector in range(first, first + length // SECTOR):
            if not self._take(self._sector(sector)):
                break

    def _sector(self, number: int) -> bytes:
        data = bytes(self.whole[number * SECTOR : (number + 1) * SECTOR])
        if len(data) < SECTOR:
            raise UdfError(say("sector %(number)s is beyond the end", number=number))
        return data

    def _entry(self, block: int) -> bytes:
        return self._descriptor(self.start + block, _ENTRY, _EXTENDED_ENTRY)

    def _descriptor(self, sector: int, kind: int, other: int = 0) -> bytes:
        data = self._sector(sector)
        found, total = struct.unpack_from("<H", data)[0], sum(data[:4]) + sum(data[5:16])
        if found not in (kind, other) or data[4] != total % 256:
            raise UdfError(say("sector %(sector)s holds no descriptor of kind %(kind)s", sector=sector, kind=kind))
        return data

    def _take(self, data: bytes) -> bool:
        """Note what a descriptor of the volume sequence says; False at its end."""
        kind = struct.unpack_from("<H", data)[0]
        if kind == _PRIMARY:
            self.volume_id = _string(data[24:56])
        elif kind == _PARTITION:
            self.start = struct.unpack_from("<L", data, 188)[0]
        elif kind == _LOGICAL:
            self.file_set = struct.unpack_from("<L", data, 252)[0]
        return kind not in (_TERMINATOR, 0)

    def files(self) -> Iterator[tuple[str, _Place]]:
        """(path, place) of every file."""
        file_set = self._descriptor(self.start + self.file_set, _FILE_SET)
        folders = [("", struct.unpack_from("<L", file_set, 404)[0])]
        seen: set[int] = set()
        while folders:
            parent, block = folders.pop()
            if block in seen or len(seen) > _MOST:
                raise UdfError(say("the folder %(parent)s contains itself", parent=repr(parent)))
            seen.add(block)
            for name, entry_block in self._names(block):
                path = f"{parent}/{name}" if parent else name
                if self._entry(entry_block)[27] == _DIRECTORY:
                    folders.append((path, entry_block))
                else:
                    yield path, self._place(entry_block)

    def _names(self, block: int) -> Iterator[tuple[str, int]]:
        """(name, block of its entry) of all in a folder (ECMA-167 4/14.4)."""
        place = self._place(block)
        data, position = bytes(self.whole[place.offset : place.offset + place.size]), 0
        while position + 38 <= len(data):
            kind, traits, length = *struct.unpack_from("<H", data, position), data[position + 18], data[position + 19]
            if kind != _NAME:
                raise UdfError(say("a folder holds a descriptor of kind %(kind)s", kind=kind))
            entry_block, use = (
                struct.unpack_from("<L", data, position + 24)[0],
                struct.unpack_from("<H", data, position + 36)[0],
            )
            name = data[position + 38 + use : position + 38 + use + length]
            if not traits & 0b1100:  # neither deleted nor the parent
                yield _name(name), entry_block
            position += -(-(38 + use + length) // 4) * 4

    def _place(self, block: int) -> _Place:
        """Where the bytes of a file entry lie; they have to be in one piece (ECMA-167 4/14.9, 4/14.17)."""
        entry = self._entry(block)
        kind, size = struct.unpack_from("<H", entry, 34)[0] & 7, struct.unpack_from("<Q", entry, 56)[0]
        head = 216 if struct.unpack_from("<H", entry)[0] == _EXTENDED_ENTRY else 176
        attributes, length = struct.unpack_from("<LL", entry, head - 8)
        if kind == 3:  # small ones lie inside their entry
            return _Place((self.start + block) * SECTOR + head + attributes, size)
        width = {0: 8, 1: 16}.get(kind)
        if width is None:
            raise UdfError(say("a file's bytes are described in a way UDF does not know"))
        pieces = [struct.unpack_from("<LL", entry, head + attributes + at) for at in range(0, length, width)]
        first = (self.start + pieces[0][1]) * SECTOR if pieces else 0
        expected = first
        for extent, at in pieces:
            if (self.start + at) * SECTOR != expected:
                raise UdfError(say("a file is in several pieces"))
            expected += (extent & 0x3FFFFFFF) // SECTOR * SECTOR
        return _Place(first, size)


def _name(data: bytes) -> str:
    """OSTA compressed Unicode (UDF 2.1.1): one or two bytes a character after the first byte."""
    return data[1:].decode("utf-16-be" if data[:1] == b"\x10" else "latin-1")


def _string(data: bytes) -> str:
    """A dstring: its length is in the last byte."""
    return _name(data[: data[-1]]) if data[-1] else ""
