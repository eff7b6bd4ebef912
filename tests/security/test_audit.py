"""The audit trail is a chain: what was changed afterwards shows."""

from __future__ import annotations

from sqlalchemy import text

from appliance.events import Actor
from appliance.security.audit import first_broken, record
from appliance.store.store import Store


def fill(store: Store, actor: Actor) -> None:
    for number in range(5):
        with store.database.write() as connection:
            record(
                connection, "film-printed", actor, object_kind="print-job", object_id=str(number), detail={"n": number}
            )


def test_an_untouched_chain_is_whole(store: Store, clerk: Actor) -> None:
    fill(store, clerk)
    with store.database.read() as connection:
        assert first_broken(connection) is None


def test_a_changed_and_a_removed_entry_are_found(store: Store, clerk: Actor) -> None:
    fill(store, clerk)
    with store.database.write() as connection:
        connection.execute(text("UPDATE audit SET actor = 'nobody' WHERE audit_id = 3"))
    with store.database.read() as connection:
        assert first_broken(connection) == 3
    with store.database.write() as connection:
        connection.execute(text("DELETE FROM audit WHERE audit_id = 3"))
    with store.database.read() as connection:
        assert first_broken(connection) == 4


def test_an_entry_is_kept_only_with_what_it_tells_of(store: Store, clerk: Actor) -> None:
    try:
        with store.database.write() as connection:
            record(connection, "film-printed", clerk)
            raise RuntimeError("the deed failed")
    except RuntimeError:
        pass
    with store.database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM audit")) == 0
