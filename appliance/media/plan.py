"""The plan of a disc, before a byte is written: a pure function from instances, profile and medium to volumes.

It says what goes where under which name, how large each volume becomes, what must be decompressed, which directory
keys had to be supplied, what is left out or refused and why, and what must be decided by a person first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from appliance.errors import UsageError
from appliance.network.file_head import head_of_file
from appliance.studies.record_tables import ROOT_TYPES
from appliance.words import say

from . import patients, split
from .dicomdir import DicomDir
from .file_id import is_file_set_id
from .patients import Conflict, Side
from .planned import CHECKSUMS, Note, Plan, PlanOptions, Volume, shape_of
from .profiles import (
    EXPLICIT_LE,
    VIDEO_SYNTAXES,
    ApplicationProfile,
    Medium,
    profiles_that_allow,
)
from .sizes import MAXIMUM_FILE
from .source import Placed, SourceInstance
from .tree import Supplied, entries_of
from .video import most_bytes

__all__ = ["CHECKSUMS", "UID_LENGTH", "Note", "Plan", "PlanOptions", "Volume", "plan", "shape_of", "size_of"]

UID_LENGTH = 44  # of the File-set UIDs we make: the size of a DICOMDIR depends on it

UNCOMPRESSED = frozenset("1.2.840.10008.1.2" + suffix for suffix in ("", ".1", ".1.99", ".2"))
_NOTES = ("decompress", "mp4", "supplied", "left_out", "refused")
_DECODABLE = frozenset(
    "1.2.840.10008.1.2" + suffix
    for suffix in ("", ".1.99", ".2", ".5", *(f".4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)))
)


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
    planner = _Planner(profile, medium, options)
    planner.take(instances)
    return planner.finish()


class _Planner:
    """Sorts instances into those that go, those that don't, and reasons."""

    def __init__(self, profile: ApplicationProfile, medium: Medium, options: PlanOptions) -> None:
        self.profile = profile
        self.medium = medium
        self.options = options
        self.undecodable = dict(options.undecodable)
        self.placed: dict[str, Placed] = {}
        self.twice: dict[str, list[SourceInstance]] = {}
        self.notes: dict[str, list[Note]] = {name: [] for name in _NOTES}

    def note(self, where: str, uid: str, reason: str, proposal: str = "", choice: str = "") -> None:
        if where == "refused" and uid and self.options.leave_out_refused:
            where = "left_out"
        self.notes[where].append(Note(SOPInstanceUID=uid, reason=reason, proposal=proposal, choice=choice))

    def take(self, instances: Iterable[SourceInstance]) -> None:
        leave_out = dict(self.options.leave_out)
        for source in instances:
            uid = source.keys.SOPInstanceUID
            if uid in leave_out:
                self.note("left_out", uid, leave_out[uid])
            elif uid in self.placed:
                self._again(source)
            elif self._may_go(source):
                placed = self._place(source)
                if placed is not None:
                    self.placed[uid] = placed

    def _again(self, source: SourceInstance) -> None:
        """The same UID twice: one is kept if they are the same bytes, else a person decides."""
        uid = source.keys.SOPInstanceUID
        kept = self.placed[uid].source
        if kept.sha256 and kept.sha256 == source.sha256:
            self.note("left_out", uid, say("it is there twice with the same bytes; one is kept"))
        else:
            self.twice.setdefault(uid, [kept]).append(source)

    def _may_go(self, source: SourceInstance) -> bool:
        keys, records = source.keys, source.records
        if not records.record_type:
            where = "refused" if self.options.refuse_without_record else "left_out"
            self.note(
                where,
                keys.SOPInstanceUID,
                say("no directory record exists for SOP class %(sopclassuid)s", sopclassuid=keys.SOPClassUID),
            )
        elif self.profile.classes is not None and keys.SOPClassUID not in self.profile.classes:
            proposal = "STD-GEN-CD" if self.medium.kind == "cd" else ""
            reason = say(
                "%(profile)s does not allow SOP class %(sopclassuid)s",
                profile=self.profile.name,
                sopclassuid=keys.SOPClassUID,
            )
            self.note("refused", keys.SOPInstanceUID, reason, proposal)
        elif records.missing or not (keys.StudyInstanceUID and keys.SeriesInstanceUID or _in_root(source)):
            names = ", ".join(records.missing) or "Study or Series Instance UID"
            self.note(
                "refused",
                keys.SOPInstanceUID,
                say("the directory needs %(names)s, which nobody can supply", names=names),
            )
        else:
            return True
        return False

    def _place(self, source: SourceInstance) -> Placed | None:
        keys = source.keys
        syntax, uid = keys.TransferSyntaxUID, keys.SOPInstanceUID
        keep = self.profile.allows(syntax)
        if not keep and syntax in VIDEO_SYNTAXES:
            return self._beside(source)
        if not keep and not self._may_be_decompressed(source):
            return None
        target = syntax if keep else EXPLICIT_LE
        size = len(head_of_file(keys.SOPClassUID, uid, target)) + _size_of_data_set(source, keep)
        if size > MAXIMUM_FILE:
            self.note("refused", uid, _too_large(size))
            return None
        if not keep:
            proposal = " or ".join(profiles_that_allow(syntax))
            self.note(
                "decompress",
                uid,
                say("%(profile)s does not allow transfer syntax %(syntax)s", profile=self.profile.name, syntax=syntax),
                proposal,
            )
        if source.records.supplied:
            self.note("supplied", uid, ", ".join(source.records.supplied))
        return Placed(
            source=source,
            patient_id=patients.patient_id(keys),
            TransferSyntaxUID=target,
            size=size,
            decompress=not keep,
        )

    def _beside(self, source: SourceInstance) -> Placed | None:
        """A video the profile does not take: as an MP4 file, when that is chosen and can be."""
        keys, options = source.keys, self.options
        uid, why = keys.SOPInstanceUID, options.no_mp4 or self.undecodable.get(keys.SOPInstanceUID, "")
        proposal, size = " or ".join(profiles_that_allow(keys.TransferSyntaxUID)), 0
        if options.video != "mp4":
            reason = say("%(profile)s takes no video, which can't be decompressed", profile=self.profile.name)
            self.note("refused", uid, reason, proposal, choice="mp4")
        elif why:
            self.note("refused", uid, say("it can't become an MP4 file: %(why)s", why=why), proposal)
        elif (size := most_bytes(keys, source.data_set_size)) > MAXIMUM_FILE:
            self.note("refused", uid, _too_large(size))
        else:
            reason = say("it lies beside the DICOM files as an MP4 file, and is not in the DICOM directory")
            self.note("mp4", uid, reason)
            whose = patients.patient_id(keys)
            syntax = keys.TransferSyntaxUID
            return Placed(
                source=source, patient_id=whose, TransferSyntaxUID=syntax, size=size, decompress=False, mp4=True
            )
        return None

    def _may_be_decompressed(self, source: SourceInstance) -> bool:
        syntax, uid = source.keys.TransferSyntaxUID, source.keys.SOPInstanceUID
        proposal = " or ".join(profiles_that_allow(syntax))
        if uid in self.undecodable:
            self.note(
                "refused",
                uid,
                say("its image can't be decompressed: %(undecodable)s", undecodable=self.undecodable[uid]),
                proposal,
            )
            return False
        if syntax in _DECODABLE:
            return True
        what = say("transfer syntax %(syntax)s", syntax=syntax)
        self.note(
            "refused",
            uid,
            say(
                "%(profile)s does not allow %(what)s, which can't be decompressed", profile=self.profile.name, what=what
            ),
            proposal,
        )
        return False

    def finish(self) -> Plan:
        conflicts = self._conflicts()
        self._file_studies_once()
        self._refuse_series_of_two_studies()
        ordered = _sorted(list(self.placed.values()))
        volumes = self._volumes(ordered)
        return Plan(
            profile=self.profile,
            medium=self.medium,
            options=self.options,
            volumes=volumes,
            conflicts=tuple(conflicts),
            instances=sum(not placed.mp4 for placed in self.placed.values()),
            **{name: tuple(notes) for name, notes in self.notes.items()},
        )

    def _conflicts(self) -> list[Conflict]:
        keys = [placed.source.keys for placed in self.placed.values() if not _in_root(placed.source)]
        found = [*patients.patient_conflicts(keys), *patients.study_conflicts(keys), *self._two_contents()]
        if not self.options.several_patients:
            found += patients.several_patients(keys)
        return [conflict for conflict in found if conflict.decision not in self.options.decisions]

    def _two_contents(self) -> list[Conflict]:
        """One UID with two byte contents; a decision ``instance:UID=SHA256`` says which one goes."""
        found = []
        for uid, sources in self.twice.items():
            chosen = [each for each in sources if f"instance:{uid}={each.sha256}" in self.options.decisions]
            if chosen:
                placed = self._place(chosen[0])
                self.placed[uid] = placed or self.placed[uid]
                continue
            if uid in self.options.same_image:
                self._keep_one(uid, sources)
                continue
            sides = tuple(
                Side(text=f"{each.sha256}, {each.data_set_size:,} bytes", instances=1, example=uid) for each in sources
            )
            message = say(
                "Instance %(uid)s is there with %(sources)s different contents", uid=uid, sources=len(sources)
            )
            found.append(Conflict(kind="instance", subject=uid, sides=sides, message=message))
        return found

    def _keep_one(self, uid: str, sources: Sequence[SourceInstance]) -> None:
        """Of one image in several compressions: one that may stay as it is, else the first."""
        fits = [each for each in sources if self.profile.allows(each.keys.TransferSyntaxUID)]
        kept = (fits or sources)[0]
        for name in ("decompress", "mp4"):
            self.notes[name] = [note for note in self.notes[name] if note.SOPInstanceUID != uid]
        self.placed[uid] = self._place(kept) or self.placed[uid]
        syntax = kept.keys.TransferSyntaxUID
        if all(each.keys.TransferSyntaxUID in UNCOMPRESSED for each in sources):
            self.note("left_out", uid, say("it is there twice, the same in another encoding; one is kept"))
            return
        self.note(
            "left_out",
            uid,
            say("it is there twice, the same image in another compression; %(syntax)s is kept", syntax=syntax),
        )

    def _file_studies_once(self) -> None:
        """Where a person decided that two Patient IDs of one study are one patient, the first one given counts.

        One made up for an instance without counts only where no other has any: its record would bear the other's ID,
        as the record of the other does.
        """
        owners: dict[str, str] = {}
        filed = {uid: placed for uid, placed in self.placed.items() if not _in_root(placed.source)}
        for placed in sorted(filed.values(), key=lambda each: not patients.has_id(each.source.keys)):
            owners.setdefault(placed.source.keys.StudyInstanceUID, placed.patient_id)
        for uid, placed in filed.items():
            owner = owners[placed.source.keys.StudyInstanceUID]
            if owner != placed.patient_id:
                self.placed[uid] = replace(placed, patient_id=owner)

    def _refuse_series_of_two_studies(self) -> None:
        studies: dict[str, str] = {}
        for uid, placed in list(self.placed.items()):
            series, study = placed.source.keys.SeriesInstanceUID, placed.source.keys.StudyInstanceUID
            if studies.setdefault(series, study) != study and not _in_root(placed.source):
                reason = say(
                    "its series %(series)s is in two studies, %(study)s and %(studies)s; leave one of them out",
                    series=series,
                    study=study,
                    studies=studies[series],
                )
                self.note("refused", uid, reason)
                del self.placed[uid]

    def _volumes(self, ordered: Sequence[Placed]) -> tuple[Volume, ...]:
        room = split.Room(
            shape=shape_of(self.profile, self.medium, self.options),
            capacity=self.medium.capacity,
            per_instance=self.options.content_per_instance,
            ratio=self.options.content_ratio,
            checksums=self.options.checksums,
            icons=self.options.icons,
        )
        parts, oversized = split.volumes(ordered, room)
        for placed in oversized:
            uid = placed.source.keys.SOPInstanceUID
            self.note(
                "refused",
                uid,
                say(
                    "it has %(size)s bytes and does not fit on one %(title)s",
                    size=f"{placed.size:,}",
                    title=self.medium.title,
                ),
            )
        if len(parts) > 1 and not self.options.split:
            self.note("refused", "", say("it takes %(parts)s discs and splitting is not allowed", parts=len(parts)))
        return tuple(self._volume(number, len(parts), part) for number, part in enumerate(parts, 1))

    def _volume(self, number: int, count: int, part: split.Part) -> Volume:
        placed = split.named([each for each in part.placed if not each.mp4])
        videos = split.videos_named([each for each in part.placed if each.mp4])
        name = self.options.file_set_id
        if count > 1:
            suffix = f"_{number}"
            name = name[: 16 - len(suffix)] + suffix
        supplied: Supplied = []
        entries = tuple(entries_of(placed, supplied, icons=self.options.icons))
        for uid, keywords in supplied:
            self.note("supplied", uid, keywords)
        volume = Volume(number=number, file_set_id=name, placed=placed, entries=entries, size=0, videos=videos)
        return replace(volume, size=size_of(volume, self.profile, self.medium, self.options))


def size_of(volume: Volume, profile: ApplicationProfile, medium: Medium, options: PlanOptions) -> int:
    """Bytes of the image, folder or archive: exact for a volume without room kept and nothing to decompress."""
    count = len(volume.placed)
    videos = tuple(("/".join(placed.file_id), placed.size) for placed in volume.videos)
    options = replace(options, content=options.content + videos)
    dicomdir = DicomDir(volume.file_set_id, "0" * UID_LENGTH, volume.entries).size
    lengths = [len("/".join(placed.file_id)) for placed in volume.placed]
    lengths += [len(path.encode()) for path, _ in options.content] + [len("DICOMDIR")]
    shape = shape_of(profile, medium, options, sum(lengths) + split.CHECKSUM_LINE * len(lengths))
    instances = sum(placed.size for placed in volume.placed)
    size = shape.size(count, sum(shape.space(placed.size) for placed in volume.placed), dicomdir)
    return size + count * options.content_per_instance + int(instances * options.content_ratio)


def _too_large(size: int) -> str:
    return say("it has %(size)s bytes; a file on a disc has less than 4 GiB", size=f"{size:,}")


def _in_root(source: SourceInstance) -> bool:
    """Whether the instance's record lies beside PATIENT: it has no study."""
    return source.records.record_type in ROOT_TYPES


def _size_of_data_set(source: SourceInstance, keep: bool) -> int:
    """Bytes of the data set on the disc: exact if it stays, an upper bound if it is decompressed."""
    if keep:
        return source.data_set_size
    pixels = source.keys.pixel_bytes
    if source.keys.TransferSyntaxUID in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2"):
        rest = max(source.data_set_size - pixels, 0)
        return source.data_set_size + rest // 2 + 16  # explicit long VRs take 4 bytes more of at least 8
    return source.data_set_size + pixels + 4096


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
