"""The watch over a retrieve, and whom it asks."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.errors import ResourceError
from appliance.network import following
from appliance.network.following import Following, Watch
from appliance.network.limits import DEFAULT_LIMITS
from appliance.network.waiting import MessageQueue


class Association:
    """One whose peer says nothing."""

    dimse_timeout, busy = 1.0, False

    def __init__(self) -> None:
        self.cut = threading.Event()
        self.dimse = SimpleNamespace(msg_queue=MessageQueue())

    def cut_now(self) -> None:
        self.cut.set()


def away() -> Any:
    raise ResourceError("The database can't be read: it is away.")


def test_a_silent_peer_is_given_up_though_nobody_can_say_what_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    association, limits = Association(), replace(DEFAULT_LIMITS, response_timeout=0.1)
    watch = Watch(association, Following(cancelled=away, arriving=away), lambda: None, limits)  # type: ignore[arg-type]
    with watch.watching():
        assert association.cut.wait(10)
    assert not watch.cancelled


def test_a_cancel_is_heard_once_the_database_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    answers, told = [away, away, bool, away], threading.Event()

    def cancelled() -> bool:
        return bool(answers.pop()()) if answers else True

    watch = Watch(Association(), Following(cancelled=cancelled), told.set, DEFAULT_LIMITS)  # type: ignore[arg-type]
    with watch.watching():
        assert told.wait(10)
    assert watch.cancelled
