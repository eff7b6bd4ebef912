"""A log that peers can't flood: lines about what somebody on the network did are counted, most of a flood left out."""

from __future__ import annotations

import logging
import re
import threading
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass

OF_PEERS = ("appliance.dicom", "appliance.network", "pynetdicom", "pydicom", "waitress")
"""Loggers whose lines are about peers."""

ABOUT_ONE = (100, 1.0)
"""Lines about what one address does: so many in a row, then so many a second."""
AGAINST_ONE = (30, 1.0)
"""Warnings and errors about one address: a job that goes wrong in many ways is told of, then one a second."""
SAME_WORDS = (100, 5.0)
"""Lines with the same words, about anybody."""
REMEMBERED = 2000
"""Addresses and words counted at once."""
ADDRESS = re.compile(r"(?:@|from )((?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9a-fA-F]*:[0-9a-fA-F.:]*[0-9a-fA-F])")


@dataclass
class Bucket:
    """Lines that may pass now, and how many did not."""

    burst: int
    rate: float  # a second
    left: float
    at: float  # monotonic moment of `left`
    kept_back: int = 0

    def refill(self, moment: float) -> None:
        self.left, self.at = min(self.burst, self.left + (moment - self.at) * self.rate), moment


class Calm(logging.Filter):
    """Lets a burst pass, then some lines a second; the next to pass says how many did not."""

    def __init__(self) -> None:
        super().__init__()
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line passes."""
        if not record.name.startswith(OF_PEERS):
            return True
        address = ADDRESS.search(record.getMessage()[:500]) or ADDRESS.search(getattr(record, "peer", ""))
        with self._lock:
            left_out = self._count(str(record.msg)[:200], address[1] if address else "", record.levelno)
        if left_out:
            record.msg = f"{record.msg} ({left_out} lines before it not logged)"
        return left_out is not None

    def _count(self, words: str, address: str, level: int) -> int | None:
        """None: keep it back; else how many of its kind were kept back before it."""
        moment = time.monotonic()
        buckets = [self._bucket(("words", words), SAME_WORDS, moment)]
        if address:
            bad = level >= logging.WARNING
            kind, limit = ("against", AGAINST_ONE) if bad else ("about", ABOUT_ONE)
            buckets.append(self._bucket((kind, address), limit, moment))
        if any(bucket.left < 1 for bucket in buckets):
            buckets[-1].kept_back += 1
            return None
        for bucket in buckets:
            bucket.left -= 1
        before, buckets[-1].kept_back = buckets[-1].kept_back, 0
        return before

    def _bucket(self, key: tuple[str, str], limit: tuple[int, float], moment: float) -> Bucket:
        burst, rate = limit
        found = self._buckets.setdefault(key, Bucket(burst=burst, rate=rate, left=burst, at=moment))
        found.refill(moment)
        self._buckets.move_to_end(key)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return found


def keep_calm(handler: logging.Handler) -> None:
    """Keep floods of peers' doings, and what libraries say of their bytes, out of a handler."""
    handler.addFilter(Calm())
    for told_otherwise in ("pynetdicom.utils", "pynetdicom.fsm"):  # bad bytes of peers are told as incidents
        logging.getLogger(told_otherwise).setLevel(logging.CRITICAL)
    # pydicom's quote values, and those may be names; any other rule would also remember each text for ever
    warnings.simplefilter("ignore")
