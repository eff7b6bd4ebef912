"""ISO 9660 (ECMA-119) read from the bytes of an image, with the Joliet view if there is one."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from appliance.words import say

from .finding import NOTE, Findings

SECTOR = 2048
_LEVEL_1 = re.compile(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{0,3})?;1")
_FOLDER = re.compile(r"[A-Z0-9_]{1,8}")
_PRIMARY = b"\1CD001"
_MOST_RECORDS = 2_000_000


@dataclass(frozen=True)
class File:
    """A file of the volume."""

    path: str  # without version, and without the dot of an empty extension
    offset: int  # bytes from the start of the image
    size: int
    long_path: str = ""


@dataclass
class Image:
    """What the descriptors and folders say."""

    volume_id: str = ""
    size: int = 0  # bytes of the volume, and of the sessions before it
    session: int = 0  # sector at which the last session begins
    files: list[File] = field(default_factory=list)


def read_image(whole: memoryview, findings: Findings, session: int = 0) -> Image:
    """Read the primary view of the session that begins at a sector; everything odd is a finding."""
    image = Image(size=len(whole), session=session)
    if image.session:
        text = say("the disc has several sessions; what is checked is the last, as systems do")
        findings.add(NOTE, "sessions", "", text)
    primary = supplementary = None
    for sector in range(image.session + 16, image.session + 64):
        descriptor = bytes(whole[sector * SECTOR : (sector + 1) * SECTOR])
        if len(descriptor) < SECTOR or descriptor[1:6] != b"CD001" or descriptor[0] == 255:
            break
        if descriptor[0] == 1:
            primary = primary or descriptor
        elif descriptor[0] == 2 and descriptor[88:91] in (b"%/@", b"%/C", b"%/E"):
            supplementary = descriptor
    if primary is None:
        findings.error("no-iso9660", "", say("there is no ISO 9660 volume: the image is damaged, or is something else"))
        return image
    _read_descriptor(primary, whole, image, findings)
    joliet = _joliet_names(whole, supplementary, findings)
    for path, offset, size in _Walk(whole, findings, image.size).files(primary[156:190]):
        image.files.append(File(path, offset, size, joliet.get((offset, size), "")))
    _check_overlaps(image.files, findings)
    return image


def last_session(whole: memoryview) -> int:
    """The sector at which the last session begins: its descriptors lie behind the end of the volume before it."""
    start = 0
    while len(descriptor := whole[(start + 16) * SECTOR : (start + 17) * SECTOR]) == SECTOR:
        end = _end(descriptor, start)
        places = range(max(end, start + 17) * SECTOR, len(whole), SECTOR)
        found = next((at for at in places if whole[at : at + 6] == _PRIMARY), None)
        if found is None or not end:
            break
        start = found // SECTOR - 16
    return start


def _end(descriptor: bytes | memoryview, start: int) -> int:
    """The sector behind a session's volume; some count from the session's beginning, some from the disc's."""
    blocks = _both(bytes(descriptor), 80, 4) or 0
    return blocks if blocks > start else start + blocks


def _read_descriptor(primary: bytes, whole: memoryview, image: Image, findings: Findings) -> None:
    system = primary[8:40]
    if system.strip(b" ") and system.strip(b" ") != b"CD-RTOS CD-BRIDGE":
        text = say(
            "the System Identifier is %(system)s; it has to be blank (PS3.12 F.2.2.1)", system=repr(_text(system))
        )
        findings.error("system-identifier", "", text)
    image.volume_id = _text(primary[40:72])
    blocks, block = _both(primary, 80, 4), _both(primary, 128, 2)
    if block != SECTOR:
        findings.error(
            "block-size",
            "",
            say("the logical block size is %(block)s, not %(sector)s", block=block, sector=SECTOR),
        )
    if blocks is None:
        findings.error("volume-size", "", say("the volume's size is written differently in its two byte orders"))
        return
    image.size = _end(primary, image.session) * SECTOR
    if image.size > len(whole):
        text = say(
            "the image is cut short: %(whole)s bytes of %(size)s", whole=f"{len(whole):,}", size=f"{image.size:,}"
        )
        findings.error("image-cut", "", text)
        image.size = len(whole)


def _both(data: bytes, at: int, width: int) -> int | None:
    """A number written in both byte orders; None if they differ."""
    little, big = (
        int.from_bytes(data[at : at + width], "little"),
        int.from_bytes(data[at + width : at + 2 * width], "big"),
    )
    return little if little == big else None


def _text(data: bytes) -> str:
    return data.rstrip(b" \0").decode("ascii", "replace")


def _joliet_names(whole: memoryview, descriptor: bytes | None, findings: Findings) -> dict[tuple[int, int], str]:
    if descriptor is None:
        return {}
    walk = _Walk(whole, findings, len(whole), wide=True)
    return {(offset, size): path for path, offset, size in walk.files(descriptor[156:190])}


def _check_overlaps(files: list[File], findings: Findings) -> None:
    """Files that share some of their bytes are damage; two names of one whole file are not (PS3.10 8.2)."""
    last = None
    for file in sorted((file for file in files if file.size), key=lambda file: (file.offset, file.size)):
        if last is not None and (file.offset, file.size) == (last.offset, last.size):
            continue
        if last is not None and file.offset < last.offset + last.size:
            findings.error("overlap", file.path, say("its bytes overlap those of %(path)s", path=last.path))
        last = file


class _Walk:
    """Goes through the folders of one view."""

    def __init__(self, whole: memoryview, findings: Findings, size: int, wide: bool = False) -> None:
        self.whole, self.findings, self.size, self.wide = whole, findings, size, wide
        self.seen: set[int] = set()

    def files(self, root: bytes) -> list[tuple[str, int, int]]:
        """(path, offset, size) of every file."""
        found: list[tuple[str, int, int]] = []
        folders = [("", 1, root)]
        while folders:
            parent, depth, record = folders.pop()
            names: set[str] = set()
            for inner in self._records(parent, record):
                name = self._name(parent, inner)
                path = f"{parent}/{name}" if parent else name
                if name.upper() in names:
                    self.findings.error("name-twice", path, say("two entries of one folder have this name"))
                names.add(name.upper())
                if inner[25] & 2:
                    self._depth(path, depth)
                    folders.append((path, depth + 1, inner))
                elif self._fits(path, inner):
                    found.append((path, *self._place(inner)))
        return found

    def _depth(self, path: str, depth: int) -> None:
        if depth >= 8 and not self.wide:
            self.findings.error("too-deep", path, say("folders are nested more than 8 levels deep (ECMA-119 6.8.2.1)"))

    def _records(self, path: str, folder: bytes) -> list[bytes]:
        """Directory records of a folder, without itself and its parent."""
        offset, size = self._place(folder)
        if offset in self.seen or len(self.seen) > _MOST_RECORDS:
            self.findings.error("folder-loop", path, say("the folder contains itself"))
            return []
        self.seen.add(offset)
        if offset + size > len(self.whole):
            self.findings.error("folder-outside", path, say("the folder lies beyond the end of the image"))
            return []
        found, position, data = [], 0, bytes(self.whole[offset : offset + size])
        if data[32:34] != b"\1\0":  # the first entry is the folder itself
            self.findings.error("folder-damaged", path or "/", say("the folder has a malformed entry"))
        while position < size:
            length = data[position]
            if not length:
                position = (position // SECTOR + 1) * SECTOR
                continue
            record = data[position : position + length]
            if length < 34 or len(record) < length or 33 + record[32] > length:
                self.findings.error("folder-damaged", path or "/", say("the folder has a malformed entry"))
                break
            if record[33 : 33 + record[32]] not in (b"\0", b"\1"):
                found.append(record)
            position += length
        return found

    def _place(self, record: bytes) -> tuple[int, int]:
        block, size = struct.unpack_from("<L", record, 2)[0], struct.unpack_from("<L", record, 10)[0]
        return block * SECTOR, size

    def _name(self, parent: str, record: bytes) -> str:
        raw = record[33 : 33 + record[32]]
        if self.wide:
            return raw.decode("utf-16-be", "replace").partition(";")[0]
        name = raw.decode("ascii", "replace")
        where = f"{parent}/{name}" if parent else name
        if record[25] & 2:
            if not _FOLDER.fullmatch(name):
                self.findings.error("folder-name", where, say("the folder's name is not 1 to 8 of A-Z, 0-9 and _"))
            return name
        if not _LEVEL_1.fullmatch(name):
            self.findings.error(
                "file-name", where, say("the name is not 8.3 of A-Z, 0-9 and _ with version 1 (ISO 9660 level 1)")
            )
        return name.partition(";")[0].removesuffix(".")

    def _fits(self, path: str, record: bytes) -> bool:
        offset, size = self._place(record)
        if self.wide:
            return True
        if record[25] & 0x80:
            self.findings.error("multi-extent", path, say("the file is in several pieces; level 1 knows one"))
        if record[25] & 1:
            self.findings.warning("hidden", path, say("the file is marked hidden"))
        if record[1]:
            self.findings.error(
                "extended-attributes", path, say("the file has an extended attribute record (PS3.12 F.2)")
            )
        if _both(record, 2, 4) is None or _both(record, 10, 4) is None:
            self.findings.error("file-entry", path, say("place or size is written differently in its two byte orders"))
        if offset + size > self.size:
            self.findings.error(
                "file-outside", path, say("the file lies beyond the end of the image: the image is cut short")
            )
            return False
        return True
