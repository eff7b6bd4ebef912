"""The plan of a disc, before a byte is written: a pure function from instances, profile and medium to volumes.

It says what goes where under which name, how large each volume becomes, what must be decompressed, which directory
keys had to be supplied, what is left out or refused and why, and what must be decided by a person first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from appliance.errors import UsageError
from appliance.studies.storage_classes import UNCOMPRESSED
from appliance.words import say

from . import patients, split
from .admission import Admission, in_root
from .dicomdir import DicomDir
from .file_id import is_file_set_id
from .patients import Conflict, Side
from .planned import CHECKSUMS, Note, Plan, PlanOptions, Volume, shape_of
from .profiles import ApplicationProfile, Medium
from .source import Placed, SourceInstance
from .tree import Supplied, entries_of

__all__ = ["CHECKSUMS", "UID_LENGTH", "Note", "Plan", "PlanOptions", "Volume", "plan", "shape_of", "size_of"]

UID_LENGTH = 44  # of the File-set UIDs we make: the size of a DICOMDIR depends on it


def plan(
    instances: Iterable[SourceInstance],
    profile: ApplicationProfile,
    medium: Medium,
    options: PlanOptions | None = None,
) -> Plan:
    """Plan the discs. Raises UsageError if the profile has nothing to do with the medium."""
    options = options or PlanOptions()
    if medium.kind not in profile.kinds:
        raise UsageError(
            say(
                "%(profile)s is for %(kinds)s, not for %(title)s",
                profile=profile.name,
                kinds=" or ".join(profile.kinds),
                title=medium.title,
            ),
            field="medium",
        )
    if not is_file_set_id(options.file_set_id):
        raise UsageError(
            say(
                "A File-set ID has 1 to 16 of A-Z, 0-9 and _: not %(file_set_id)s",
                file_set_id=repr(options.file_set_id),
            ),
            field="file_set_id",
        )
    admitted = Admission(profile, medium, options)
    admitted.take(instances)
    conflicts = _conflicts(admitted)
    _file_studies_once(admitted)
    _refuse_series_of_two_studies(admitted)
    volumes = _volumes(admitted, _sorted(list(admitted.placed.values())))
    return Plan(
        profile=profile,
        medium=medium,
        options=options,
        volumes=volumes,
        conflicts=tuple(conflicts),
        instances=sum(not placed.mp4 for placed in admitted.placed.values()),
        **{name: tuple(notes) for name, notes in admitted.notes.items()},
    )


def _conflicts(admitted: Admission) -> list[Conflict]:
    keys = [placed.source.keys for placed in admitted.placed.values() if not in_root(placed.source)]
    found = [*patients.patient_conflicts(keys), *patients.study_conflicts(keys), *_two_contents(admitted)]
    if not admitted.options.several_patients:
        found += patients.several_patients(keys)
    return [conflict for conflict in found if conflict.decision not in admitted.options.decisions]


def _two_contents(admitted: Admission) -> list[Conflict]:
    """One UID with two byte contents; a decision ``instance:UID=SHA256`` says which one goes."""
    found = []
    for uid, sources in admitted.twice.items():
        chosen = [each for each in sources if f"instance:{uid}={each.sha256}" in admitted.options.decisions]
        if chosen:
            placed = admitted.place(chosen[0])
            admitted.placed[uid] = placed or admitted.placed[uid]
            continue
        if uid in admitted.options.same_image:
            _keep_one(admitted, uid, sources)
            continue
        sides = tuple(
            Side(text=f"{each.sha256}, {each.data_set_size:,} bytes", instances=1, example=uid) for each in sources
        )
        message = say("Instance %(uid)s is there with %(sources)s different contents", uid=uid, sources=len(sources))
        found.append(Conflict(kind="instance", subject=uid, sides=sides, message=message))
    return found


def _keep_one(admitted: Admission, uid: str, sources: Sequence[SourceInstance]) -> None:
    """Of one image in several compressions: one that may stay as it is, else the first."""
    fits = [each for each in sources if admitted.profile.allows(each.keys.TransferSyntaxUID)]
    kept = (fits or sources)[0]
    for name in ("decompress", "mp4"):
        admitted.notes[name] = [note for note in admitted.notes[name] if note.SOPInstanceUID != uid]
    admitted.placed[uid] = admitted.place(kept) or admitted.placed[uid]
    syntax = kept.keys.TransferSyntaxUID
    if all(each.keys.TransferSyntaxUID in UNCOMPRESSED for each in sources):
        admitted.note("left_out", uid, say("it is there twice, the same in another encoding; one is kept"))
        return
    admitted.note(
        "left_out",
        uid,
        say("it is there twice, the same image in another compression; %(syntax)s is kept", syntax=syntax),
    )


def _file_studies_once(admitted: Admission) -> None:
    """Where a person decided that two Patient IDs of one study are one patient, the first one given counts.

    One made up for an instance without counts only where no other has any: its record would bear the other's ID,
    as the record of the other does.
    """
    owners: dict[str, str] = {}
    filed = {uid: placed for uid, placed in admitted.placed.items() if not in_root(placed.source)}
    for placed in sorted(filed.values(), key=lambda each: not patients.has_id(each.source.keys)):
        owners.setdefault(placed.source.keys.StudyInstanceUID, placed.patient_id)
    for uid, placed in filed.items():
        owner = owners[placed.source.keys.StudyInstanceUID]
        if owner != placed.patient_id:
            admitted.placed[uid] = replace(placed, patient_id=owner)


def _refuse_series_of_two_studies(admitted: Admission) -> None:
    studies: dict[str, str] = {}
    for uid, placed in list(admitted.placed.items()):
        series, study = placed.source.keys.SeriesInstanceUID, placed.source.keys.StudyInstanceUID
        if studies.setdefault(series, study) != study and not in_root(placed.source):
            reason = say(
                "its series %(series)s is in two studies, %(study)s and %(studies)s; leave one of them out",
                series=series,
                study=study,
                studies=studies[series],
            )
            admitted.refuse("", uid, reason)
            del admitted.placed[uid]


def _volumes(admitted: Admission, ordered: Sequence[Placed]) -> tuple[Volume, ...]:
    room = split.Room(
        shape=shape_of(admitted.profile, admitted.medium, admitted.options),
        capacity=admitted.medium.capacity,
        per_instance=admitted.options.content_per_instance,
        ratio=admitted.options.content_ratio,
        checksums=admitted.options.checksums,
        icons=admitted.options.icons,
    )
    parts, oversized = split.volumes(ordered, room)
    for placed in oversized:
        uid = placed.source.keys.SOPInstanceUID
        admitted.refuse(
            "size",
            uid,
            say(
                "it has %(size)s bytes and, with all else that a disc bears, does not fit on one %(title)s",
                size=f"{placed.size:,}",
                title=admitted.medium.title,
            ),
        )
    if len(parts) > 1 and not admitted.options.split:
        admitted.refuse("splitting", "", say("it takes %(parts)s discs and splitting is not allowed", parts=len(parts)))
    return tuple(_volume(admitted, number, len(parts), part) for number, part in enumerate(parts, 1))


def _volume(admitted: Admission, number: int, count: int, part: split.Part) -> Volume:
    placed = split.named([each for each in part.placed if not each.mp4])
    videos = split.videos_named([each for each in part.placed if each.mp4])
    name = admitted.options.file_set_id
    if count > 1:
        suffix = f"_{number}"
        name = name[: 16 - len(suffix)] + suffix
    supplied: Supplied = []
    entries = tuple(entries_of(placed, supplied, icons=admitted.options.icons))
    for uid, keywords in supplied:
        admitted.note("supplied", uid, keywords)
    uid = admitted.options.file_set_uid if number == 1 else ""
    volume = Volume(
        number=number, file_set_id=name, placed=placed, entries=entries, size=0, videos=videos, file_set_uid=uid
    )
    return replace(volume, size=size_of(volume, admitted.profile, admitted.medium, admitted.options))


def size_of(volume: Volume, profile: ApplicationProfile, medium: Medium, options: PlanOptions) -> int:
    """Bytes of the image, folder or archive: exact for a volume without room kept and nothing to decompress."""
    count = len(volume.placed)
    videos = tuple(("/".join(placed.file_id), placed.size) for placed in volume.videos)
    options = replace(options, content=options.content + videos)
    dicomdir = DicomDir(volume.file_set_id, volume.file_set_uid or "0" * UID_LENGTH, volume.entries).size
    lengths = [len("/".join(placed.file_id)) for placed in volume.placed]
    lengths += [len(path.encode()) for path, _ in options.content] + [len("DICOMDIR")]
    shape = shape_of(profile, medium, options, sum(lengths) + split.CHECKSUM_LINE * len(lengths))
    instances = sum(placed.size for placed in volume.placed)
    size = shape.size(count, sum(shape.space(placed.size) for placed in volume.placed), dicomdir)
    return size + count * options.content_per_instance + int(instances * options.content_ratio)


def _sorted(placed: Sequence[Placed]) -> list[Placed]:
    """By patient, study, series and instance; a study stays together even if its instances disagree about its date."""
    studies: dict[str, tuple[str, str]] = {}
    series: dict[str, int] = {}
    for each in placed:
        keys = each.source.keys
        studies.setdefault(keys.StudyInstanceUID, (keys.StudyDate, keys.StudyTime))
        series.setdefault(keys.SeriesInstanceUID, _number(keys.SeriesNumber))

    def order(each: Placed) -> tuple[Any, ...]:
        keys = each.source.keys
        study, part = keys.StudyInstanceUID, keys.SeriesInstanceUID
        number = _number(keys.InstanceNumber)
        return each.patient_id, studies[study], study, series[part], part, number, keys.SOPInstanceUID

    return sorted(placed, key=order)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
