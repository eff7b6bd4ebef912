"""Storage commitment: what we promise to keep, for its sender then deletes it (PS3.4 Annex J). Only on evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Row

from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import commitments, files, instances
from appliance.store.store import Store

# PS3.3 C.14.1.1: Failure Reason (0008,1197)
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
CLASS_CONFLICT = 0x0119

Asked = Sequence[Sequence[str]]
"""(SOP Class UID, SOP Instance UID) pairs."""
Failed = list[tuple[str, str, int]]
"""(SOP Class UID, SOP Instance UID, Failure Reason)."""

BLOCK = 1 << 20


def request_commitment(
    store: Store, transaction_uid: str, asked: Asked, actor: Actor, *, peer: str, called_ae_title: str
) -> int:
    """Keep a request until it is answered; its number. The same again, while it waits, is the same one.

    Other instances under the same Transaction UID are another request: the answer to the first says nothing of them.
    """
    with store.database.write("commitment") as connection:
        for known in commitments.pending_of(connection, transaction_uid, actor.name):
            if _pairs(known.asked) == _pairs(asked):
                return int(known.commitment_id)
        number = commitments.insert(
            connection,
            transaction_uid=transaction_uid,
            ae_title=actor.name,
            address=actor.address,
            peer=peer,
            called_ae_title=called_ae_title,
            asked=[list(pair) for pair in asked],
        )
        detail = {"instances": len(asked)}
        record(
            connection,
            "commitment-requested",
            actor,
            object_kind="transaction",
            object_id=transaction_uid,
            detail=detail,
        )
    files.failpoint("commitment.asked")
    return number


def _pairs(asked: Asked) -> set[tuple[str, ...]]:
    return {tuple(pair) for pair in asked}


def check(store: Store, commitment_id: int, asked: Asked, actor: Actor) -> Failed:
    """Read every instance, promise those that are whole, and say of the others why not. Kept before it is told."""
    failed: Failed = []
    good: list[tuple[str, str]] = []
    for sop_class, uid in dict.fromkeys((sop_class, uid) for sop_class, uid in asked):
        reason = _why_not(store, sop_class, uid)
        if reason is None:
            good.append((sop_class, uid))
        else:
            failed.append((sop_class, uid, reason))
    with store.database.write("commitment", "study") as connection:
        kept = commitments.mark(connection, [uid for _, uid in good])
        # one that was removed between the look and the promise is not promised
        failed += [(sop_class, uid, NO_SUCH_INSTANCE) for sop_class, uid in good if uid not in kept]
        commitments.change(connection, commitment_id, failed=[list(each) for each in failed])
        detail = {"committed": len(kept), "failed": len(failed)}
        record(
            connection,
            "instances-committed",
            actor,
            outcome="warning" if failed else "success",
            object_kind="commitment",
            object_id=str(commitment_id),
            detail=detail,
        )
    files.failpoint("commitment.checked")
    return failed


def _why_not(store: Store, sop_class: str, uid: str) -> int | None:
    with store.database.read() as connection:
        rows = instances.of_uid(connection, uid)
        classes = instances.sop_classes(connection, uid)
    if not rows:
        return NO_SUCH_INSTANCE
    if len(rows) > 1:
        return PROCESSING_FAILURE  # two contents: nobody knows yet which one was meant
    if classes != [sop_class]:
        return CLASS_CONFLICT
    return None if _is_as_received(store.folder.instances / rows[0].path, rows[0]) else PROCESSING_FAILURE


def _is_as_received(path: Path, row: Row) -> bool:  # type: ignore[type-arg]
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            file.seek(row.offset)
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return False
    return digest.digest() == row.sha256
