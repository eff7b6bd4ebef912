"""More copies of a disc that is done, burned from the image that is kept: the same file-set, so the same UID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from appliance.errors import ConflictError, UsageError
from appliance.events import Actor
from appliance.media.discs import audited, get_disc, may, order_of
from appliance.media.ordering import MAXIMUM_COPIES, check_purged, settled
from appliance.media.settling import serial_of
from appliance.store import discs
from appliance.store.store import Store
from appliance.words import say


def burn_again(store: Store, disc_id: int, actor: Actor, *, copies: int = 1, burner: str | None = None) -> None:
    """Burn more copies of a disc, on its burner or another one.

    Raises NotFoundError when its images are purged (make it anew then), ConflictError when it is not done, UsageError.
    """
    disc = get_disc(store, disc_id)
    check_purged(disc)
    if copies < 1:
        raise UsageError(say("At least one copy is made."), field="copies")
    settled(store, replace(order_of(disc), burner=burner or disc.burner, copies=disc.copies + copies))
    with store.database.write("disc") as connection:
        disc = may(connection, disc_id, "again", (discs.DONE,))
        numbers = range(disc.copies + 1, disc.copies + copies + 1)
        if disc.purged or numbers.stop > MAXIMUM_COPIES + 1:
            raise ConflictError(say("Disc %(disc_id)s changed in this moment: look again.", disc_id=disc_id))
        _add_pieces(connection, disc_id, burner or disc.burner, numbers)
        values = {"burner": burner or disc.burner, "copies": disc.copies + copies, "phase": "burn", "done": 0}
        values |= {"completed": None, "not_before": None, "attempts": 0, "held": False, "cancel": False}
        discs.settle(connection, disc_id, (discs.DONE,), discs.PENDING, actor=str(actor), info="QUEUED", **values)
        audited(connection, "disc-again", disc_id, actor, copies=copies, burner=burner or disc.burner)


def _add_pieces(connection: Connection, disc_id: int, burner: str, copies: Sequence[int]) -> None:
    volumes = [row.volume for row in discs.volumes(connection, [disc_id])]
    for copy in copies:
        for volume in volumes:
            values = {"volume": volume, "copy": copy, "serial": serial_of(disc_id, volume, copy), "burner": burner}
            discs.add_piece(connection, disc_id=disc_id, state="waiting", **values)
