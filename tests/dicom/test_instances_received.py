"""The audit of received instances: of associations that end together, and of those that found no database."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from appliance.dicom.instances_received import InstancesReceived
from appliance.events import Actor
from appliance.security.audit_verbs import check_chain
from appliance.store.store import Store
from appliance.store.tables.security import audit
from tests.support.away import away_once

pytestmark = pytest.mark.both_databases

FIRST, SECOND = (Actor(name=name, kind="peer", address="192.0.2.1") for name in ("FIRST", "SECOND"))


def entries(store: Store) -> list[tuple[str, str, dict[str, int]]]:
    with store.database.read() as connection:
        rows = connection.execute(select(audit).where(audit.c.event == "instances-received").order_by(audit.c.audit_id))
        return [(row.actor, row.object_id, row.detail) for row in rows]


def test_those_of_an_association_that_found_no_database_come_with_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = InstancesReceived(store.database)
    away_once(monkeypatch)
    received.tell(FIRST, Counter({("1.2", "stored"): 3, ("1.2", "known"): 1, ("1.3", "stored"): 2}))
    assert entries(store) == []
    received.tell(SECOND, Counter({("1.4", "stored"): 1}))
    assert entries(store) == [
        ("FIRST", "1.2", {"stored": 3, "known": 1}),
        ("FIRST", "1.3", {"stored": 2}),
        ("SECOND", "1.4", {"stored": 1}),
    ]
    assert check_chain(store) is None


def test_a_crowd_that_ends_at_once_has_an_entry_each(store: Store) -> None:
    received = InstancesReceived(store.database)
    with ThreadPoolExecutor(50) as crowd:
        list(crowd.map(lambda number: received.tell(FIRST, Counter({(f"1.{number}", "stored"): 1})), range(200)))
    assert sorted(study for _, study, _ in entries(store)) == sorted(f"1.{number}" for number in range(200))
    assert check_chain(store) is None
