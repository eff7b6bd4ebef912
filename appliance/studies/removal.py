"""Remove studies and single instances: rows first, then their files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from appliance.errors import ConflictError, NotFoundError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import commitments, discs, files, instances, retrievals, studies
from appliance.store.store import Store
from appliance.words import say


def delete_study(store: Store, study_instance_uid: str, actor: Actor, *, committed_too: bool = False) -> int:
    """Remove a study with all its files; how many instances.

    Raises NotFoundError; ConflictError when a disc on order or a retrieval needs it, or when its sender was promised
    that it is kept (storage commitment) and `committed_too` does not say that it may go all the same.
    """
    with store.database.write("study") as connection:
        row = studies.get(connection, study_instance_uid)
        if row is None:
            raise NotFoundError(
                say("There is no study %(study_instance_uid)s here.", study_instance_uid=study_instance_uid)
            )
        _refuse_needed(connection, study_instance_uid)
        if not committed_too and studies.has_committed(connection, row.study_id):
            raise ConflictError(
                say(
                    "Study %(study_instance_uid)s holds instances whose keeping was promised to their sender "
                    "(storage commitment). Name them as wanted gone if that is meant.",
                    study_instance_uid=study_instance_uid,
                )
            )
        paths = _forget(connection, row, actor, "study-deleted")
    remove_files(store, paths)
    return int(row.instances)


def _refuse_needed(connection: Connection, study_instance_uid: str) -> None:
    if study_instance_uid in discs.studies_in_use(connection):
        raise ConflictError(
            say("Study %(uid)s is on a disc that is being made: wait for it, or cancel it.", uid=study_instance_uid)
        )
    if study_instance_uid in retrievals.studies_underway(connection):
        raise ConflictError(say("Study %(uid)s is being fetched: wait for it, or cancel that.", uid=study_instance_uid))


def purge_study(store: Store, study_instance_uid: str, actor: Actor, *, used: dt.datetime | None = None) -> bool:
    """Remove a study that has had its time; False when something speaks against it by now.

    Others go before it, which takes a while: meanwhile it may have been ordered, promised, or used again. `used`: when
    it last had been, as it was chosen.
    """
    with store.database.write("study") as connection:
        row = studies.get(connection, study_instance_uid)
        if row is None or studies.has_committed(connection, row.study_id) or (used is not None and row.used != used):
            return False
        try:
            _refuse_needed(connection, study_instance_uid)
        except ConflictError:
            return False
        paths = _forget(connection, row, actor, "study-purged")
    remove_files(store, paths)
    return True


def _forget(connection: Any, row: studies.Study, actor: Actor, event: str) -> list[str]:
    detail = {"instances": row.instances, "bytes": row.bytes}
    record(connection, event, actor, object_kind="study", object_id=row.study_instance_uid, detail=detail)
    return instances.remove_study(connection, row.study_id)


def decide_content(store: Store, sop_instance_uid: str, sha256: str, actor: Actor) -> None:
    """A person chose which of the contents kept under one UID is the right one; the others go.

    Raises NotFoundError when there is no such content, ConflictError when the keeping of another one was promised to
    its sender (storage commitment).
    """
    with store.database.write("study") as connection:
        rows = instances.of_uid(connection, sop_instance_uid)
        chosen = [row for row in rows if row.sha256.hex() == sha256]
        if not chosen:
            raise NotFoundError(
                say("There is no instance %(sop_instance_uid)s with that content.", sop_instance_uid=sop_instance_uid)
            )
        if commitments.promised(connection, sop_instance_uid) - {chosen[0].instance_id}:
            raise ConflictError(
                say(
                    "The keeping of the other content of instance %(sop_instance_uid)s was promised to its sender "
                    "(storage commitment): it stays.",
                    sop_instance_uid=sop_instance_uid,
                )
            )
        others = [row.instance_id for row in rows if row.instance_id != chosen[0].instance_id]
        paths = instances.remove_instances(connection, others)
        instances.accept(connection, chosen[0].instance_id)
        detail = {"sha256": sha256, "removed": len(others)}
        record(connection, "instance-decided", actor, object_kind="instance", object_id=sop_instance_uid, detail=detail)
    remove_files(store, paths)


def remove_files(store: Store, paths: Sequence[str]) -> None:
    """Files whose rows are gone. What a crash leaves here is removed by housekeeping."""
    for path in paths:
        files.failpoint("study.remove")
        files.remove(store.folder.instances / path)
