"""Discs on order in the database. Each function is one statement or a few inside the caller's transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, update
from sqlalchemy import delete as sql_delete

from appliance.errors import NotFoundError
from appliance.store import job_events
from appliance.store.tables.base import is_due, is_for, now
from appliance.store.tables.media import burner, decision, disc, disc_study, piece, volume
from appliance.store.tables.studies import header, instance, series, study
from appliance.words import say

Disc = Row[Any]
"""A row of disc."""

IDLE, PENDING, CREATING, DONE, FAILURE = "IDLE", "PENDING", "CREATING", "DONE", "FAILURE"
STATUSES = (IDLE, PENDING, CREATING, DONE, FAILURE)
FINAL = (DONE, FAILURE)
UNDERWAY = (PENDING, CREATING)
IDLE_KEPT = dt.timedelta(days=2)
"""What a request names is kept for it for so long before it is begun; who never begins keeps nothing for ever."""
LONGEST_NUMBER = 18
"""Digits that a number of a row can have in every database; what is longer may be a patient's ID."""
ORDER = (disc.c.priority.desc(), disc.c.disc_id)


def insert(connection: Connection, row: Mapping[str, Any], studies: Iterable[str], actor: str) -> None:
    """A new disc on order."""
    moment = now()
    connection.execute(disc.insert().values(created=moment, updated=moment, **row))
    rows = [{"disc_id": row["disc_id"], "study_instance_uid": uid} for uid in dict.fromkeys(studies)]
    if rows:
        connection.execute(disc_study.insert(), rows)
    _history(connection, row["disc_id"], row["execution_status"], row["reasons"], "", actor)


def get(connection: Connection, disc_id: int) -> Disc | None:
    return connection.execute(select(disc).where(disc.c.disc_id == disc_id)).first()


def find(connection: Connection, disc_id: int) -> Disc:
    """The same. Raises NotFoundError."""
    found = get(connection, disc_id)
    if found is None:
        raise NotFoundError(say("There is no disc %(disc_id)s.", disc_id=disc_id))
    return found


def by_request_uid(connection: Connection, uid: str) -> Disc | None:
    """The disc of a Media Creation Management instance."""
    return connection.execute(select(disc).where(disc.c.request_uid == uid)).first()


def page(
    connection: Connection,
    *,
    statuses: Sequence[str] = (),
    burner_name: str | None = None,
    study_instance_uid: str | None = None,
    text: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[Disc]:
    """The newest discs that fit, by keyset: those with a number below `before`."""
    conditions = [
        disc.c.execution_status.in_(statuses) if statuses else None,
        disc.c.burner == burner_name if burner_name else None,
        disc.c.disc_id.in_(_of_study(study_instance_uid)) if study_instance_uid else None,
        disc.c.disc_id < before if before else None,
        _matches(text) if text else None,
    ]
    query = select(disc).where(*[c for c in conditions if c is not None])
    return list(connection.execute(query.order_by(disc.c.disc_id.desc()).limit(limit)))


def count_held(connection: Connection) -> int:
    """Discs that wait for a person."""
    query = select(func.count()).where(disc.c.execution_status.in_((IDLE, *UNDERWAY)), disc.c.held)
    return int(connection.scalar(query) or 0)


def _of_study(uid: str) -> Any:
    return select(disc_study.c.disc_id).where(disc_study.c.study_instance_uid == uid)


def _matches(text: str) -> Any:
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    columns = (disc.c.patient_name, disc.c.patient_id, disc.c.requested_by, disc.c.burner)
    fits = [column.ilike(pattern, escape="\\") for column in columns]
    numbered = text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER
    return or_(*fits, disc.c.disc_id == int(text)) if numbered else or_(*fits)


def settle(
    connection: Connection,
    disc_id: int,
    seen: Sequence[str],
    execution_status: str,
    *,
    actor: str,
    info: str = "NORMAL",
    reasons: Sequence[str] = (),
    message: str = "",
    **values: Any,
) -> bool:
    """Bring a disc to a status if it is still in one of those `seen`; False: someone else was there first."""
    moment = now()
    changed: dict[str, Any] = {
        "execution_status": execution_status,
        "execution_status_info": info,
        "reasons": list(reasons),
        "message": message,
        "updated": moment,
    }
    if execution_status in FINAL:
        changed["completed"] = moment
    query = update(disc).where(disc.c.disc_id == disc_id, disc.c.execution_status.in_(seen))
    if connection.execute(query.values(**changed | values)).rowcount != 1:
        return False
    _history(connection, disc_id, execution_status, reasons, message, actor)
    return True


def change(connection: Connection, disc_id: int, **values: Any) -> None:
    """Set columns that are no status."""
    connection.execute(update(disc).where(disc.c.disc_id == disc_id).values(updated=now(), **values))


# the queue ------------------------------------------------------------------------------------------------------


def _due() -> Any:
    return and_(~disc.c.held, is_due(disc.c.not_before))


def to_build(connection: Connection) -> int | None:
    """The next disc to be planned and built."""
    query = select(disc.c.disc_id).where(
        disc.c.execution_status == PENDING, ~disc.c.built, disc.c.building_by.is_(None), _due()
    )
    return connection.scalar(query.order_by(*ORDER).limit(1))


def claim_build(connection: Connection, disc_id: int, worker: str) -> bool:
    """Take a disc for building; False: another worker got there first."""
    query = update(disc).where(
        disc.c.disc_id == disc_id,
        disc.c.execution_status == PENDING,
        ~disc.c.built,
        disc.c.building_by.is_(None),
        _due(),
    )
    claim = {"building_by": worker, "execution_status": CREATING, "execution_status_info": "NORMAL"}
    return _claimed(connection, disc_id, query, claim, worker)


def to_burn(connection: Connection, node: str = "") -> list[int]:
    """For each burner that may burn and is free: its next built disc, if that is due.

    `node`: a machine among several, which leaves burners bound to another one to it.
    """
    ready = select(burner.c.name).where(burner.c.paused.is_(False), burner.c.burner_state != "stopped")
    if node:
        ready = ready.where(is_for(burner.c.settings, node))
    busy = select(disc.c.burner).where(disc.c.burning_by.isnot(None))
    place = func.row_number().over(partition_by=disc.c.burner, order_by=ORDER).label("place")
    heads = (
        select(disc.c.disc_id, place)
        .where(
            disc.c.execution_status == PENDING,
            disc.c.built,
            disc.c.burner.in_(ready),
            disc.c.burner.not_in(busy),
            _due(),
        )
        .subquery()
    )
    return list(connection.scalars(select(heads.c.disc_id).where(heads.c.place == 1)))


def claim_burn(connection: Connection, disc_id: int, worker: str) -> bool:
    """Take a built disc for burning. The index one_burning_a_burner forbids a second one on the same burner."""
    query = update(disc).where(
        disc.c.disc_id == disc_id, disc.c.execution_status == PENDING, disc.c.built, disc.c.burning_by.is_(None), _due()
    )
    claim = {
        "burning_by": worker,
        "execution_status": CREATING,
        "execution_status_info": "NORMAL",
        "attempts": disc.c.attempts + 1,
    }
    return _claimed(connection, disc_id, query, claim, worker)


def _claimed(connection: Connection, disc_id: int, query: Any, claim: dict[str, Any], worker: str) -> bool:
    common = {"reasons": [], "message": "", "updated": now()}
    if connection.execute(query.values(**claim, **common)).rowcount != 1:
        return False
    _history(connection, disc_id, CREATING, (), "", worker)
    return True


def claimed(connection: Connection, node: str = "", worker: str = "") -> list[Disc]:
    """Discs that a worker has claimed, for building or burning; without those others burn on another machine's burner.

    `worker`: whoever asks, which finds out about what it has begun wherever the burner was bound since.
    """
    query = select(disc).where(or_(disc.c.building_by.isnot(None), disc.c.burning_by.isnot(None)))
    if node:
        elsewhere = select(burner.c.name).where(~is_for(burner.c.settings, node))
        burning = disc.c.burning_by
        query = query.where(or_(burning.is_(None), burning == worker, disc.c.burner.not_in(elsewhere)))
    return list(connection.execute(query))


def take_over_build(connection: Connection, disc_id: int, gone: str, worker: str) -> bool:
    """Take the building claim of a worker that is gone."""
    query = update(disc).where(disc.c.disc_id == disc_id, disc.c.building_by == gone)
    return connection.execute(query.values(building_by=worker)).rowcount == 1


def take_over_burn(connection: Connection, disc_id: int, gone: str, worker: str) -> bool:
    """Take the burning claim of a worker that is gone."""
    query = update(disc).where(disc.c.disc_id == disc_id, disc.c.burning_by == gone)
    return connection.execute(query.values(burning_by=worker)).rowcount == 1


def has_claim(connection: Connection, disc_id: int, worker: str) -> bool:
    """Whether the disc is still this worker's, to build or to burn."""
    query = select(disc.c.disc_id).where(disc.c.disc_id == disc_id)
    query = query.where(or_(disc.c.building_by == worker, disc.c.burning_by == worker))
    return connection.execute(query).first() is not None


def count_waiting(connection: Connection, burner_name: str) -> int:
    """Discs of a burner that are not final."""
    query = select(func.count()).where(disc.c.burner == burner_name, disc.c.execution_status.not_in(FINAL))
    return int(connection.scalar(query) or 0)


# studies, volumes, pieces, decisions ------------------------------------------------------------------------------


def studies(connection: Connection, disc_id: int) -> list[str]:
    query = select(disc_study.c.study_instance_uid).where(disc_study.c.disc_id == disc_id)
    return list(connection.scalars(query.order_by(disc_study.c.study_instance_uid)))


def study_rows(connection: Connection, uids: Iterable[str]) -> list[Row[Any]]:
    """Studies of the index by UID."""
    query = select(study).where(study.c.study_instance_uid.in_(list(uids)))
    return list(connection.execute(query.order_by(study.c.study_date, study.c.study_id)))


def classes_of(connection: Connection, uids: Sequence[str]) -> dict[str, str]:
    """SOP Instance UID -> SOP Class UID of those instances that are here."""
    query = (
        select(instance.c.sop_instance_uid, header.c.attributes["SOPClassUID"].as_string())
        .join(header, header.c.header_id == instance.c.header_id)
        .where(~instance.c.kept_aside)
    )
    found: dict[str, str] = {}
    for start in range(0, len(uids), 500):
        part = query.where(instance.c.sop_instance_uid.in_(uids[start : start + 500]))
        found.update((uid, sop_class) for uid, sop_class in connection.execute(part))
    return found


def put_studies(connection: Connection, disc_id: int, instances: Mapping[str, int]) -> None:
    """Keep which studies a disc holds, and how many instances each had when it was planned."""
    connection.execute(sql_delete(disc_study).where(disc_study.c.disc_id == disc_id))
    rows = [{"disc_id": disc_id, "study_instance_uid": uid, "instances": count} for uid, count in instances.items()]
    if rows:
        connection.execute(disc_study.insert(), rows)


def studies_in_use(connection: Connection) -> set[str]:
    """Studies whose instances a disc on order still has to read, or one soon to be begun: not to be purged."""
    query = select(disc_study.c.study_instance_uid).join(disc, disc.c.disc_id == disc_study.c.disc_id)
    ordered = set(connection.scalars(query.where(disc.c.execution_status.not_in(FINAL), ~disc.c.built)))
    return ordered | _studies_of_requests(connection, now() - IDLE_KEPT)


def _studies_of_requests(connection: Connection, since: dt.datetime) -> set[str]:
    """Studies of the instances that requests name which came since then and were not begun (media creation)."""
    query = select(disc.c.selection).where(disc.c.execution_status == IDLE, disc.c.created >= since)
    uids = list({uid for selection in connection.scalars(query) for uid in selection["instances"]})
    named = select(study.c.study_instance_uid).distinct()
    named = named.select_from(instance.join(series, instance.c.series_id == series.c.series_id).join(study))
    found: set[str] = set()
    for start in range(0, len(uids), 500):
        part = named.where(instance.c.sop_instance_uid.in_(uids[start : start + 500]))
        found.update(connection.scalars(part))
    return found


def outgrown(connection: Connection, since: dt.datetime) -> list[tuple[int, str]]:
    """(disc, study) of finished discs not yet flagged whose study has more instances now than went on them."""
    query = (
        select(disc.c.disc_id, disc_study.c.study_instance_uid, disc.c.reasons)
        .join(disc_study, disc_study.c.disc_id == disc.c.disc_id)
        .join(study, study.c.study_instance_uid == disc_study.c.study_instance_uid)
        .where(disc.c.execution_status == DONE, disc.c.completed >= since, study.c.instances > disc_study.c.instances)
        .where(disc_study.c.instances > 0)
    )
    return [(row.disc_id, row.study_instance_uid) for row in connection.execute(query) if "late" not in row.reasons]


def put_volumes(connection: Connection, disc_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """The volumes of a disc, in place of any earlier ones."""
    connection.execute(sql_delete(volume).where(volume.c.disc_id == disc_id))
    if rows:
        connection.execute(volume.insert(), [{"disc_id": disc_id, **row} for row in rows])


def volumes(connection: Connection, disc_ids: Iterable[int]) -> list[Row[Any]]:
    query = select(volume).where(volume.c.disc_id.in_(list(disc_ids)))
    return list(connection.execute(query.order_by(volume.c.disc_id, volume.c.volume)))


def add_piece(connection: Connection, **values: Any) -> None:
    connection.execute(piece.insert().values(**values))


def pieces(connection: Connection, disc_ids: Iterable[int]) -> list[Row[Any]]:
    query = select(piece).where(piece.c.disc_id.in_(list(disc_ids)))
    return list(connection.execute(query.order_by(piece.c.disc_id, piece.c.piece_id)))


def open_pieces(connection: Connection, serials: Sequence[str]) -> set[str]:
    """Those of these serials whose piece of media is still to come."""
    query = select(piece.c.serial).where(
        piece.c.serial.in_(serials), piece.c.state.in_(("waiting", "burning", "burned"))
    )
    return set(connection.scalars(query))


def ended_pieces(connection: Connection, serials: Sequence[str]) -> list[Any]:
    """(serial, file_set_uid) of those of these serials whose piece of media has ended, well or not; none in doubt."""
    query = (
        select(piece.c.serial, volume.c.file_set_uid)
        .join(volume, and_(volume.c.disc_id == piece.c.disc_id, volume.c.volume == piece.c.volume))
        .where(piece.c.serial.in_(serials), piece.c.state.in_(("verified", "unverified", "failed", "canceled")))
    )
    return list(connection.execute(query))


def change_piece(connection: Connection, piece_id: int, **values: Any) -> None:
    connection.execute(update(piece).where(piece.c.piece_id == piece_id).values(**values))


def decided(connection: Connection) -> set[str]:
    """Decisions that hold for every disc."""
    return set(connection.scalars(select(decision.c.decision)))


def decide(connection: Connection, text: str, disc_id: int, who: str) -> None:
    connection.execute(sql_delete(decision).where(decision.c.decision == text))
    connection.execute(decision.insert().values(decision=text, disc_id=disc_id, at=now(), who=who))


# keeping house ----------------------------------------------------------------------------------------------------


def purgeable(connection: Connection, before: dt.datetime | None, limit: int = 200) -> list[Disc]:
    """Final discs, oldest first, whose files are still kept and that ended before a moment (None: whenever)."""
    query = select(disc).where(disc.c.execution_status.in_(FINAL), ~disc.c.purged)
    if before is not None:
        query = query.where(disc.c.completed < before)
    return list(connection.execute(query.order_by(disc.c.completed).limit(limit)))


def mark_purged(connection: Connection, disc_id: int) -> bool:
    """The files of an ended disc go; False when somebody wants it again by now, or they are gone."""
    query = update(disc).where(disc.c.disc_id == disc_id, disc.c.execution_status.in_(FINAL), ~disc.c.purged)
    return connection.execute(query.values(purged=True, password="", updated=now())).rowcount == 1


def failed_since(connection: Connection, since: dt.datetime) -> list[int]:
    """Discs that failed after a moment and were neither cancelled nor made again since."""
    remade = select(disc.c.remake_of).where(disc.c.remake_of.isnot(None))
    query = select(disc.c.disc_id, disc.c.reasons).where(
        disc.c.execution_status == FAILURE, disc.c.completed >= since, disc.c.disc_id.not_in(remade)
    )
    return [row.disc_id for row in connection.execute(query) if "canceled" not in row.reasons]


def held_since(connection: Connection, moment: dt.datetime) -> list[int]:
    """Ordered discs that a person has been waited for since before a moment."""
    query = select(disc.c.disc_id).where(disc.c.execution_status.in_(UNDERWAY), disc.c.held, disc.c.updated < moment)
    return list(connection.scalars(query.order_by(disc.c.disc_id)))


def waiting_since(connection: Connection, moment: dt.datetime) -> set[str]:
    """Burners that have said the same of a disc since before a moment, and not that it burns: absent, out of media."""
    query = select(disc.c.burner, disc.c.reasons).where(
        disc.c.execution_status.in_(UNDERWAY), ~disc.c.held, disc.c.phase == "burn", disc.c.updated < moment
    )
    return {row.burner for row in connection.execute(query) if row.reasons}


def known(connection: Connection, disc_ids: Sequence[int]) -> set[int]:
    """Which of these numbers have a row."""
    return set(connection.scalars(select(disc.c.disc_id).where(disc.c.disc_id.in_(list(disc_ids)))))


def purged(connection: Connection, disc_ids: Sequence[int]) -> set[int]:
    """Those of these numbers whose files are gone, or should be."""
    query = select(disc.c.disc_id).where(disc.c.disc_id.in_(list(disc_ids)), disc.c.purged)
    return set(connection.scalars(query))


def count_by_status(connection: Connection) -> dict[tuple[str, str], int]:
    """(burner, execution status) -> number of discs."""
    query = select(disc.c.burner, disc.c.execution_status, func.count()).group_by(
        disc.c.burner, disc.c.execution_status
    )
    return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def oldest_waiting(connection: Connection) -> dict[str, dt.datetime]:
    """Burner -> when its oldest disc that has not ended was ordered."""
    query = select(disc.c.burner, func.min(disc.c.created)).where(disc.c.execution_status.not_in(FINAL))
    return {row[0]: row[1] for row in connection.execute(query.group_by(disc.c.burner))}


def _history(
    connection: Connection, disc_id: int, status: str, reasons: Sequence[str], message: str, actor: str
) -> None:
    job_events.add(connection, "disc", disc_id, status, reasons, message, actor)
