"""Discs as JSON-ready values: the same for the command line, the API and the page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from appliance.jobs.priorities import NAMES
from appliance.store import discs, job_events
from appliance.store.store import Store
from appliance.store.tables.base import now

PHASES = ("retrieve", "plan", "build", "check", "burn", "verify")


def list_discs(store: Store, **conditions: Any) -> list[dict[str, Any]]:
    """The newest discs that fit; conditions as of store.discs.page."""
    with store.database.read() as connection:
        rows = discs.page(connection, **conditions)
        numbers = [row.disc_id for row in rows]
        volumes, pieces = discs.volumes(connection, numbers), discs.pieces(connection, numbers)
    return [disc_view(store, row, _of(row, volumes), _of(row, pieces)) for row in rows]


def count_held(store: Store) -> int:
    """Discs that wait for a person."""
    with store.database.read() as connection:
        return discs.count_held(connection)


def discs_by_status(store: Store) -> dict[tuple[str, str], int]:
    """(burner, Execution Status) -> discs."""
    with store.database.read() as connection:
        return discs.count_by_status(connection)


def queue_ages(store: Store) -> dict[tuple[str], float]:
    """(burner,) -> seconds its oldest disc that has not ended has waited."""
    moment = now()
    with store.database.read() as connection:
        oldest = discs.oldest_waiting(connection)
    return {(burner,): (moment - came).total_seconds() for burner, came in oldest.items()}


def show_disc(store: Store, disc_id: int) -> dict[str, Any]:
    """One disc with its plan and history. Raises NotFoundError."""
    with store.database.read() as connection:
        row = discs.find(connection, disc_id)
        volumes, pieces = discs.volumes(connection, [disc_id]), discs.pieces(connection, [disc_id])
        studies = discs.studies(connection, disc_id)
        history = job_events.of(connection, "disc", disc_id)
    view = disc_view(store, row, volumes, pieces)
    view |= {"studies": studies, "selection": row.selection, "plan": row.plan}
    view["history"] = [
        {
            "at": event.at.isoformat(),
            "execution_status": event.state,
            "reasons": list(event.reasons),
            "message": event.message,
            "actor": event.actor,
        }
        for event in history
    ]
    return view


def _of(row: discs.Disc, rows: Sequence[Any]) -> list[Any]:
    return [each for each in rows if each.disc_id == row.disc_id]


def disc_view(store: Store, row: discs.Disc, volumes: Sequence[Any], pieces: Sequence[Any]) -> dict[str, Any]:
    """A disc, its volumes and each piece of media made of them."""
    return {
        "disc_id": row.disc_id,
        "execution_status": row.execution_status,
        "execution_status_info": row.execution_status_info,
        "reasons": list(row.reasons),
        "message": row.message,
        "held": row.held,
        "phase": row.phase,
        "done": row.done,
        "total": row.total,
        "seconds_left": seconds_left(row.done, row.total, row.phase_began) if underway(row) else None,
        "patient_name": row.patient_name,
        "patient_id": row.patient_id,
        "patients": max((row.plan or {}).get("patients", 0), 1),  # of whom the first is named
        "profile": row.profile,
        "medium": row.medium,
        "copy_type": row.copy_type,
        "burner": row.burner,
        "copies": row.copies,
        "priority": NAMES[row.priority],
        "label_text": row.label_text,
        "incomplete_reason": row.incomplete_reason,
        "decisions": list(row.decisions),
        "encrypted": bool(row.password),
        "remake_of": row.remake_of,
        "requested_by": row.requested_by,
        "requested_from": row.requested_from,
        "purged": row.purged,
        "created": row.created.isoformat(),
        "updated": row.updated.isoformat(),
        "completed": row.completed.isoformat() if row.completed else None,
        "volumes": [volume_view(store, row, volume, pieces) for volume in volumes],
    }


def underway(row: discs.Disc) -> bool:
    """Whether bytes are moving."""
    return bool(row.execution_status == discs.CREATING)


def seconds_left(done: int, total: int, began: dt.datetime | None) -> int | None:
    """How long a phase will last at the rate so far; None when nobody knows."""
    if began is None or not 0 < done <= total:
        return None
    return round((now() - began).total_seconds() * (total - done) / done)


def volume_view(store: Store, row: discs.Disc, volume: Any, pieces: Sequence[Any]) -> dict[str, Any]:
    """One volume; `verified` once every piece of it is."""
    own = [piece for piece in pieces if piece.volume == volume.volume]
    standing = [piece for piece in own if piece.state not in ("failed", "in-doubt", "canceled")]
    image = store.folder.disc(row.disc_id) / volume.image
    return {
        "volume": volume.volume,
        "image": None if row.purged else str(image),
        "file_set_id": volume.file_set_id,
        "file_set_uid": volume.file_set_uid,
        "sha256": volume.sha256,
        "bytes": volume.bytes,
        "instances": volume.instances,
        "verified": bool(standing) and all(piece.state == "verified" for piece in standing),
        "findings": list(volume.findings),
        "pieces": [piece_view(piece) for piece in own],
    }


def piece_view(piece: Any) -> dict[str, Any]:
    """The record of one piece of media."""
    return {
        "serial": piece.serial,
        "copy": piece.copy,
        "burner": piece.burner,
        "state": piece.state,
        "message": piece.message,
        "evidence": piece.evidence,
        "sha256": piece.sha256 or None,
        "began": piece.began.isoformat() if piece.began else None,
        "ended": piece.ended.isoformat() if piece.ended else None,
        "who": piece.who,
    }
