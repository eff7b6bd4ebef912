"""Studies in the database: searched, shown, counted, marked. Each function is one statement or a few."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, exists, func, or_, select, update

from appliance.store.tables.base import now
from appliance.store.tables.studies import instance, rejection, series, study, study_word

Study = Row[Any]
"""A row of study."""
AHEAD = dt.timedelta(hours=1)
"""A moment further ahead was told by a clock that was put back since; those of several machines differ by less."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What studies are looked for by: all that is given must fit."""

    prefixes: tuple[tuple[str, str], ...] = ()  # (kinds, beginning of a word): "n" name, "i" ID, "a" accession ...
    since: str = ""  # Study Date from, YYYYMMDD
    until: str = ""  # to
    source: str = ""  # who sent it last
    patient_id: str = ""  # exactly
    before: int | None = None  # keyset: only studies with a lower number
    limit: int = 50


def page(connection: Connection, search: Search) -> list[Study]:
    """The studies that fit, the one that came last first."""
    conditions = [
        *(study.c.study_id.in_(_found(kinds, prefix)) for kinds, prefix in search.prefixes),
        study.c.study_date >= search.since if search.since else None,
        study.c.study_date <= search.until if search.until else None,
        study.c.source == search.source if search.source else None,
        study.c.patient_id == search.patient_id if search.patient_id else None,
        study.c.study_id < search.before if search.before else None,
    ]
    query = select(study).where(*[c for c in conditions if c is not None])
    return list(connection.execute(query.order_by(study.c.study_id.desc()).limit(search.limit)))


def _found(kinds: str, prefix: str) -> Select[Any]:
    word = study_word.c.word
    fits = and_(word >= prefix, word < prefix + "\U0010ffff")
    return select(study_word.c.study_id).where(study_word.c.kind.in_(list(kinds)), fits)


def get(connection: Connection, study_instance_uid: str) -> Study | None:
    return connection.execute(select(study).where(study.c.study_instance_uid == study_instance_uid)).first()


def get_many(connection: Connection, uids: Collection[str]) -> list[Study]:
    return list(connection.execute(select(study).where(study.c.study_instance_uid.in_(list(uids)))))


def series_of(connection: Connection, study_id: int) -> list[Row[Any]]:
    """The series of a study, as they came."""
    return list(connection.execute(select(series).where(series.c.study_id == study_id).order_by(series.c.series_id)))


def first_instances(connection: Connection, series_ids: Iterable[int]) -> dict[int, str]:
    """Series number -> SOP Instance UID of the one that came first: for a picture of the series."""
    first = select(func.min(instance.c.instance_id)).where(instance.c.series_id.in_(list(series_ids)))
    query = select(instance.c.series_id, instance.c.sop_instance_uid)
    rows = connection.execute(query.where(instance.c.instance_id.in_(first.group_by(instance.c.series_id))))
    return {row.series_id: row.sop_instance_uid for row in rows}


def kept_aside(connection: Connection, study_id: int) -> list[Row[Any]]:
    """Instances of a study under whose UID other bytes are kept."""
    columns = (instance.c.sop_instance_uid, instance.c.sha256, instance.c.size, instance.c.received, instance.c.source)
    query = select(*columns).join(series, instance.c.series_id == series.c.series_id)
    return list(connection.execute(query.where(series.c.study_id == study_id, instance.c.kept_aside)))


def rejected(connection: Connection, study_instance_uid: str) -> list[Row[Any]]:
    """(SOP Instance UID, code) of instances a rejection note of this study names."""
    query = select(rejection.c.sop_instance_uid, rejection.c.code).distinct()
    return list(connection.execute(query.where(rejection.c.study_instance_uid == study_instance_uid)))


def change(connection: Connection, study_instance_uid: str, **values: Any) -> bool:
    query = update(study).where(study.c.study_instance_uid == study_instance_uid)
    return connection.execute(query.values(**values)).rowcount == 1


def touch(connection: Connection, uids: Collection[str]) -> None:
    """Studies are in use: retention counts from now."""
    connection.execute(update(study).where(study.c.study_instance_uid.in_(list(uids))).values(used=now()))


# --- retention ---


def _committed() -> Any:
    inside = select(instance.c.instance_id).join(series, instance.c.series_id == series.c.series_id)
    return exists(inside.where(series.c.study_id == study.c.study_id, instance.c.committed))


def purgeable(connection: Connection, before: dt.datetime | None, limit: int = 100) -> list[Study]:
    """Studies not used since (None: whenever), longest unused first; none with an instance someone was promised."""
    query = select(study).where(~_committed())
    if before is not None:
        query = query.where(study.c.used < before)
    return list(connection.execute(query.order_by(study.c.used, study.c.study_id).limit(limit)))


def kept_bytes(connection: Connection) -> int:
    return int(connection.scalar(select(func.coalesce(func.sum(study.c.bytes), 0))) or 0)


def has_committed(connection: Connection, study_id: int) -> bool:
    return bool(connection.scalar(select(_committed()).where(study.c.study_id == study_id)))


# --- rules ---


def quiet_since(connection: Connection, peer: str, moment: dt.datetime) -> list[Study]:
    """Studies of a peer that await its rule and have had no new instance since."""
    quiet = or_(study.c.updated <= moment, study.c.updated > now() + AHEAD)
    query = select(study).where(study.c.peer == peer, study.c.awaits_rule, quiet)
    return list(connection.execute(query.order_by(study.c.updated).limit(100)))


def awaiting_rule(connection: Connection, peers: Collection[str]) -> set[str]:
    """Study Instance UIDs of these peers whose disc is not on order yet."""
    query = select(study.c.study_instance_uid).where(study.c.peer.in_(list(peers)), study.c.awaits_rule)
    return set(connection.scalars(query))


def of_series(connection: Connection, series_instance_uid: str) -> list[Row[Any]]:
    """The accepted instances of a series: UID, keys of its own, path, offset, size."""
    columns = (instance.c.sop_instance_uid, instance.c.attributes, instance.c.path, instance.c.offset, instance.c.size)
    query = select(*columns).join(series, instance.c.series_id == series.c.series_id)
    query = query.where(series.c.series_instance_uid == series_instance_uid, ~instance.c.kept_aside)
    return list(connection.execute(query.order_by(instance.c.instance_id)))
