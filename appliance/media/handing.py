"""What a person takes along: the image of a volume to burn elsewhere, and its label."""

from __future__ import annotations

import json
from pathlib import Path

from appliance.errors import NotFoundError
from appliance.media import extras
from appliance.media.copy_types import copy_type
from appliance.media.discs import get_disc
from appliance.media.label import label
from appliance.media.label_layout import layout_named
from appliance.media.label_output import label_file
from appliance.store import discs
from appliance.store.store import Store
from appliance.words import say


def image_of(store: Store, disc_id: int, number: int) -> Path:
    """The file of a volume's image or archive. Raises NotFoundError when it is gone, or a folder."""
    disc = get_disc(store, disc_id)
    with store.database.read() as connection:
        volume = next((row for row in discs.volumes(connection, [disc_id]) if row.volume == number), None)
    path = store.folder.disc(disc_id) / volume.image if volume else None
    if path is None or disc.purged or not path.is_file():
        raise NotFoundError(
            say(
                "The image of volume %(number)s of disc %(disc_id)s is not kept as a file: order it again.",
                number=number,
                disc_id=disc_id,
            )
        )
    return path


def label_of(store: Store, disc_id: int, number: int) -> bytes:
    """A volume's label as PDF, with the serial of its first piece. Raises NotFoundError when it is purged."""
    disc = get_disc(store, disc_id)
    facts = store.folder.disc(disc_id) / f"volume-{number}.json"
    if disc.purged or not facts.is_file():
        raise NotFoundError(
            say(
                "There is no label of volume %(number)s of disc %(disc_id)s (any more).", number=number, disc_id=disc_id
            )
        )
    with store.database.read() as connection:
        serials = [piece.serial for piece in discs.pieces(connection, [disc_id]) if piece.volume == number]
    choices = copy_type(disc.choices)
    told = json.loads(facts.read_text("utf-8"))
    who = choices.label_names_patient
    found = extras.labelled(told, store.settings.discs, (serials or [""])[0], names_patient=who)
    layout = layout_named(choices.label_layout, store.folder.layouts)
    return label_file(label(found, layout, language=choices.language, web=choices.web_content), "pdf")
