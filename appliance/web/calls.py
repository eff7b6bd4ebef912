"""Requests that wait for other machines: never so many that the page has no thread left for everybody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, current_app

from appliance.errors import ResourceError
from appliance.web.visitor import store
from appliance.words import say


def install(app: Flask) -> None:
    """Half of the server's threads may wait for peers; the watchdog ends a page none of whose threads answers."""
    with app.app_context():
        app.extensions["calls"] = threading.BoundedSemaphore(max(1, store().settings.web.threads // 2))


@contextmanager
def calling_out() -> Iterator[None]:
    """While a peer is called. Raises ResourceError when as many as may wait for one do so already."""
    places = current_app.extensions["calls"]
    if not places.acquire(blocking=False):
        raise ResourceError(say("Too many wait for archives and other peers just now: try again in a minute."))
    try:
        yield
    finally:
        places.release()
