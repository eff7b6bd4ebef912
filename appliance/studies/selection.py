"""Which instances a disc, an export or a person means, with all the index knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from appliance.errors import NotFoundError
from appliance.store import instances as _instances
from appliance.store.store import Store
from appliance.studies.keys import InstanceKeys
from appliance.studies.records import DirectoryRecords
from appliance.studies.rejection_reasons import REASONS
from appliance.words import say


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredInstance:
    """One instance of the index."""

    keys: InstanceKeys
    records: DirectoryRecords
    path: str  # of the DICOM file
    data_set_offset: int  # where its data set begins
    data_set_size: int  # bytes
    sha256: str  # of the data set as received, hexadecimal
    kept_aside: bool  # another instance has its UID, with other bytes: a person decides
    rejected: str  # why a rejection note names it, in words; "" if none does
    study_instance_uid: str  # it is filed under


def selected(
    store: Store, *, studies: Iterable[str] = (), series: Iterable[str] = (), instances: Iterable[str] = ()
) -> list[StoredInstance]:
    """Every instance of the named studies, series and instances, each once; rejected and kept-aside ones too.

    Raises NotFoundError naming a UID of which there is nothing.
    """
    wanted = _instances.Wanted(studies=tuple(studies), series=tuple(series), instances=tuple(instances))
    with store.database.read() as connection:
        rows = list(_instances.selected(connection, wanted))
        _all_there(wanted, rows)
        above = {
            number: _above(row) for number, row in _instances.headers(connection, {r.header_id for r in rows}).items()
        }
        rejected = _instances.rejections(connection, {row.study_instance_uid for row in rows})
    return [_stored(row, above[row.header_id], store.folder.instances, rejected) for row in rows]


def _all_there(wanted: _instances.Wanted, rows: list[Row[Any]]) -> None:
    for what, name, uids in (
        ("study", "study_instance_uid", wanted.studies),
        ("series", "series_instance_uid", wanted.series),
        ("instance", "sop_instance_uid", wanted.instances),
    ):
        missing = set(uids) - {getattr(row, name) for row in rows}
        if missing:
            raise NotFoundError(
                say(
                    "There is no %(what)s %(missing)s here: send, import or retrieve it first.",
                    what=what,
                    missing=min(missing),
                )
            )


def _above(row: Row[Any]) -> tuple[dict[str, Any], DirectoryRecords]:
    return row.attributes, DirectoryRecords.unpack(row.records)


def _stored(
    row: Row[Any], above: tuple[dict[str, Any], DirectoryRecords], folder: Path, rejected: dict[str, str]
) -> StoredInstance:
    shared, parts = above
    records = replace(
        DirectoryRecords.unpack(row.record), patient=parts.patient, study=parts.study, series=parts.series
    )
    code = rejected.get(row.sop_instance_uid)
    return StoredInstance(
        keys=InstanceKeys.from_json(shared | row.attributes),
        records=records,
        path=f"{folder}/{row.path}",
        data_set_offset=row.offset,
        data_set_size=row.size,
        sha256=row.sha256.hex(),
        kept_aside=row.kept_aside,
        rejected=REASONS[code] if code else "",
        study_instance_uid=row.study_instance_uid,
    )
