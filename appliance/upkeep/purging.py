"""``appliance purge``: films, discs, studies and audit past their days go, and the audit trail says which."""

from __future__ import annotations

import datetime as dt

from appliance.events import Actor, process_actor
from appliance.media import housekeeping as discs
from appliance.printing import housekeeping as films
from appliance.security.audit import record
from appliance.store import ages, audit
from appliance.store.store import Store
from appliance.studies import retention
from appliance.upkeep import kept, node_checks

KEEPER = process_actor("housekeeping")


def purge(store: Store, actor: Actor = KEEPER) -> dict[str, int]:
    """Remove what is past its days or above its quota; how many of each. Every one leaves its entry in the trail."""
    return {
        "films": films.purge(store),
        "discs": discs.purge(store),
        "studies": retention.purge(store, lambda: retention.in_use(store)),
        "audit": purge_audit(store, actor),
    }


def purge_audit(store: Store, actor: Actor = KEEPER, at: dt.datetime | None = None) -> int:
    """Forget audit entries past their days, oldest first; an entry keeps the hash where the rest begins.

    What a collector has not got yet stays until it has, also when it is another machine that sends it there.
    """
    sent = int(kept.recall(store, kept.FORWARDED, 0)) if node_checks.somebody_forwards(store) else 1 << 62
    moment = (at or ages.moment(store)) - dt.timedelta(days=store.settings.storage.audit_days)
    with store.database.write() as connection:
        last = audit.oldest_run(connection, moment, sent)
        if last is None:
            return 0
        detail = {"until": last.audit_id, "hash": last.hash}
        record(
            connection, "audit-purged", actor, object_kind="audit", detail=detail
        )  # before: numbers never start anew
        return audit.remove_until(connection, last.audit_id)
