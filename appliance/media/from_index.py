"""From the index of received instances to what a disc is planned from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.store.store import Store
from appliance.studies.selection import StoredInstance, selected

from .source import SourceInstance


@dataclass(frozen=True, kw_only=True)
class Sources:
    """A selection, ready to be planned."""

    instances: tuple[SourceInstance, ...]
    leave_out: tuple[tuple[str, str], ...]  # for PlanOptions.leave_out: SOP Instance UID, reason
    studies: tuple[str, ...]  # Study Instance UIDs they are filed under


def sources(
    store: Store, *, studies: Iterable[str] = (), series: Iterable[str] = (), instances: Iterable[str] = ()
) -> Sources:
    """What a disc of these studies, series and instances is made from. Raises NotFoundError.

    Instances a rejection note names are to be left out. Those kept aside are among the rest: two contents of one UID
    are a conflict the plan stops at.
    """
    found = selected(store, studies=studies, series=series, instances=instances)
    rejected = {each.keys.SOPInstanceUID: each.rejected for each in found if each.rejected}
    return Sources(
        instances=tuple(map(source_of, found)),
        leave_out=tuple(sorted(rejected.items())),
        studies=tuple(dict.fromkeys(each.study_instance_uid for each in found)),
    )


def source_of(stored: StoredInstance) -> SourceInstance:
    """An instance of the index as the disc maker wants it."""
    return SourceInstance(
        keys=stored.keys,
        records=stored.records,
        path=stored.path,
        data_set_offset=stored.data_set_offset,
        data_set_size=stored.data_set_size,
        sha256=stored.sha256,
    )
