"""Papers that people here added to a study, known by their UIDs: no archive counts them among what it has."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection

from appliance.store import instances

ROOT = "2.25."
"""Of UIDs made from UUIDs (PS3.5 B.2)."""
_PAPERS = uuid.UUID("6f1c0f0e-6c1b-4a7d-9b0a-3d6a3a0f7c55")


def new_uid() -> str:
    """A UID of our own."""
    return f"{ROOT}{uuid.uuid4().int}"


def series_of_paper(sop_instance_uid: str) -> str:
    """The Series Instance UID of a paper, each in a series of its own: it tells a paper from what others sent."""
    return f"{ROOT}{uuid.uuid5(_PAPERS, sop_instance_uid).int}"


def count_papers(connection: Connection, study_instance_uid: str) -> int:
    """How many of a study's instances are papers."""
    pairs = instances.series_of_instances(connection, study_instance_uid, ROOT)
    return sum(series == series_of_paper(uid) for uid, series in pairs)
