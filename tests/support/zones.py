"""Another time zone, for this process: where people have another day than UTC."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def another_day() -> Iterator[dt.date]:
    """Local time is such that the date is not UTC's, at any hour; the local date."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Etc/GMT-14" if dt.datetime.now(dt.UTC).hour >= 11 else "Etc/GMT+12"
    time.tzset()
    try:
        here = dt.datetime.now().astimezone().date()
        assert here != dt.datetime.now(dt.UTC).date()
        yield here
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()
