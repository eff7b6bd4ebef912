"""A clock that leaps: nothing is removed as too old, and nothing waits for a moment that is years away."""

from __future__ import annotations

import datetime as dt

import pytest

from appliance.config import Settings
from appliance.events import Actor
from appliance.media.worker import DiscWorker
from appliance.printing import jobs
from appliance.store import ages, audit, commitments, discs, studies
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.upkeep import health, purging
from tests.media.disc_helpers import CLERK, STUDY, ordered, with_study
from tests.printing.films import add_folder_printer, submit_films

TEN_YEARS = dt.timedelta(days=3650)


@pytest.fixture
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a study, a finished disc, an ended film, and their audit entries; housekeeping has looked once."""
    settings = Settings.model_validate({"storage": {"reserve_percent": 0, "reserve_mib": 1}})
    store = open_store(tmp_path_factory.mktemp("kept"), settings=settings)
    with_study(store)
    ordered(store)
    DiscWorker(store).work_off()
    jobs.cancel(store, submit_films(store, add_folder_printer(store)), CLERK)
    assert set(purging.purge(store).values()) == {0}
    return store


def test_nothing_is_too_old_because_the_clock_leapt(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ages.now
    monkeypatch.setattr(ages, "now", lambda: real() + TEN_YEARS)
    assert set(purging.purge(kept).values()) == {0}
    said = [one for one in health.look(kept) if one.topic == "clock"]
    assert [one.level for one in said] == ["warning"]
    assert "3650 days more than this machine saw pass" in said[0].text and "--trust-clock" in said[0].advice
    ages.trust_clock(kept)
    purged = purging.purge(kept)
    assert (purged["films"], purged["discs"], purged["studies"]) == (1, 1, 1) and purged["audit"] > 3
    with kept.database.read() as connection:
        assert audit.last_moment(connection) is not None


def test_a_quota_holds_while_the_clock_is_wrong(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came while it was ahead is dated years from now: it goes when there is no room, as all else."""
    with kept.database.write("study") as connection:
        studies.change(connection, STUDY, used=now() + TEN_YEARS)
    monkeypatch.setattr(Store, "has_room", lambda self, wanted=0: False)
    purged = purging.purge(kept)
    assert (purged["films"], purged["discs"], purged["studies"]) == (1, 1, 1)


@pytest.mark.both_databases
def test_nothing_waits_for_a_moment_a_clock_told_before_it_was_put_back(store: Store, clerk: Actor) -> None:
    with_study(store)
    disc_id = ordered(store)
    ahead = now() + dt.timedelta(hours=3)
    with store.database.write("disc", "study", "commitment") as connection:
        discs.change(connection, disc_id, not_before=ahead)
        number = commitments.insert(
            connection, transaction_uid="1.2", ae_title="CT", address="", peer="CT", called_ae_title="A", asked=[]
        )
        commitments.change(connection, number, not_before=ahead)
        studies.change(connection, STUDY, peer="CT", awaits_rule=True, updated=ahead)
    with store.database.read() as connection:
        assert discs.to_build(connection) == disc_id
        assert commitments.peers_due(connection) == ["CT"]
        assert [row.commitment_id for row in commitments.due(connection, "CT")] == [number]
        assert [row.study_instance_uid for row in studies.quiet_since(connection, "CT", now())] == [STUDY]


@pytest.mark.both_databases
def test_what_was_put_off_for_a_while_waits_for_it(store: Store) -> None:
    with_study(store)
    disc_id = ordered(store)
    soon = now() + dt.timedelta(minutes=4)
    with store.database.write("disc", "commitment") as connection:
        discs.change(connection, disc_id, not_before=soon)
        number = commitments.insert(
            connection, transaction_uid="1.2", ae_title="CT", address="", peer="CT", called_ae_title="A", asked=[]
        )
        commitments.change(connection, number, not_before=soon, attempts=1)
    with store.database.read() as connection:
        assert discs.to_build(connection) is None
        assert commitments.peers_due(connection) == []
