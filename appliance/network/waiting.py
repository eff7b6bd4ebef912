"""Waiting for something to happen instead of asking a thousand times a second."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from pynetdicom.timer import Timer


class Wake:
    """A descriptor that becomes readable when another thread calls :meth:`set`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
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


class MessageQueue(queue.Queue[Any]):
    """A queue whose reader can also be woken without an item."""

    def __init__(self) -> None:
        super().__init__()
        self._nudged = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Never waits: the queue has no maximum."""
        with self.not_empty:
            self._put(item)
            self.unfinished_tasks += 1
            self.not_empty.notify_all()  # both who waits for an item and who only watches

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


class WakingQueue(queue.Queue[Any]):
    """A queue that calls someone after each put."""

    def __init__(self, after_put: Callable[[], None]) -> None:
        super().__init__()
        self._after_put = after_put

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._after_put()
