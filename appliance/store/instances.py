"""Received instances in the database: inserted with their counters, found, removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    CursorResult,
    Integer,
    Row,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)

from appliance.store import retrievals
from appliance.store.prepared import Prepared
from appliance.store.tables.base import UtcDateTime
from appliance.store.tables.studies import header, instance, rejection, series, study, study_word

IN_A_QUERY = 500
"""Values of one IN (…): SQLite's limit is far above, its planner likes them short."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewInstance:
    """A row of `instance` with those above it."""

    study: Mapping[str, Any]  # columns of study that describe it, study_instance_uid among them
    series: Mapping[str, Any]  # columns of series that describe it
    digest: bytes  # of header_keys and header_records
    header_keys: Mapping[str, Any]
    header_records: bytes
    words: frozenset[tuple[str, str]]  # (kind, word)
    instance: Mapping[str, Any]  # columns of instance but its foreign keys
    peer: str
    has_rule: bool  # of that peer
    moment: dt.datetime


FEW = 4
"""As many of one UID are looked at when another one comes: a sender may have made any number of them."""
_BY_UID = select(
    instance.c.instance_id,
    instance.c.sop_instance_uid,
    *(instance.c[n] for n in ("path", "offset", "size", "sha256")),
).where(instance.c.sop_instance_uid == bindparam("uid"))
_OF_UID = Prepared(_BY_UID.order_by(instance.c.kept_aside, instance.c.instance_id))
_FEW_OF_UID = Prepared(
    _BY_UID.order_by(
        case((instance.c.sha256 == bindparam("same"), 0), else_=1), instance.c.kept_aside, instance.c.instance_id
    ).limit(literal_column(str(FEW)))
)
_OWN = ("sop_instance_uid", "attributes", "record", "path", "offset", "size", "sha256", "received", "source")
_INSERT = Prepared(
    instance.insert()
    .inline()
    .values({name: bindparam(name) for name in (*_OWN, "series_id", "header_id", "kept_aside")} | {"committed": False})
)
_COUNT_IN_SERIES = Prepared(
    update(series)
    .where(series.c.series_id == bindparam("the_series"))
    .values(instances=series.c.instances + 1, bytes=series.c.bytes + bindparam("size", type_=BigInteger))
)
_HAS_RULE = bindparam("has_rule", type_=Boolean)
_COUNT_IN_STUDY = Prepared(
    update(study)
    .where(study.c.study_id == bindparam("the_study"))
    .values(
        instances=study.c.instances + bindparam("accepted", type_=Integer),
        kept_aside=study.c.kept_aside + bindparam("aside", type_=Integer),
        bytes=study.c.bytes + bindparam("size", type_=BigInteger),
        updated=bindparam("moment", type_=UtcDateTime),
        used=bindparam("moment", type_=UtcDateTime),
        source=bindparam("whence"),
        # what another one sends or adds meanwhile takes no peer's study from its rule
        peer=case((and_(study.c.awaits_rule, ~_HAS_RULE), study.c.peer), else_=bindparam("by")),
        awaits_rule=or_(study.c.awaits_rule, and_(study.c.ruled.is_(None), _HAS_RULE)),
    )
)
_PARENTS = (
    select(series.c.study_id, series.c.series_id)
    .join(study)
    .where(series.c.series_instance_uid == bindparam("of_series"), study.c.study_instance_uid == bindparam("of_study"))
)
_ABOVE = Prepared(
    select(series.c.study_id, series.c.series_id, header.c.header_id)
    .join(study, study.c.study_id == series.c.study_id)
    .join(header, header.c.series_id == series.c.series_id)
    .where(
        series.c.series_instance_uid == bindparam("of_series"),
        study.c.study_instance_uid == bindparam("of_study"),
        header.c.digest == bindparam("of"),
    )
)
_HEADER = select(header.c.header_id).where(
    header.c.series_id == bindparam("of_series"), header.c.digest == bindparam("of")
)


def of_uid(connection: Connection, sop_instance_uid: str) -> list[Any]:
    """(instance_id, sop_instance_uid, path, offset, size, sha256) of each with that UID, the accepted one first."""
    return _OF_UID.rows(connection, {"uid": sop_instance_uid})


def few_of_uid(connection: Connection, sop_instance_uid: str, sha256: bytes) -> list[Any]:
    """The same of at most FEW: before all the one with these bytes, then the accepted one."""
    return _FEW_OF_UID.rows(connection, {"uid": sop_instance_uid, "same": sha256})


def insert(connection: Connection, new: NewInstance, *, kept_aside: bool) -> None:
    """Insert an instance, and what is missing above it; counters follow."""
    study_id, series_id, header_id = _above(connection, new)
    below = {"series_id": series_id, "header_id": header_id, "kept_aside": kept_aside}
    _INSERT.run(connection, {**new.instance, **below})
    size = new.instance["size"]
    _COUNT_IN_SERIES.run(connection, {"the_series": series_id, "size": size})
    counted = {
        "the_study": study_id,
        "accepted": int(not kept_aside),
        "aside": int(kept_aside),
        "size": size,
        "moment": new.moment,
        "whence": new.instance["source"],
        "by": new.peer,
        "has_rule": new.has_rule,
    }
    _COUNT_IN_STUDY.run(connection, counted)


def _above(connection: Connection, new: NewInstance) -> tuple[int, int, int]:
    """Study, series and header it belongs to, made where they are missing."""
    uids = {"of_series": new.series["series_instance_uid"], "of_study": new.study["study_instance_uid"]}
    for found in _ABOVE.rows(connection, {**uids, "of": new.digest}):
        return found.study_id, found.series_id, found.header_id
    study_id, series_id = _parents(connection, new)
    return study_id, series_id, _header(connection, new, study_id, series_id)


def _parents(connection: Connection, new: NewInstance) -> tuple[int, int]:
    uids = {"of_series": new.series["series_instance_uid"], "of_study": new.study["study_instance_uid"]}
    found = connection.execute(_PARENTS, uids).first()
    if found is not None:
        return found.study_id, found.series_id
    study_id = _study(connection, new)
    values = {**new.series, "study_id": study_id}
    result = connection.execute(series.insert(), values)
    _add_modality(connection, study_id, new.series["modality"])
    return study_id, _number(result)


def _study(connection: Connection, new: NewInstance) -> int:
    uid = new.study["study_instance_uid"]
    found = connection.scalar(select(study.c.study_id).where(study.c.study_instance_uid == uid))
    if found is not None:
        return int(found)
    moments = dict.fromkeys(("received", "updated", "used"), new.moment)
    known = retrievals.known_of_new(connection, uid)
    result = connection.execute(study.insert(), {**new.study, **moments, "modalities": [], "missing": [], **known})
    return _number(result)


def _number(result: CursorResult[Any]) -> int:
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def _add_modality(connection: Connection, study_id: int, modality: str) -> None:
    row = connection.execute(select(study.c.modalities).where(study.c.study_id == study_id)).one()
    known = sorted({*row.modalities, modality} - {""})
    connection.execute(
        update(study).where(study.c.study_id == study_id).values(modalities=known, series=study.c.series + 1)
    )


def _header(connection: Connection, new: NewInstance, study_id: int, series_id: int) -> int:
    found = connection.scalar(_HEADER, {"of_series": series_id, "of": new.digest})
    if found is not None:
        return int(found)
    values = {
        "series_id": series_id,
        "digest": new.digest,
        "attributes": dict(new.header_keys),
        "records": new.header_records,
    }
    result = connection.execute(header.insert(), values)
    add_words(connection, study_id, new.words)
    _count_identities(connection, study_id)
    return _number(result)


IDENTITY = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")


def _count_identities(connection: Connection, study_id: int) -> None:
    rows = connection.scalars(select(header.c.attributes).join(series).where(series.c.study_id == study_id))
    found = {tuple(attributes.get(name, "") for name in IDENTITY) for attributes in rows}
    connection.execute(update(study).where(study.c.study_id == study_id).values(identities=len(found)))


def add_words(connection: Connection, study_id: int, words: Collection[tuple[str, str]]) -> None:
    """Make a study be found by these (kind, word)s too."""
    query = select(study_word.c.kind, study_word.c.word).where(study_word.c.study_id == study_id)
    known = {(kind, word) for kind, word in connection.execute(query)}
    rows = [{"kind": kind, "word": word, "study_id": study_id} for kind, word in words if (kind, word) not in known]
    if rows:
        connection.execute(study_word.insert(), rows)


def replace_path(connection: Connection, instance_id: int, path: str, offset: int) -> None:
    """The file of an instance was lost or damaged, and has come again."""
    values = {"path": path, "offset": offset}
    connection.execute(update(instance).where(instance.c.instance_id == instance_id).values(values))


def known_paths(connection: Connection, paths: Collection[str]) -> set[str]:
    """Those of `paths` that are an instance's."""
    found: set[str] = set()
    for part in parts(sorted(paths)):
        found.update(connection.scalars(select(instance.c.path).where(instance.c.path.in_(part))))
    return found


def parts(values: Collection[Any]) -> Iterator[list[Any]]:
    """In runs short enough for a query."""
    every = list(values)
    for start in range(0, len(every), IN_A_QUERY):
        yield every[start : start + IN_A_QUERY]


# --- selection ---


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which instances: all that fit any of these."""

    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()


def selected(connection: Connection, wanted: Wanted) -> Iterator[Row[Any]]:
    """Instances of a selection with their series and study, in the order they came, each once."""
    columns = (study.c.study_instance_uid, series.c.series_instance_uid, series.c.study_id)
    query = select(instance, *columns).join(series, instance.c.series_id == series.c.series_id).join(study)
    seen: set[int] = set()
    kinds = (
        (study.c.study_instance_uid, wanted.studies),
        (series.c.series_instance_uid, wanted.series),
        (instance.c.sop_instance_uid, wanted.instances),
    )
    for column, values in kinds:
        for part in parts(values):
            for row in connection.execute(query.where(column.in_(part)).order_by(instance.c.instance_id)):
                if row.instance_id not in seen:
                    seen.add(row.instance_id)
                    yield row


def headers(connection: Connection, header_ids: Collection[int]) -> dict[int, Row[Any]]:
    """Headers by number."""
    found: dict[int, Row[Any]] = {}
    for part in parts(header_ids):
        rows = connection.execute(select(header).where(header.c.header_id.in_(part)))
        found.update({row.header_id: row for row in rows})
    return found


def rejections(connection: Connection, study_uids: Collection[str]) -> dict[str, str]:
    """SOP Instance UID -> code of the rejection note that names it, in these studies."""
    found: dict[str, str] = {}
    for part in parts(study_uids):
        query = select(rejection.c.sop_instance_uid, rejection.c.code)
        rows = connection.execute(query.where(rejection.c.study_instance_uid.in_(part)))
        found.update({row.sop_instance_uid: row.code for row in rows})
    return found


def add_rejections(connection: Connection, note_uid: str, code: str, named: Iterable[tuple[str, str]]) -> None:
    """A rejection note names instances: (Study Instance UID, SOP Instance UID)."""
    connection.execute(delete(rejection).where(rejection.c.note_uid == note_uid))
    rows = [
        {"sop_instance_uid": uid, "note_uid": note_uid, "study_instance_uid": study_uid, "code": code}
        for study_uid, uid in dict.fromkeys(named)
    ]
    if rows:
        connection.execute(rejection.insert(), rows)


def uids_of_study(connection: Connection, study_instance_uid: str) -> set[str]:
    """The accepted SOP Instance UIDs of a study."""
    query = select(instance.c.sop_instance_uid).join(series, instance.c.series_id == series.c.series_id).join(study)
    query = query.where(study.c.study_instance_uid == study_instance_uid, ~instance.c.kept_aside)
    return set(connection.scalars(query))


def series_of_instances(connection: Connection, study_instance_uid: str, root: str) -> list[tuple[str, str]]:
    """(SOP Instance UID, Series Instance UID) of a study's accepted instances whose UIDs begin so."""
    query = select(instance.c.sop_instance_uid, series.c.series_instance_uid)
    query = query.join(series, instance.c.series_id == series.c.series_id).join(study)
    query = query.where(study.c.study_instance_uid == study_instance_uid, ~instance.c.kept_aside)
    query = query.where(instance.c.sop_instance_uid.startswith(root, autoescape=True))
    return [(row[0], row[1]) for row in connection.execute(query)]


def counts_of_series(connection: Connection, study_instance_uid: str) -> dict[str, int]:
    """Series Instance UID -> accepted instances, of a study."""
    query = select(series.c.series_instance_uid, func.count()).select_from(
        instance.join(series, instance.c.series_id == series.c.series_id).join(study)
    )
    query = query.where(study.c.study_instance_uid == study_instance_uid, ~instance.c.kept_aside)
    return {row[0]: row[1] for row in connection.execute(query.group_by(series.c.series_instance_uid))}


def count_of_study(connection: Connection, study_instance_uid: str) -> int:
    """Instances kept of a study, 0 when there is none."""
    query = select(study.c.instances).where(study.c.study_instance_uid == study_instance_uid)
    return int(connection.scalar(query) or 0)


# --- removal ---


def paths_of_study(connection: Connection, study_id: int) -> list[str]:
    query = select(instance.c.path).join(series, instance.c.series_id == series.c.series_id)
    return list(connection.scalars(query.where(series.c.study_id == study_id)))


def remove_study(connection: Connection, study_id: int) -> list[str]:
    """Forget a study and all in it; the paths of its files, to be removed after the commit."""
    paths = paths_of_study(connection, study_id)
    uid = connection.scalar(select(study.c.study_instance_uid).where(study.c.study_id == study_id))
    notes = select(instance.c.sop_instance_uid).join(series, instance.c.series_id == series.c.series_id)
    notes = notes.where(series.c.study_id == study_id)
    connection.execute(
        delete(rejection).where(or_(rejection.c.study_instance_uid == uid, rejection.c.note_uid.in_(notes)))
    )
    connection.execute(delete(study).where(study.c.study_id == study_id))
    return paths


def remove_instances(connection: Connection, instance_ids: Collection[int]) -> list[str]:
    """Forget instances; the paths of their files. Counters follow; an empty study stays until it is removed itself."""
    paths: list[str] = []
    for part in parts(instance_ids):
        query = select(instance).where(instance.c.instance_id.in_(part))
        rows = list(connection.execute(query))
        paths += [row.path for row in rows]
        connection.execute(delete(instance).where(instance.c.instance_id.in_(part)))
        connection.execute(delete(rejection).where(rejection.c.note_uid.in_([row.sop_instance_uid for row in rows])))
        for series_id in {row.series_id for row in rows}:
            recount(connection, series_id)
    return paths


def recount(connection: Connection, series_id: int) -> None:
    """Set the counters of a series and its study to what is there."""
    study_id = connection.scalar(select(series.c.study_id).where(series.c.series_id == series_id))
    count = select(func.count(), func.coalesce(func.sum(instance.c.size), 0)).select_from(instance)
    number, size = connection.execute(count.where(instance.c.series_id == series_id)).one()
    connection.execute(update(series).where(series.c.series_id == series_id).values(instances=number, bytes=size))
    inside = count.join(series, instance.c.series_id == series.c.series_id).where(series.c.study_id == study_id)
    number, size = connection.execute(inside).one()
    aside = connection.execute(inside.where(instance.c.kept_aside)).one()[0]
    values = {"instances": number - aside, "kept_aside": aside, "bytes": size}
    connection.execute(update(study).where(study.c.study_id == study_id).values(values))


def accept(connection: Connection, instance_id: int) -> None:
    """A kept-aside instance is the one that counts."""
    connection.execute(update(instance).where(instance.c.instance_id == instance_id).values(kept_aside=False))
    series_id = connection.scalar(select(instance.c.series_id).where(instance.c.instance_id == instance_id))
    recount(connection, int(series_id or 0))


def sop_classes(connection: Connection, sop_instance_uid: str) -> list[str]:
    """The SOP Class UID of each instance with that UID."""
    query = select(header.c.attributes).join(instance, instance.c.header_id == header.c.header_id)
    rows = connection.scalars(query.where(instance.c.sop_instance_uid == sop_instance_uid))
    return [attributes.get("SOPClassUID", "") for attributes in rows]


def place_of(connection: Connection, sop_instance_uid: str) -> Row[Any, Any] | None:
    """(path, study_instance_uid) of the accepted instance with that UID."""
    query = (
        select(instance.c.path, study.c.study_instance_uid)
        .join(series, instance.c.series_id == series.c.series_id)
        .join(study, series.c.study_id == study.c.study_id)
        .where(instance.c.sop_instance_uid == sop_instance_uid, ~instance.c.kept_aside)
    )
    return connection.execute(query).first()
