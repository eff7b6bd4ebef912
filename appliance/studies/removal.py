"""Remove studies and single instances: rows first, then their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.errors import ConflictError, NotFoundError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import files, instances, studies
from appliance.store.store import Store


def delete_study(store: Store, study_instance_uid: str, actor: Actor, *, committed_too: bool = False) -> int:
    """Remove a study with all its files; how many instances.

    Raises NotFoundError; ConflictError when its sender was promised that it is kept (storage commitment) and
    `committed_too` does not say that it may go all the same.
    """
    with store.database.write("study") as connection:
        row = studies.get(connection, study_instance_uid)
        if row is None:
            raise NotFoundError(f"There is no study {study_instance_uid} here.")
        if not committed_too and studies.has_committed(connection, row.study_id):
            raise ConflictError(
                f"Study {study_instance_uid} holds instances whose keeping was promised to their sender "
                "(storage commitment). Name them as wanted gone if that is meant."
            )
        paths = _forget(connection, row, actor, "study-deleted")
    remove_files(store, paths)
    return int(row.instances)


def purge_study(store: Store, study_instance_uid: str, actor: Actor) -> int:
    """Remove a study that has had its time, if nothing was promised; bytes freed."""
    with store.database.write("study") as connection:
        row = studies.get(connection, study_instance_uid)
        if row is None or studies.has_committed(connection, row.study_id):
            return 0
        paths = _forget(connection, row, actor, "study-purged")
    remove_files(store, paths)
    return int(row.bytes)


def _forget(connection: Any, row: studies.Study, actor: Actor, event: str) -> list[str]:
    paths = instances.remove_study(connection, row.study_id)
    detail = {"instances": row.instances, "bytes": row.bytes}
    record(connection, event, actor, object_kind="study", object_id=row.study_instance_uid, detail=detail)
    return paths


def decide_content(store: Store, sop_instance_uid: str, sha256: str, actor: Actor) -> None:
    """A person chose which of the contents kept under one UID is the right one; the others go.

    Raises NotFoundError when there is no such content.
    """
    with store.database.write("study") as connection:
        rows = instances.of_uid(connection, sop_instance_uid)
        chosen = [row for row in rows if row.sha256.hex() == sha256]
        if not chosen:
            raise NotFoundError(f"There is no instance {sop_instance_uid} with that content.")
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
