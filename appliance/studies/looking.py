"""What one needs to look at a study's images: the instances of a series in their order, and where each lies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from appliance.errors import NotFoundError
from appliance.store import instances, studies
from appliance.store.store import Store
from appliance.words import say

MOST_SHOWN = 5000
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One frame of a series, in the order it is looked through."""

    sop_instance_uid: str
    frame: int  # from 1


def frames_of_series(store: Store, series_instance_uid: str) -> list[Place]:
    """Every frame of a series by Instance Number, at most five thousand. Raises NotFoundError."""
    with store.database.read() as connection:
        rows = studies.of_series(connection, series_instance_uid)
    if not rows:
        raise NotFoundError(
            say("There is no series %(series_instance_uid)s here.", series_instance_uid=series_instance_uid)
        )
    rows.sort(key=lambda row: _number(row.attributes, "InstanceNumber"))
    places = (
        Place(sop_instance_uid=row.sop_instance_uid, frame=frame)
        for row in rows
        for frame in range(1, max(1, _number(row.attributes, "NumberOfFrames")) + 1)
    )
    return list(islice(places, MOST_SHOWN))  # an instance may say that it has a thousand million


def _number(attributes: dict[str, Any], keyword: str) -> int:
    try:
        return int(str(attributes.get(keyword) or 0))
    except ValueError:
        return 0


def is_pdf(store: Store, sop_instance_uid: str) -> bool:
    """Whether an instance is an Encapsulated PDF, which has no picture."""
    with store.database.read() as connection:
        return ENCAPSULATED_PDF in instances.sop_classes(connection, sop_instance_uid)


def path_of_instance(store: Store, sop_instance_uid: str) -> tuple[Path, str]:
    """The file of an accepted instance, and the Study Instance UID it is filed under. Raises NotFoundError."""
    with store.database.read() as connection:
        row = instances.place_of(connection, sop_instance_uid)
    if row is None:
        raise NotFoundError(say("There is no instance %(sop_instance_uid)s here.", sop_instance_uid=sop_instance_uid))
    return store.folder.instances / row.path, row.study_instance_uid
