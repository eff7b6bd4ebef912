"""Studies as a zip archive with a DICOMDIR (PS3.12 Annex V), for someone to take away."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from appliance.errors import ConflictError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import files
from appliance.store.store import Store
from appliance.words import say

from . import profiles
from .build import Built, build
from .plan import PlanOptions, plan
from .selection import Selection, gather

SPOOL_PREFIX = "page-export-"


def export_studies(
    store: Store, studies: Sequence[str], target: Path, actor: Actor, *, decisions: Sequence[str] = ()
) -> Built:
    """Write studies as a checked archive to `target`, whole or not at all.

    Instances a rejection note names are left out. Raises NotFoundError; ConflictError in words when a person must
    decide something first (two patients, two contents of one UID) or something can't go into the archive.
    """
    gathered = gather(store, Selection(studies=tuple(studies)))
    options = PlanOptions(
        file_set_id="EXPORT",
        leave_out=gathered.left_out,
        decisions=frozenset(decisions),
        several_patients=len(studies) > 1,
    )
    made = plan(gathered.sources, profiles.profile("STD-GEN-ZIP-MAIL"), profiles.medium("zip"), options)
    if not made.ready:
        reasons = [*(each.message for each in made.conflicts), *(each.reason for each in made.refused)]
        raise ConflictError(
            say(
                "The studies can't be exported yet: %(reasons)s.",
                reasons=reasons[0] if reasons else "nothing would be in it",
            )
        )
    with files.work_folder(store.folder.spool / (SPOOL_PREFIX + uuid.uuid4().hex)) as work:
        [built] = build(made, work)
        _hand_over(built.path, target)
    with store.database.write() as connection:
        for uid in gathered.studies:
            detail = {"instances": built.instances, "sha256": built.sha256}
            record(connection, "study-exported", actor, object_kind="study", object_id=uid, detail=detail)
    return built


def _hand_over(built: Path, target: Path) -> None:
    with built.open("rb") as source, files.PartFile(target) as part:
        shutil.copyfileobj(source, part.file, 1 << 20)
        files.operation("write", part.part)
        part.commit()
