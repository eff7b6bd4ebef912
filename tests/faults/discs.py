"""Discs ordered from the appliance, and what came out of its burners, read without its help."""

from __future__ import annotations

import hashlib
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pycdlib
from pydicom import dcmread

from appliance.events import process_actor
from appliance.media.burners import BurnerSettings, StoredBurner, add_burner, add_first_burner
from appliance.media.selection import Selection
from appliance.store.store import open_store
from tests.faults.instances import instance
from tests.faults.plant import Plant, Running
from tests.media.disc_helpers import keep, ordered
from tests.support.patience import patient

COUNT = 3
STUDY = str(instance(1).StudyInstanceUID)


def order(works: Plant, burner: str) -> int:
    """A study in the index, a burner, and a disc of it on order. The number of the disc."""
    store = open_store(works.data, settings=works.settings())
    try:
        keep(store, [instance(number) for number in range(1, COUNT + 1)])
        add_first_burner(store)
        if burner == "drive":
            (works.data / "drive.img").write_bytes(b"")
            uri = f"drive:stdio:{works.data / 'drive.img'}"
            drive = StoredBurner(name="drive", burner_uri=uri, settings=BurnerSettings(node=works.drive_node))
            add_burner(store, drive, process_actor("tests"))
        chosen = Selection(studies=(STUDY,))
        return ordered(store, selection=chosen, burner=burner, choices={"attempts": 1})
    finally:
        store.close()


def wait_for_end(works: Plant, disc_id: int, worker: Running, seconds: float = 40) -> None:
    """Until it is done, failed, or waits for a person, or the worker has ended. Back-off is over at once."""
    end = time.monotonic() + patient(seconds)
    while time.monotonic() < end and not worker.ended():
        status, held = row(works, disc_id, "execution_status, held")
        if held or status in ("DONE", "FAILURE"):
            return
        works.query("update disc set not_before = null where not_before is not null")
        time.sleep(0.1)


def row(works: Plant, disc_id: int, columns: str) -> tuple[Any, ...]:
    return tuple(works.query(f"select {columns} from disc where disc_id = {disc_id}")[0])


def wrong(works: Plant, disc_id: int, burner: str) -> list[str]:
    """What is wrong with a disc after recovery; nothing: done, verified and whole, or shown to a person as in doubt."""
    status, held, reasons = row(works, disc_id, "execution_status, held, reasons")
    parts = [f"half file {path}" for path in works.data.rglob("*.part")]
    parts += [f"half image {path}" for path in (works.data / "discs").glob("*/work-*")]
    if held:
        in_doubt = any(word in str(reasons) for word in ("piece-failed", "in-doubt"))
        return parts + ([] if in_doubt and burner == "drive" else [f"held for {reasons}"])
    if status != "DONE":
        return [*parts, f"stuck at {status} {reasons}"]
    states = works.query(f"select state from piece where disc_id = {disc_id}")
    found = [] if [state for (state,) in states] == ["verified"] else [f"done with pieces {states}"]
    return parts + found + unlike(media(works, burner))


def media(works: Plant, burner: str) -> list[Path]:
    """Every image that came out, under its final name."""
    if burner == "drive":
        return [works.data / "drive.img"]
    return sorted((works.data / "burned").glob("*.iso"))


def unlike(images: list[Path]) -> list[str]:
    """How what came out differs from one disc with the instances sent."""
    if len(images) != 1:
        return [f"{len(images)} images came out"]
    sent = {hashlib.sha256(instance(number).PixelData).hexdigest() for number in range(1, COUNT + 1)}
    there = burned_pixels(images[0])
    return [] if there == sent else [f"it holds {len(there & sent)} of {COUNT} images and {len(there - sent)} others"]


def burned_pixels(image: Path) -> set[str]:
    """The hashes of the pixels of every instance in an ISO image."""
    found = set()
    disc = pycdlib.PyCdlib()
    disc.open(str(image))
    try:
        for folder, _, names in disc.walk(iso_path="/"):
            for name in names:
                content = BytesIO()
                disc.get_file_from_iso_fp(content, iso_path=f"{folder.rstrip('/')}/{name}")
                data = content.getvalue()
                if data[128:132] == b"DICM" and "DICOMDIR" not in name:
                    found.add(hashlib.sha256(dcmread(BytesIO(data)).PixelData).hexdigest())
    finally:
        disc.close()
    return found
