"""From what was asked for to the instances a disc is planned of: studies of the index as sources, all accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from appliance.errors import UsageError
from appliance.media.patients import patient_id
from appliance.media.source import SourceInstance
from appliance.store import discs
from appliance.store.store import Store
from appliance.studies.selection import StoredInstance, selected
from appliance.words import say


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What goes on a disc: UIDs of studies, series, instances."""

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()

    def to_json(self) -> dict[str, list[str]]:
        """For the database."""
        return {"studies": list(self.studies), "series": list(self.series), "instances": list(self.instances)}

    @classmethod
    def from_json(cls, values: Mapping[str, Sequence[str]]) -> Selection:
        """The inverse of :meth:`to_json`."""
        return cls(**{name: tuple(dict.fromkeys(uids)) for name, uids in values.items()})

    def check(self) -> None:
        """Raise UsageError when nothing is selected."""
        if not (self.studies or self.series or self.instances):
            raise UsageError(say("Name at least one study, series or instance for the disc."), field="study")


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """The instances of a selection."""

    sources: tuple[SourceInstance, ...]
    left_out: tuple[tuple[str, str], ...]  # SOP Instance UID, reason: named by a rejection note
    studies: dict[str, int]  # Study Instance UID -> instances here now
    incomplete: tuple[str, ...]  # one line for each study that is not complete
    counted_whole: bool = False  # an archive told of each study how many instances it has, and all are here

    @property
    def patient(self) -> tuple[str, str]:
        """Name and ID of the first patient, for lists."""
        keys = self.sources[0].keys
        return keys.PatientName, keys.PatientID

    @property
    def patients(self) -> int:
        """How many there are."""
        return len({patient_id(source.keys) for source in self.sources})


def gather(store: Store, selection: Selection) -> Gathered:
    """Everything the index knows of a selection. Raises UsageError, NotFoundError."""
    selection.check()
    found = selected(store, studies=selection.studies, series=selection.series, instances=selection.instances)
    uids = {each.study_instance_uid for each in found}
    with store.database.read() as connection:
        rows = discs.study_rows(connection, uids)
    return Gathered(
        sources=tuple(_source(each) for each in found),
        left_out=tuple((each.keys.SOPInstanceUID, each.rejected) for each in found if each.rejected),
        studies={row.study_instance_uid: row.instances for row in rows},
        incomplete=tuple(text for row in rows if (text := _missing(row))),
        counted_whole=all(row.expected is not None and not _missing(row) for row in rows),
    )


def _source(stored: StoredInstance) -> SourceInstance:
    return SourceInstance(
        keys=stored.keys,
        records=stored.records,
        path=stored.path,
        data_set_offset=stored.data_set_offset,
        data_set_size=stored.data_set_size,
        sha256=stored.sha256,
    )


def _missing(row: Row[Any]) -> str:
    """Why a study is not complete; "" when nothing says so."""
    if row.incomplete_reason:
        return f"Study {row.study_instance_uid}: {row.incomplete_reason}"
    if row.expected is not None and row.instances < row.expected:
        return say(
            "Study %(study_instance_uid)s has %(instances)s of %(expected)s instances",
            study_instance_uid=row.study_instance_uid,
            instances=row.instances,
            expected=row.expected,
        )
    return (
        say(
            "Study %(study_instance_uid)s lacks %(missing)s instances",
            study_instance_uid=row.study_instance_uid,
            missing=len(row.missing),
        )
        if row.missing
        else ""
    )
