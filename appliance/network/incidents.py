"""What went wrong on the wire: counted, told to a callback for the audit, and logged without flooding."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("appliance.network")

_REMEMBERED = 2000
_INTERVAL = 1.0


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something a peer did that it should not have done."""

    kind: str  # a word for counters and audit, e.g. "pdu-too-long", "too-many-associations"
    address: str  # IP address of the peer
    ae_title: str  # calling AE title as far as known, else ""
    message: str  # one line in words, without patient data
    unreported: int = 0  # incidents of this kind and address left out since the one before


OnIncident = Callable[[Incident], None]


class Reporter:
    """Passes incidents on: at most one a second per kind and address, and one log line a second per address."""

    def __init__(self, callback: OnIncident | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self._callback = callback
        self._lock = threading.Lock()
        self._told: _Recent = _Recent()
        self._logged: _Recent = _Recent()

    def __call__(self, kind: str, address: str, message: str, ae_title: str = "") -> None:
        with self._lock:
            self.counts[kind] += 1
            unreported = self._told.passes(f"{kind} {address}")
            loud = self._logged.passes(address)
        if unreported is not None and self._callback is not None:
            self._callback(
                Incident(kind=kind, address=address, ae_title=ae_title, message=message, unreported=unreported)
            )
        if loud is not None:
            more = f" ({loud} more not logged)" if loud else ""
            log.warning("%s from %s%s: %s%s", kind, address, f" ({ae_title})" if ae_title else "", message, more)


class _Recent:
    """When each key was last let through, bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def passes(self, key: str) -> int | None:
        """None to keep quiet; else how many were kept quiet since the last one."""
        now = time.monotonic()
        last, quiet = self._seen.get(key, (now - _INTERVAL, 0))
        if now - last < _INTERVAL:
            self._seen[key] = (last, quiet + 1)
            return None
        self._seen[key] = (now, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return quiet
