"""Ages are counted without the time that nobody saw pass: a pure decision, and what is noted of it."""

from __future__ import annotations

import datetime as dt

import pytest

from appliance.store import ages
from appliance.store.ages import STEADY_SECONDS, Seen
from appliance.store.store import Store

DAY = 86400.0
BEGIN = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def looks(*steps: tuple[float, float]) -> Seen:
    """What is seen after steps of (days by the clock, days since the last look; below 0: since a new start)."""
    seen, clock, up = Seen(clock=BEGIN, boottime=100.0), BEGIN, 100.0
    for by_clock, passed in steps:
        clock += dt.timedelta(days=by_clock)
        up = up + passed * DAY if passed >= 0 else -passed * DAY
        seen = seen.then(clock, up)
    return seen


@pytest.mark.parametrize(
    ("steps", "leap"),
    [
        pytest.param([(0.01, 0.01), (1, 1)], 0, id="goes"),
        pytest.param([(1 / 24, 0)], 0, id="an hour ahead"),
        pytest.param([(2.9, -0.0001)], 0, id="off over a weekend"),
        pytest.param([(3650, 0)], 3650, id="ten years ahead"),
        pytest.param([(90, -0.0001)], 90, id="off for a season, or set while off"),
        pytest.param([(3650, 0), (3, 3)], 3650, id="ahead for three days"),
        pytest.param([(3650, 0), (4, 4), (3.1, 3.1)], 0, id="ahead for a week"),
        pytest.param([(3650, 0), (-3649, 0)], 0, id="ahead and back"),
        pytest.param([(-3650, 0)], 0, id="back"),
        pytest.param([(-3650, 0), (3650, 0)], 3650, id="back and ahead: a week's patience"),
        pytest.param([(3650, 20000)], 3650, id="the other clock leapt, too"),
        pytest.param([(20000, 0), (6, 6), (40, 0)], 20040, id="leaps again before the week is over"),
    ],
)
def test_what_a_clock_leaps_is_not_counted_for_a_week(steps: list[tuple[float, float]], leap: float) -> None:
    seen = looks(*steps)
    assert seen.leap.total_seconds() / DAY == pytest.approx(leap, abs=0.01)
    assert seen.moment == seen.clock - seen.leap
    assert (seen.trusted_in > 0) is (leap > 0) and seen.trusted_in <= STEADY_SECONDS


def test_it_is_noted_for_others_and_after_a_start(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ages.moment(store)
    real = ages.now
    monkeypatch.setattr(ages, "now", lambda: real() + dt.timedelta(days=400))
    for _ in range(2):
        assert (ages.moment(store) - first).total_seconds() < 60
    assert ages.seen_now(store).leap.days == 399 or ages.seen_now(store).leap.days == 400
    ages.trust_clock(store)
    assert (ages.moment(store) - first).days == 400
