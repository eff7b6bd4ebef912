"""What a plan says: the choices it was made with, its volumes, what is left out or refused, what must be decided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.words import row, say

from .dicomdir import Entry
from .patients import Conflict
from .profiles import ApplicationProfile, Medium
from .sizes import Shape
from .source import Placed

CHECKSUMS = "SHA256.TXT"
NOTES = ("decompress", "mp4", "supplied", "left_out", "refused")
"""What is said about instances: names of a plan's notes."""


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Choices of the one who orders the disc."""

    file_set_id: str = "DISC"  # with several volumes a number is put after it
    file_set_uid: str = ""  # asked for, of the first volume; "": each gets one of ours
    several_patients: bool = False  # asked for: more than one patient on one disc
    decisions: frozenset[str] = frozenset()  # Conflict.decision of what a person decided, see patients.Conflict
    leave_out: tuple[tuple[str, str], ...] = ()  # SOP Instance UID, reason: rejected, damaged, not yet looked at
    refuse_without_record: bool = False  # refuse the disc for a class without directory record; else leave it out
    leave_out_refused: bool = False  # what can't go on the disc is left out, rather than keep it from being made
    same_image: frozenset[str] = frozenset()  # SOP Instance UIDs whose contents differ in their compression only
    undecodable: tuple[tuple[str, str], ...] = ()  # SOP Instance UID, why it can't be decompressed: found by trying
    video: str = "refuse"  # what becomes of video the profile does not take: "refuse" or "mp4"
    no_mp4: str = ""  # why MP4 files can't be made here; "" when they can
    split: bool = True  # several volumes are allowed
    joliet: bool = True  # long names of files that are not DICOM
    icons: bool = False  # a small picture of each image in the directory
    checksums: bool = True  # a list of SHA-256 sums of every file
    content: tuple[tuple[str, int], ...] = ()  # other files on each volume: path on disc, bytes
    content_per_instance: int = 0  # bytes to keep free for each instance (viewer data)
    content_ratio: float = 0.0  # part of the instances' bytes to keep free


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something said about one instance."""

    SOPInstanceUID: str
    reason: str
    proposal: str = ""  # what would do instead
    choice: str = ""  # "mp4": so would the choice of MP4 files for video
    obstacle: str = ""  # of what is refused: a name in obstacles.REFUSALS


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One disc: a file-set of its own."""

    number: int  # from 1
    file_set_id: str
    placed: tuple[Placed, ...]
    entries: tuple[Entry, ...]  # of its DICOMDIR
    size: int  # bytes of the image, folder or archive, with room kept for content
    videos: tuple[Placed, ...] = ()  # MP4 files beside the file-set
    file_set_uid: str = ""  # asked for; "": one is made when it is built

    @property
    def all(self) -> tuple[Placed, ...]:
        """The instances, in the file-set or beside it."""
        return self.placed + self.videos


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be made. Nothing is, while there are conflicts or refusals."""

    profile: ApplicationProfile
    medium: Medium
    options: PlanOptions
    volumes: tuple[Volume, ...] = ()
    decompress: tuple[Note, ...] = ()
    supplied: tuple[Note, ...] = ()  # Type 1 keys written in the directory that no instance has
    mp4: tuple[Note, ...] = ()  # videos that lie beside the file-set as MP4 files, and so are not in it
    left_out: tuple[Note, ...] = ()
    refused: tuple[Note, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    instances: int = field(default=0)

    @property
    def ready(self) -> bool:
        """Whether it may be built."""
        return bool(self.volumes) and not self.refused and not self.conflicts

    def shape(self) -> Shape:
        """What decides the overhead of each volume."""
        return shape_of(self.profile, self.medium, self.options)

    def to_json(self) -> dict[str, Any]:
        """For the page and ``--plan``."""
        return {
            "profile": self.profile.name,
            "medium": self.medium.name,
            "capacity": self.medium.capacity,
            "ready": self.ready,
            "instances": self.instances,
            "volumes": [_volume_json(volume) for volume in self.volumes],
            "conflicts": [_conflict_json(conflict) for conflict in self.conflicts],
            **{name: [_note_json(note) for note in getattr(self, name)] for name in NOTES},
        }


def telling_of_icons(plan: Plan, lost: Collection[str]) -> Plan:
    """The plan, saying of these SOP Instance UIDs that their icon goes when they are decompressed."""
    if not lost:
        return plan
    text = say("its icon (Icon Image Sequence), compressed as well, is left out of it")
    told = (
        replace(note, reason=row((note.reason, text), "; ")) if note.SOPInstanceUID in lost else note
        for note in plan.decompress
    )
    return replace(plan, decompress=tuple(told))


def _volume_json(volume: Volume) -> dict[str, Any]:
    files = [
        {
            "file_id": "/".join(placed.file_id),
            "sop_instance_uid": placed.source.keys.SOPInstanceUID,
            "record_type": placed.source.records.record_type,
            "bytes": placed.size,
            "decompress": placed.decompress,
        }
        for placed in volume.placed
    ]
    videos = [
        {"path": "/".join(placed.file_id), "sop_instance_uid": placed.source.keys.SOPInstanceUID, "bytes": placed.size}
        for placed in volume.videos
    ]
    about = {"volume": volume.number, "file_set_id": volume.file_set_id, "bytes": volume.size}
    return about | {"files": files, "videos": videos}


def _note_json(note: Note) -> dict[str, str]:
    about = {"sop_instance_uid": note.SOPInstanceUID, "reason": note.reason, "proposal": note.proposal}
    return about | ({"choice": note.choice} if note.choice else {})


def _conflict_json(conflict: Conflict) -> dict[str, Any]:
    return {
        "kind": conflict.kind,
        "subject": conflict.subject,
        "message": conflict.message,
        "decision": conflict.decision,
        "sides": [{"text": side.text, "instances": side.instances, "example": side.example} for side in conflict.sides],
    }


def shape_of(profile: ApplicationProfile, medium: Medium, options: PlanOptions, extra: int = 0) -> Shape:
    """The shape of a volume of this profile and medium with the content of the options."""
    lists = ((CHECKSUMS, extra),) if options.checksums else ()
    return Shape(
        form=medium.form,
        joliet=options.joliet and medium.form == "iso",
        udf=profile.udf and medium.form == "iso",
        files=(*options.content, *lists),
    )
