"""What is on one disc, as words and pages need it: patients, studies, series, instances with their places.

:func:`describe` makes it from a planned volume.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from appliance.legible import legible
from appliance.studies.keys import InstanceKeys

from .plan import Plan, Volume
from .source import Placed
from .video import Mp4


@dataclass(frozen=True, kw_only=True)
class Site:
    """Who made the disc."""

    institution: str = ""
    department: str = ""
    address: str = ""  # may have several lines
    phone: str = ""
    email: str = ""
    web: str = ""
    contact: str = ""  # whom to call when the disc can't be read
    logo: Path | None = None  # PNG or JPEG


@dataclass(frozen=True, kw_only=True)
class Item:
    """One instance on the disc."""

    keys: InstanceKeys
    path: Path  # where it lies now
    file_id: tuple[str, ...]  # its place on the disc; () for one that is not in the file-set
    video: Mp4 | None = None  # beside the file-set, in its place


@dataclass(frozen=True, kw_only=True)
class VolumeDescription:
    """One disc."""

    items: tuple[Item, ...]  # in the order of patients, studies, series, instances
    site: Site = field(default_factory=Site)
    number: int = 1
    count: int = 1
    file_set_id: str = ""
    profile: str = "STD-GEN-CD"
    created: date = date(1970, 1, 1)
    serial: str = ""  # of this order, as on the label
    incomplete: str = ""  # why something is missing, as the clerk said; "" when nothing is
    supplied: tuple[str, ...] = ()  # directory keys no image had, one line each
    left_out: tuple[str, ...] = ()  # what is not on the disc and why, one line each
    videos: tuple[str, ...] = ()  # MP4 files and what they were, one line each
    anonymous: bool = False
    dates: str = "remove"  # what became of dates in anonymous copies: remove, shift, keep
    label_text: str = ""  # a line for the label, by the one who ordered
    label_rest: tuple[str, ...] = ()  # what had no place on the label

    @property
    def patients(self) -> tuple[Patient, ...]:
        """The items as a tree."""
        return _tree(self.items)


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series and its instances on this disc."""

    keys: InstanceKeys  # of its first instance
    items: tuple[Item, ...]
    number: int  # on this disc, from 1


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study."""

    keys: InstanceKeys
    series: tuple[Series, ...]

    @property
    def modalities(self) -> str:
        return ", ".join(sorted({one.keys.Modality for one in self.series if one.keys.Modality}))

    @property
    def instances(self) -> int:
        return sum(len(one.items) for one in self.series)


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient."""

    keys: InstanceKeys
    studies: tuple[Study, ...]


def _tree(items: Iterable[Item]) -> tuple[Patient, ...]:
    patients: dict[str, dict[str, dict[str, list[Item]]]] = {}
    for item in items:
        keys = item.keys
        studies = patients.setdefault(keys.PatientID or keys.PatientName, {})
        studies.setdefault(keys.StudyInstanceUID, {}).setdefault(keys.SeriesInstanceUID, []).append(item)
    number = iter(range(1, len(tuple(items)) + 1))
    return tuple(
        _patient([_study([_series(found, next(number)) for found in series.values()]) for series in studies.values()])
        for studies in patients.values()
    )


def _series(items: list[Item], number: int) -> Series:
    return Series(keys=items[0].keys, items=tuple(items), number=number)


def _study(series: list[Series]) -> Study:
    return Study(keys=series[0].keys, series=tuple(series))


def _patient(studies: list[Study]) -> Patient:
    return Patient(keys=studies[0].keys, studies=tuple(studies))


def describe(
    plan: Plan,
    volume: Volume,
    *,
    site: Site,
    created: date,
    incomplete: str = "",
    serial: str = "",
    anonymous: bool = False,
    videos: Mapping[str, Mp4] | None = None,
) -> VolumeDescription:
    """A planned volume as pages and labels need it; `videos` are its MP4 files by SOP Instance UID."""
    here = {placed.source.keys.SOPInstanceUID for placed in volume.placed}
    supplied = [f"{note.reason} ({note.SOPInstanceUID})" for note in plan.supplied if note.SOPInstanceUID in here]
    items = [_item(placed) for placed in volume.placed]
    beside = [_item(placed, (videos or {}).get(placed.source.keys.SOPInstanceUID)) for placed in volume.videos]
    return VolumeDescription(
        items=(*items, *beside),
        site=site,
        number=volume.number,
        count=len(plan.volumes),
        file_set_id=volume.file_set_id,
        profile=plan.profile.name,
        created=created,
        serial=serial,
        incomplete=incomplete,
        supplied=tuple(supplied),
        left_out=tuple(f"{note.SOPInstanceUID}: {note.reason}" for note in plan.left_out),
        videos=tuple(_told(item) for item in beside),
        anonymous=anonymous,
    )


def _item(placed: Placed, video: Mp4 | None = None) -> Item:
    file_id = () if placed.mp4 else placed.file_id
    return Item(keys=placed.source.keys, path=Path(placed.source.path), file_id=file_id, video=video)


def _told(item: Item) -> str:
    """One line of an MP4 file."""
    keys, video = item.keys, item.video
    assert video is not None
    name = " ".join(part for part in (keys.Modality, keys.SeriesNumber, keys.SeriesDescription) if part)
    return f"{video.path}: {line(name)}; {keys.SOPInstanceUID}" + (f" ({video.note})" if video.note else "")


def line(text: object) -> str:
    """Any text as one line."""
    return " ".join(legible(str(text)).split())


def person(name: str) -> str:
    """A Person Name (PS3.5 6.2.1) for people: "Family, Given Middle", its other script in brackets."""
    groups = [_name_group(group) for group in line(name).split("=")]
    shown = [group for group in groups[:2] if group]
    if not shown:
        return next((group for group in groups if group), "")
    return shown[0] if len(shown) == 1 else f"{shown[0]} ({shown[1]})"


def _name_group(group: str) -> str:
    family, *rest = (part.strip() for part in [*group.split("^"), "", ""])
    given, middle, prefix, suffix = (*rest, "", "", "", "")[:4]
    name = ", ".join(part for part in (family, " ".join(p for p in (given, middle) if p)) if part)
    return " ".join(part for part in (prefix, name, suffix) if part)


def day(value: str) -> str:
    """A DA as 2026-11-21, which nobody misreads; anything else as it is."""
    value = line(value)
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) == 8 and value.isdigit() else value


def clock(value: str) -> str:
    """A TM as 14:05."""
    value = line(value)
    return f"{value[:2]}:{value[2:4]}" if value[:4].isdigit() and len(value) >= 4 else ""
