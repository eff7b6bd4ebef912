"""Waiting for something to happen instead of asking a thousand times a second."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pynetdicom.timer import Timer


class Wake:
    """A descriptor that becomes readable when another thread calls :meth:`set`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._descriptor = -1  # where there is none left
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._descriptor

    def set(self) -> None:
        """Wake the waiter; nothing happens once it is closed."""
        with self._lock:
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def clear(self) -> None:
        """Forget all calls of :meth:`set` so far."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        # Under the lock: a number that was closed may by then be someone else's file.
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def __del__(self) -> None:
        self.close()


class MonotonicTimer(Timer):
    """pynetdicom's timer on a clock that nobody can set."""

    @property
    def remaining(self) -> float:
        if self.timeout is None:
            return 1
        if self._start_time is None:
            return self.timeout
        end = time.monotonic() if self._end_time is None else self._end_time
        return self.timeout - (end - self._start_time)

    @property
    def elapsed(self) -> float:
        """Seconds since it was started; 0 before."""
        return 0.0 if self._start_time is None else time.monotonic() - self._start_time

    @property
    def running(self) -> bool:
        """Started, not stopped, and with a timeout."""
        return self.timeout is not None and self._start_time is not None and self._end_time is None

    def start(self) -> None:
        self._start_time = time.monotonic()
        self._end_time = None

    def stop(self) -> None:
        self._end_time = time.monotonic()


class Waiters(threading.Condition):
    """A condition with its waiters in a list: an empty deque takes 760 bytes, and an association waits for much."""

    def __init__(self, lock: Any = None) -> None:
        super().__init__(lock)
        self._waiters: list[Any] = []


class LeanEvent(threading.Event):
    """An event that takes as little."""

    def __init__(self) -> None:
        super().__init__()
        self._cond = Waiters(threading.Lock())


class LeanQueue(queue.Queue[Any]):
    """A queue without a maximum that nobody joins: one condition instead of three, a list instead of a deque."""

    def __init__(self) -> None:
        # not queue.Queue's own: what it makes is what is to be spared
        self.maxsize = 0
        self.queue: Any = self._room()
        self.mutex = threading.Lock()
        self.not_empty = self.not_full = self.all_tasks_done = Waiters(self.mutex)
        self.unfinished_tasks = 0
        self.is_shutdown = False  # asked for from Python 3.13 on

    def _room(self) -> Any:
        return []

    def _get(self) -> Any:
        return self.queue.pop(0)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Never waits."""
        with self.not_empty:
            self._put(item)
            self.unfinished_tasks += 1
            self.not_empty.notify_all()  # both who waits for an item and who only watches


class MessageQueue(LeanQueue):
    """A queue whose reader can also be woken without an item."""

    def __init__(self) -> None:
        super().__init__()
        self._nudged = False

    def _room(self) -> Any:
        return deque()  # as SCU there may be many

    def _get(self) -> Any:
        return self.queue.popleft()

    def nudge(self) -> None:
        """Wake a thread in :meth:`wait`."""
        with self.not_empty:
            self._nudged = True
            self.not_empty.notify_all()

    def wait(self, timeout: float) -> None:
        """Return when there is an item, after a nudge, or after `timeout` seconds. Takes nothing."""
        with self.not_empty:
            self.not_empty.wait_for(lambda: self._qsize() or self._nudged, timeout)
            self._nudged = False


class WakingQueue(LeanQueue):
    """A queue that calls someone after each put."""

    def __init__(self, after_put: Callable[[], None]) -> None:
        super().__init__()
        self._after_put = after_put

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._after_put()
