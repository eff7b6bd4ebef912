"""How long a job waits before it is tried again."""

from __future__ import annotations

from appliance.jobs.retry import wait_after


def test_waiting_grows_to_five_minutes() -> None:
    assert [wait_after(attempts).total_seconds() for attempts in (1, 2, 3, 4, 5, 50)] == [5, 15, 60, 120, 300, 300]
