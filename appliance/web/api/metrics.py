"""/metrics for Prometheus: what the database and the disk say now. No patient's data."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort, g, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from appliance.media import burners
from appliance.media import views as disc_views
from appliance.printing import printer_verbs, views
from appliance.store.store import Store
from appliance.web.visitor import PUBLIC, address, needs, store

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@needs(PUBLIC)
def metrics() -> Any:
    """For a token, and for this machine itself."""
    if g.visitor is None and not _is_here():
        abort(401)
    registry = CollectorRegistry()
    registry.register(_Collector(store()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _is_here() -> bool:
    """Asked from this machine, and not by way of a proxy on it."""
    try:
        return ipaddress.ip_address(address()).is_loopback and not request.headers.get("X-Forwarded-For")
    except ValueError:
        return False


class _Collector:
    def __init__(self, store: Store) -> None:
        self.store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every figure, read anew."""
        yield _gauge("print_jobs", "Print jobs not ended", ("printer", "state"), views.waiting_jobs(self.store))
        yield _gauge("print_queue_age_seconds", "Age of the oldest", ("printer",), views.queue_ages(self.store))
        yield _gauge("printer_ready", "1: prints", ("printer",), _ready_printers(self.store))
        yield _gauge("discs", "Discs not ended", ("burner", "status"), disc_views.waiting_discs(self.store))
        yield _gauge("burner_ready", "1: burns", ("burner",), _ready_burners(self.store))
        folder = self.store.folder
        room = {("free",): folder.free_bytes(), ("total",): folder.total_bytes()}
        yield _gauge("disk_bytes", "The disk of the data folder", ("what",), room)
        yield _gauge("room", "1: new work is taken", (), {(): int(self.store.has_room())})


def _ready_printers(store: Store) -> dict[tuple[str, ...], float]:
    printers = printer_verbs.all_printers(store)
    return {(each.name,): int(not each.paused and each.printer_state != "stopped") for each in printers}


def _ready_burners(store: Store) -> dict[tuple[str, ...], float]:
    every = burners.all_burners(store)
    return {(each.name,): int(not each.paused and each.burner_state != "stopped") for each in every}


def _gauge(name: str, words: str, labels: tuple[str, ...], values: Any) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"appliance_{name}", words, labels=labels)
    for key, value in values.items():
        family.add_metric([str(part) for part in key], value)
    return family
