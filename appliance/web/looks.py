"""Looks at patients' data go into the audit trail: once for each person and thing in a quarter of an hour."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from appliance.security.audit_verbs import note_look
from appliance.web.visitor import actor, store

SECONDS = 900
REMEMBERED = 10_000

_seen: OrderedDict[tuple[str, ...], float] = OrderedDict()
_lock = threading.Lock()


def note(event: str, object_kind: str, object_id: str = "", **detail: object) -> None:
    """Record that the visitor looked, unless that stands in the trail already."""
    who = actor()
    key = (store().database.url, who.name, who.address, event, object_id, str(sorted(detail.items())))
    moment = time.monotonic()
    with _lock:
        last = _seen.get(key)
        if last is not None and moment - last < SECONDS:
            return
    note_look(store(), who, event, object_kind=object_kind, object_id=object_id, detail=detail)
    with _lock:
        _seen[key] = moment
        _seen.move_to_end(key)
        while len(_seen) > REMEMBERED:
            _seen.popitem(last=False)
