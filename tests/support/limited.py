"""A store with limits of its own."""

from __future__ import annotations

from dataclasses import replace

from appliance.config import LimitsSettings
from appliance.store.store import Store


def limited(store: Store, **limits: int) -> Store:
    return replace(store, settings=store.settings.model_copy(update={"limits": LimitsSettings(**limits)}))
