"""What goes on a disc, and how: the first half of its plan, a pure function of instances, profile, medium and choices.

An instance stays as it is, is decompressed, lies beside the file-set as an MP4 file, is left out or is refused; each
for a reason that the plan says.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pydicom.uid import UID

from appliance.network.file_head import head_of_file
from appliance.studies.record_tables import ROOT_TYPES
from appliance.words import say

from . import patients
from .planned import NOTES, Note, PlanOptions
from .profiles import EXPLICIT_LE, PROFILES, VIDEO_SYNTAXES, ApplicationProfile, Medium, profiles_that_allow
from .sizes import MAXIMUM_FILE
from .source import Placed, SourceInstance
from .video import most_bytes

_DECODABLE = frozenset(
    "1.2.840.10008.1.2" + suffix
    for suffix in (
        *("", ".1.98", ".1.99", ".2", ".5", ".8.1"),
        *(f".4.{n}" for n in (50, 51, 53, 55, 57, 70, 80, 81, 90, 91, 201, 202, 203, 110, 111, 112)),
    )
)


class Admission:
    """Sorts instances into those that go, those that don't, and reasons.

    `placed` holds what goes, by SOP Instance UID; `twice` what came under one UID with other bytes; `notes` what is
    said about each, by the names in NOTES.
    """

    def __init__(self, profile: ApplicationProfile, medium: Medium, options: PlanOptions) -> None:
        self.profile = profile
        self.medium = medium
        self.options = options
        self.undecodable = dict(options.undecodable)
        self.placed: dict[str, Placed] = {}
        self.twice: dict[str, list[SourceInstance]] = {}
        self.notes: dict[str, list[Note]] = {name: [] for name in NOTES}

    def note(self, where: str, uid: str, reason: str, proposal: str = "") -> None:
        self.notes[where].append(Note(SOPInstanceUID=uid, reason=reason, proposal=proposal))

    def refuse(self, obstacle: str, uid: str, reason: str, proposal: str = "", choice: str = "") -> None:
        """Say what stands in the way of one instance, or of all ("")."""
        where = "left_out" if uid and self.options.leave_out_refused else "refused"
        note = Note(SOPInstanceUID=uid, reason=reason, proposal=proposal, choice=choice, obstacle=obstacle)
        self.notes[where].append(note)

    def take(self, instances: Iterable[SourceInstance]) -> None:
        leave_out = dict(self.options.leave_out)
        for source in instances:
            uid = source.keys.SOPInstanceUID
            if uid in leave_out:
                self.note("left_out", uid, leave_out[uid])
            elif uid in self.placed:
                self._again(source)
            elif self._may_go(source):
                placed = self.place(source)
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
            reason = say(
                "no directory record exists for SOP class %(sopclassuid)s", sopclassuid=_named(keys.SOPClassUID)
            )
            if self.options.refuse_without_record:
                self.refuse("class", keys.SOPInstanceUID, reason)
            else:
                self.note("left_out", keys.SOPInstanceUID, reason)
        elif self.profile.classes is not None and keys.SOPClassUID not in self.profile.classes:
            reason = say(
                "%(profile)s does not allow SOP class %(sopclassuid)s",
                profile=self.profile.name,
                sopclassuid=_named(keys.SOPClassUID),
            )
            self.refuse("class", keys.SOPInstanceUID, reason, self._takes_any_class(keys.TransferSyntaxUID))
        elif records.missing or not (keys.StudyInstanceUID and keys.SeriesInstanceUID or in_root(source)):
            names = ", ".join(records.missing) or "Study or Series Instance UID"
            self.refuse(
                "key",
                keys.SOPInstanceUID,
                say("the directory needs %(names)s, which nobody can supply", names=names),
            )
        else:
            return True
        return False

    def _takes_any_class(self, syntax: str) -> str:
        """The profile of this medium on which an instance in this transfer syntax could lie; "" for none."""
        every = (each for each in PROFILES.values() if each.classes is None and self.medium.kind in each.kinds)
        return next((each.name for each in every if each.allows(syntax) or syntax in _DECODABLE), "")

    def place(self, source: SourceInstance) -> Placed | None:
        """How it lies on the disc; None, and a note, where it can't."""
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
            self.refuse("size", uid, _too_large(size))
            return None
        if not keep:
            proposal = " or ".join(profiles_that_allow(syntax))
            self.note(
                "decompress",
                uid,
                say(
                    "%(profile)s does not allow transfer syntax %(syntax)s",
                    profile=self.profile.name,
                    syntax=_named(syntax),
                ),
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
            self.refuse("syntax", uid, reason, proposal, choice="mp4")
        elif why:
            self.refuse("syntax", uid, say("it can't become an MP4 file: %(why)s", why=why), proposal)
        elif (size := most_bytes(keys, source.data_set_size)) > MAXIMUM_FILE:
            self.refuse("size", uid, _too_large(size))
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
            self.refuse(
                "syntax",
                uid,
                say("its image can't be decompressed: %(undecodable)s", undecodable=self.undecodable[uid]),
                proposal,
            )
            return False
        if syntax in _DECODABLE:
            return True
        what = say("transfer syntax %(syntax)s", syntax=_named(syntax))
        self.refuse(
            "syntax",
            uid,
            say(
                "%(profile)s does not allow %(what)s, which can't be decompressed", profile=self.profile.name, what=what
            ),
            proposal,
        )
        return False


@lru_cache(maxsize=256)
def _named(uid: str) -> str:
    """A UID of the standard with its name before it, for people."""
    name = UID(uid).name
    return uid if name == uid else f"{name} ({uid})"


def in_root(source: SourceInstance) -> bool:
    """Whether the instance's record lies beside PATIENT: it has no study."""
    return source.records.record_type in ROOT_TYPES


def _too_large(size: int) -> str:
    return say("it has %(size)s bytes; a file on a disc has less than 4 GiB", size=f"{size:,}")


def _size_of_data_set(source: SourceInstance, keep: bool) -> int:
    """Bytes of the data set on the disc: exact if it stays, an upper bound if it is decompressed."""
    if keep:
        return source.data_set_size
    pixels = source.keys.pixel_bytes
    if source.keys.TransferSyntaxUID in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2"):
        rest = max(source.data_set_size - pixels, 0)
        return source.data_set_size + rest // 2 + 16  # explicit long VRs take 4 bytes more of at least 8
    return source.data_set_size + pixels + 4096
