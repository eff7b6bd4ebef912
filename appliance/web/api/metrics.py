"""/metrics for Prometheus: what the database and the disk say. No patient's data: states, names of devices, sums."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Blueprint, Response, abort, g, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from appliance.media import burners
from appliance.media import views as disc_views
from appliance.printing import printer_verbs, views
from appliance.store import tally
from appliance.store.discs import STATUSES
from appliance.store.job_states import JOB_STATES
from appliance.store.store import Store
from appliance.studies import uploads
from appliance.web.visitor import PUBLIC, address, needs, store

blueprint = Blueprint("metrics", __name__)

# Nought is told, too: Prometheus sees no first failure rise from nothing, and a panel says "no data".
ARRIVALS = {("import", "pending"): 0, ("retrieval", "pending"): 0}
OUTCOMES = {"accepted": 0.0, "rejected": 0.0, "broken": 0.0}


@blueprint.get("/metrics")
@needs(PUBLIC)
def metrics() -> Any:
    """For a token that sees more than a desk's discs, and for this machine itself."""
    if not (g.visitor and g.visitor.may("overview.see")) and not _is_here():
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

    def collect(self) -> Iterator[Metric]:
        """Every figure, read anew."""
        yield from self._queues()
        yield from self._machine()
        yield from self._sums()

    def _queues(self) -> Iterator[Metric]:
        store = self.store
        yield _gauge("print_jobs", "Print jobs by state", ("printer", "state"), _jobs_by_state(store))
        ages = _noughts(_ready_printers(store)) | views.queue_ages(store)
        yield _gauge("print_queue_age_seconds", "Age of the oldest waiting", ("printer",), ages)
        yield _gauge("printer_ready", "1: prints", ("printer",), _ready_printers(store))
        yield _gauge("discs", "Discs by Execution Status", ("burner", "status"), _discs_by_status(store))
        ages = _noughts(_ready_burners(store)) | disc_views.queue_ages(store)
        yield _gauge("disc_queue_age_seconds", "Age of the oldest waiting", ("burner",), ages)
        yield _gauge("burner_ready", "1: burns", ("burner",), _ready_burners(store))
        yield _gauge(
            "arrivals", "Retrievals and imports not ended", ("kind", "state"), ARRIVALS | uploads.underway(store)
        )

    def _machine(self) -> Iterator[Metric]:
        store, folder = self.store, self.store.folder
        opened = {(): tally.level(store.database, "associations_open", store.node)}
        yield _gauge("associations_open", "Associations now", (), opened)
        free, total = folder.room()
        room = {("free",): free, ("total",): total}
        yield _gauge("disk_bytes", "The disk of the data folder", ("what",), room)
        yield _gauge("room", "1: new work is taken", (), {(): int(store.has_room())})

    def _sums(self) -> Iterator[Metric]:
        """Since the appliance was set up, up to a few seconds ago (store.tally)."""
        steps = SummaryMetricFamily("appliance_step_seconds", "Seconds each step took", labels=("step",))
        for step, each in tally.read(self.store.database, "steps").items():
            steps.add_metric([step], count_value=each.count, sum_value=each.total)
        yield steps
        associations = tally.read(self.store.database, "associations")
        yield _counter("associations", "Associations by outcome", "outcome", OUTCOMES | _counts(associations))
        for name, words in (("films", "Films taken"), ("instances", "Instances taken")):
            taken = tally.read(self.store.database, f"{name}_in")
            yield _counter(f"{name}_received", words, "sender", _counts(taken))
            yield _counter(f"{name}_received_bytes", f"{words}, bytes", "sender", _totals(taken))


def _counts(sums: dict[str, tally.Sum]) -> dict[str, float]:
    return {label: each.count for label, each in sums.items()}


def _totals(sums: dict[str, tally.Sum]) -> dict[str, float]:
    return {label: each.total for label, each in sums.items()}


def _jobs_by_state(store: Store) -> dict[tuple[str, str], int]:
    none = {(each.name, state): 0 for each in printer_verbs.all_printers(store) for state in JOB_STATES}
    return none | views.jobs_by_state(store)


def _discs_by_status(store: Store) -> dict[tuple[str, str], int]:
    none = {(each.name, status): 0 for each in burners.all_burners(store) for status in STATUSES}
    return none | disc_views.discs_by_status(store)


def _noughts(of: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    return dict.fromkeys(of, 0.0)


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


def _counter(name: str, words: str, label: str, values: dict[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"appliance_{name}", words, labels=(label,))
    for key, value in values.items():
        family.add_metric([key], value)
    return family
