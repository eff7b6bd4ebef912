"""What the appliance's own pages say of themselves."""

from __future__ import annotations

from appliance.printing.patterns import heading_for
from appliance.store.tables.base import now
from tests.support.zones import another_day


def test_a_page_bears_the_day_people_here_have() -> None:
    with another_day() as today:
        assert heading_for("film", now()) == f"film, {today}"
