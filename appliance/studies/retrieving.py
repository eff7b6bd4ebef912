"""Retrievals from archives: ask for one, cancel it, see how it goes."""

from __future__ import annotations

from typing import Any

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.security.peer_verbs import get_peer
from appliance.store import retrievals
from appliance.store.retrievals import METHODS, Retrieval
from appliance.store.store import Store
from appliance.studies import pacs
from appliance.words import say


def request_retrieve(
    store: Store,
    peer_name: str,
    study_instance_uid: str,
    actor: Actor,
    *,
    series: tuple[str, ...] = (),
    method: str = "auto",
) -> int:
    """Ask for a study (or some of its series) to be fetched; the retrieval's number. The same again is the same one.

    Raises NotFoundError, UsageError.
    """
    peer = get_peer(store, peer_name)
    pacs.called(store, peer)
    for uid in (study_instance_uid, *series):
        if not pacs.names_one(uid):
            raise UsageError(say("%(uid)s is no UID: nothing can be fetched by it.", uid=repr(uid)), field="study")
    if method not in METHODS:
        raise UsageError(say("A study is retrieved by one of %(methods)s.", methods=", ".join(METHODS)), field="method")
    with store.database.write("study", "retrieval") as connection:
        known = retrievals.underway(connection, peer_name, study_instance_uid, series)
        if known is not None:
            return int(known.retrieval_id)
        number = retrievals.insert(
            connection,
            peer=peer_name,
            study_instance_uid=study_instance_uid,
            series=list(series),
            method=method,
            requested_by=str(actor),
        )
        detail = {"peer": peer_name}
        record(
            connection, "retrieve-requested", actor, object_kind="study", object_id=study_instance_uid, detail=detail
        )
    return number


def cancel_retrieve(store: Store, retrieval_id: int, actor: Actor) -> None:
    """Stop fetching. Raises NotFoundError, ConflictError when it has ended."""
    with store.database.write("retrieval") as connection:
        row = retrievals.get(connection, retrieval_id)
        if row is None:
            raise NotFoundError(say("There is no retrieval %(retrieval_id)s.", retrieval_id=retrieval_id))
        if row.state in retrievals.FINAL:
            raise ConflictError(
                say("Retrieval %(retrieval_id)s is %(state)s already.", retrieval_id=retrieval_id, state=row.state)
            )
        if row.state == retrievals.PENDING:
            retrievals.change(connection, retrieval_id, state=retrievals.CANCELED, message="cancelled")
        else:
            retrievals.change(connection, retrieval_id, cancel=True)
        record(connection, "retrieve-canceled", actor, object_kind="study", object_id=row.study_instance_uid)


def get_retrieval(store: Store, retrieval_id: int) -> dict[str, Any]:
    """A retrieval, for page, API and command line. Raises NotFoundError."""
    with store.database.read() as connection:
        row = retrievals.get(connection, retrieval_id)
    if row is None:
        raise NotFoundError(say("There is no retrieval %(retrieval_id)s.", retrieval_id=retrieval_id))
    return view(row)


def list_retrievals(store: Store, **conditions: Any) -> list[dict[str, Any]]:
    with store.database.read() as connection:
        return [view(row) for row in retrievals.page(connection, **conditions)]


def view(row: Retrieval) -> dict[str, Any]:
    names = (
        "retrieval_id",
        "peer",
        "study_instance_uid",
        "series",
        "method",
        "state",
        "done",
        "total",
        "message",
    )
    return {
        **{name: getattr(row, name) for name in names},
        "requested_by": row.requested_by,
        "updated": row.updated,
    }
