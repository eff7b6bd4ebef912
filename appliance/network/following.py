"""A query or a retrieve under way at a peer: followed by its responses, stopped when it is cancelled or has fallen
silent."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from appliance.errors import ApplianceError
from appliance.network.association import BoundedAssociation
from appliance.network.limits import Limits

log = logging.getLogger("appliance.network")

T = TypeVar("T")

LOOK_SECONDS = 0.5
WAKE_SECONDS = 0.05
CANCEL_GRACE = 10.0
"""Seconds a peer has to end what it was asked to cancel; then the association is cut."""


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """Counts of sub-operations as the peer tells them, while it goes and at the end."""

    completed: int = 0
    failed: int = 0
    warning: int = 0
    remaining: int = 0
    done: bool = False
    message: str = ""  # at the end: what went wrong, "" if nothing

    @property
    def ok(self) -> bool:
        """Ended, and nothing failed."""
        return self.done and not self.failed and not self.message


Progress = Callable[[Retrieved], None]


def no_progress(counts: Retrieved) -> None:
    """For retrieves whose progress is of no interest."""


def never() -> bool:
    """A retrieve nobody cancels."""
    return False


def nothing() -> object:
    """A retrieve of which nothing is seen but the responses."""
    return None


@dataclass(frozen=True, kw_only=True)
class Following:
    """What a caller wants to know of a query or a retrieve, and to say to it. Called from threads of their own."""

    progress: Progress = no_progress
    cancelled: Callable[[], bool] = never  # asked twice a second
    arriving: Callable[[], object] = nothing  # changes while instances come in, though the peer says nothing


class Watch:
    """A thread beside the one that waits for responses: it cancels, and ends a wait that lasts too long."""

    def __init__(
        self, association: BoundedAssociation, following: Following, cancel: Callable[[], None], limits: Limits
    ) -> None:
        self._association = association
        self._following = following
        self._cancel = cancel
        self._patience = limits.response_timeout
        self._heard = time.monotonic()
        self._cancelled_at: float | None = None
        self._over = threading.Event()
        self._seen: object = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled by us."""
        return self._cancelled_at is not None

    def heard(self) -> None:
        """The peer has said something."""
        self._heard = time.monotonic()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch as long as the block runs."""
        self._association.dimse_timeout = None  # silence is judged here
        thread = threading.Thread(target=self._run, name="retrieve-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if self._cancelled_at is None and answer(self._following.cancelled, False):
                self._cancelled_at = time.monotonic()
                self._ask_to_stop()
            if self._is_too_long(time.monotonic()):
                self._cut()
                return

    def _is_too_long(self, moment: float) -> bool:
        if self._cancelled_at is not None:
            return moment - self._cancelled_at > CANCEL_GRACE
        seen = answer(self._following.arriving, self._seen)
        if seen != self._seen or self._association.busy:
            self._seen, self._heard = seen, moment
        return moment - self._heard > self._patience

    def _ask_to_stop(self) -> None:
        try:
            self._cancel()
        except RuntimeError:  # the association has just ended
            return

    def _cut(self) -> None:
        self._association.cut_now()
        while not self._over.wait(WAKE_SECONDS):  # the association's own thread may take one before it ends
            self._association.dimse.msg_queue.put((None, None))


def answer(asked: Callable[[], T], otherwise: T) -> T:
    """What those say who follow; whom they ask in turn may be away for a moment, and the watch goes on."""
    try:
        return asked()
    except ApplianceError as error:
        log.warning("what an archive is asked for can't be followed now: %s", error)
        return otherwise


def each_response(responses: Iterator[tuple[Any, Any]], watch: Watch) -> Generator[tuple[Any, Any]]:
    """The status and the data set of each response, while the watch goes on."""
    with watch.watching():
        for status, identifier in responses:
            watch.heard()
            yield status, identifier
