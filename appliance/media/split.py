"""Which instances go on which volume: whole studies, else whole series, else instances; never inside one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from . import video
from .file_id import file_id
from .icon_element import ICON_BYTES
from .sizes import MAXIMUM_INSTANCES, SECTOR, Shape
from .source import Placed

_PATH = len("DICOM/D0000000/I0000000")
_RECORD_HEAD = 220  # at most: item, offsets, type, File ID and UIDs of a record besides its class and instance UIDs
CHECKSUM_LINE = 64 + 2 + 1  # of a list, besides the path
_PARENTS = 1200  # at most: PATIENT, STUDY and SERIES records that a new series brings, besides their bodies
_OTHER_ID = 176  # at most: another ID of a patient whom a person called the same
_DICOMDIR_HEAD = 600
_FOLDER_OF_VIDEOS = 8 * SECTOR  # at most: the folders of MP4 files, in each view


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a volume can hold."""

    shape: Shape
    capacity: int | None  # bytes; None: no limit
    per_instance: int = 0  # bytes to keep free for each instance
    ratio: float = 0.0  # part of the instances' bytes to keep free
    checksums: bool = False
    icons: bool = False  # each image's record has one


@dataclass
class Part:
    """A volume while it is filled."""

    room: Room
    placed: list[Placed] = field(default_factory=list)
    space: int = 0  # of the instances, on the medium
    bytes: int = 0  # of the instances
    dicomdir: int = _DICOMDIR_HEAD

    @property
    def size(self) -> int:
        """Bytes of the volume as it stands."""
        return self.size_with(_Load())

    def size_with(self, load: _Load) -> int:
        """Bytes of the volume with `load` besides."""
        room, count = self.room, len(self.placed) + load.count
        size = room.shape.size(count, self.space + load.space, self.dicomdir + load.dicomdir)
        if room.checksums:
            size += room.shape.space(count * (CHECKSUM_LINE + _PATH) + 4096)
        return size + count * room.per_instance + int((self.bytes + load.bytes) * room.ratio)

    def takes(self, load: _Load) -> bool:
        """Whether `load` fits as well."""
        if len(self.placed) + load.count > MAXIMUM_INSTANCES:
            return False
        return self.room.capacity is None or self.size_with(load) <= self.room.capacity

    def add(self, group: Sequence[Placed], load: _Load) -> None:
        """Take a group whose load was found to fit."""
        self.placed.extend(group)
        self.space += load.space
        self.bytes += load.bytes
        self.dicomdir += load.dicomdir


@dataclass(frozen=True, kw_only=True)
class _Load:
    """What a group of instances adds to a volume."""

    count: int = 0
    space: int = 0
    bytes: int = 0
    dicomdir: int = 0


def volumes(ordered: Sequence[Placed], room: Room) -> tuple[list[Part], list[Placed]]:
    """Volumes in order, and instances that no volume can hold. A study goes to the first volume it fits on."""
    parts: list[Part] = []
    oversized: list[Placed] = []
    for study in _groups(ordered, _study):
        if _put(study, parts, room):
            continue
        for series in _groups(study, _series):
            if not _put(series, parts, room):
                oversized += [each for each in series if not _put([each], parts, room)]
    return parts, oversized


def _put(group: list[Placed], parts: list[Part], room: Room) -> bool:
    load = _load(group, room)
    for part in parts:
        if part.takes(load):
            part.add(group, load)
            return True
    fresh = Part(room)
    if not fresh.takes(load):
        return False
    fresh.add(group, load)
    parts.append(fresh)
    return True


def _load(group: Sequence[Placed], room: Room) -> _Load:
    shape, icon = room.shape, ICON_BYTES if room.icons else 0
    series = {each.source.keys.SeriesInstanceUID: each.source.records for each in group}
    above = sum(_PARENTS + len(each.patient) + len(each.study) + len(each.series) for each in series.values())
    above += _OTHER_ID * (len({each.source.keys.PatientID for each in group}) - 1)
    return _Load(
        count=len(group),
        space=sum(shape.space(each.size) + _FOLDER_OF_VIDEOS * each.mp4 for each in group),
        bytes=sum(each.size for each in group),
        dicomdir=above + sum(_RECORD_HEAD + len(each.source.records.instance) + 64 + icon for each in group),
    )


def _groups(ordered: Sequence[Placed], of: Callable[[Placed], str]) -> Iterator[list[Placed]]:
    for _, group in groupby(ordered, of):
        yield list(group)


def _study(placed: Placed) -> str:
    return placed.source.keys.StudyInstanceUID


def _series(placed: Placed) -> str:
    return placed.source.keys.SeriesInstanceUID


def named(placed: Sequence[Placed]) -> tuple[Placed, ...]:
    """The same instances with their File IDs."""
    return tuple(replace(each, file_id=file_id(index, len(placed))) for index, each in enumerate(placed))


def videos_named(placed: Sequence[Placed]) -> tuple[Placed, ...]:
    """The same videos with the places of their MP4 files."""
    return tuple(replace(each, file_id=video.place_of(index)) for index, each in enumerate(placed))
