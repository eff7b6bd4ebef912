"""A piece of media its burner can't tell about: a person looks, and says that it came out or that it is spoilt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from appliance.errors import ConflictError
from appliance.events import Actor
from appliance.media.discs import audited, end_doubt, go_on, held_disc
from appliance.store import discs
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say


def confirm(store: Store, disc_id: int, actor: Actor) -> None:
    """It came out: the pieces in doubt count, as looked at and not as read back, and none is made in their place.

    Raises NotFoundError, ConflictError when nothing of the disc is in doubt.
    """
    said = say("%(name)s looked at it: it came out.", name=actor.name)
    with store.database.write("disc") as connection:
        _doubted(connection, disc_id, "confirm")
        pieces = end_doubt(connection, disc_id, "unverified", said)
        _spare(connection, disc_id, pieces)
        _settled(connection, "disc-confirm", disc_id, actor, pieces)


def spoil(store: Store, disc_id: int, actor: Actor) -> None:
    """It is spoilt: another piece is made in its place. Raises NotFoundError, ConflictError."""
    said = say("%(name)s looked at it: it is spoilt.", name=actor.name)
    with store.database.write("disc") as connection:
        _doubted(connection, disc_id, "spoil")
        _settled(connection, "disc-spoil", disc_id, actor, end_doubt(connection, disc_id, "failed", said))


def _doubted(connection: Connection, disc_id: int, verb: str) -> None:
    disc = held_disc(connection, disc_id, verb)
    if "in-doubt" not in disc.reasons:
        raise ConflictError(say("Nothing of disc %(disc_id)s is in doubt: release it.", disc_id=disc_id))


def _spare(connection: Connection, disc_id: int, pieces: Sequence[Any]) -> None:
    """Let go what was to be made in their place."""
    places = {(piece.volume, piece.copy) for piece in pieces}
    for piece in discs.pieces(connection, [disc_id]):
        if piece.state == "waiting" and (piece.volume, piece.copy) in places:
            discs.change_piece(connection, piece.piece_id, state="canceled", ended=now())


def _settled(connection: Connection, event: str, disc_id: int, actor: Actor, pieces: Sequence[Any]) -> None:
    go_on(connection, disc_id, actor, reasons=[])
    audited(connection, event, disc_id, actor, pieces=[piece.serial for piece in pieces])
