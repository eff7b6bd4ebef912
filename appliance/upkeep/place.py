"""Where the data folder lies. One that was moved or copied takes the printers and burners in it along."""

from __future__ import annotations

from pathlib import Path

from appliance.events import process_actor
from appliance.security.audit import record
from appliance.store import secrets
from appliance.store.backup import follow
from appliance.store.store import Store


def note_place(store: Store) -> None:
    """Note where the data folder lies; where it lay elsewhere before, what writes below it follows.

    Nothing with a database on a server: its machines may each reach the one folder by a path of their own.
    """
    here = store.folder.root
    with store.database.read() as connection:
        before = secrets.get(connection, secrets.PLACE)
    if not store.database.is_sqlite or (before is not None and _is_one(Path(before), here)):
        return
    with store.database.write("printer", "burner") as connection:
        secrets.put(connection, secrets.PLACE, str(here))
        moved = follow(connection, Path(before), here) if before else []
        if moved:
            detail = {"from": before, "to": str(here), "follow": moved}
            record(connection, "data-folder-moved", process_actor("start"), detail=detail)


def _is_one(before: Path, here: Path) -> bool:
    """Whether both are names of one folder: by a link nothing moves."""
    try:
        return before == here or before.samefile(here)
    except OSError:  # nothing lies there any more
        return False
