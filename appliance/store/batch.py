"""Group commit: transactions of several threads become one, and each thread waits until its own is durable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from appliance.errors import ResourceError
from appliance.store.database import Database

T = TypeVar("T")
Deed = Callable[[Connection], Any]

LARGEST = 100
"""Deeds in one transaction: a long one would keep other processes' writers waiting."""


@dataclass(eq=False)
class _Waiting:
    deed: Deed
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        self.result = self.deed(connection)

    def outcome(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


class Batch:
    """Writes of many threads, committed together. The first to come does the work for those that come meanwhile."""

    def __init__(self, database: Database, *topics: str) -> None:
        self._database = database
        self._topics = topics
        self._working = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Waiting] = []

    def write(self, deed: Callable[[Connection], T]) -> T:
        """Run `deed` in a write transaction; returns its result once that is committed. Raises what it raises.

        A deed may be run twice (when another one of its transaction fails): what it does besides SQL must bear that.
        """
        mine = _Waiting(deed)
        with self._queue_lock:
            self._queue.append(mine)
        with self._working:
            while not mine.done.is_set():
                self._work()
        result: T = mine.outcome()
        return result

    def _work(self) -> None:
        """Commit what has queued up. Whoever is still in the queue waits for the lock and sees to it himself."""
        with self._queue_lock:
            taken, self._queue = self._queue[:LARGEST], self._queue[LARGEST:]
        together = self._together(taken) if len(taken) > 1 else None
        for place, each in enumerate(taken):
            if each.done.is_set():
                continue
            self._alone(each)
            if isinstance(each.error, ResourceError):  # each of the others would wait as long, one after the other
                self._give_up(taken[place + 1 :], together if isinstance(together, ResourceError) else each.error)

    def _together(self, taken: list[_Waiting]) -> BaseException | None:
        """What one of them failed by: each is tried alone then, and only the culprits are told."""
        try:
            with self._database.write(*self._topics) as connection:
                for each in taken:
                    each.run(connection)
        except BaseException as error:
            return error
        for each in taken:
            each.done.set()
        return None

    def _give_up(self, waiting: list[_Waiting], error: BaseException) -> None:
        for each in waiting:
            each.error = error
            each.done.set()

    def _alone(self, waiting: _Waiting) -> None:
        try:
            with self._database.write(*self._topics) as connection:
                waiting.run(connection)
        except BaseException as error:
            waiting.error = error
        waiting.done.set()
