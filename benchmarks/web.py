"""The page among 100,000 print jobs and 20,000 studies: server time of the slowest answers.

Server time is the processor's time of the answering thread, from the request to the whole answer, so that other work
on the machine does not count.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flask.testing import FlaskClient
from sqlalchemy import insert

from appliance.config import Settings
from appliance.events import process_actor
from appliance.printing.first_run import add_first_printer
from appliance.security import tokens
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.store.tables.printing import film, job_event, print_job
from appliance.store.tables.studies import study, study_word
from appliance.web.app import create_app

JOBS = 100_000
STUDIES = 20_000
ASKED = 60
BATCH = 5000
STATES = ("completed",) * 96 + ("pending-held", "aborted", "canceled", "pending")
FAMILIES = ("Ivanova", "Shevchenko", "Silva", "Wang", "Doe", "Müller", "Иванова", "王")


def run() -> list[dict[str, Any]]:
    """The 95th percentile of each list page, of search and of the polled fragment."""
    with tempfile.TemporaryDirectory() as folder:
        values = {"web": {"port": 0}, "storage": {"reserve_percent": 0, "reserve_mib": 1}}
        store = open_store(Path(folder) / "data", settings=Settings.model_validate(values))
        add_first_printer(store)
        _fill(store)
        client = create_app(store).test_client()
        secret = tokens.create_token(store, "bench", "admin", process_actor("bench"))
        ask = _asker(client, {"Authorization": f"Bearer {secret}"})
        measured = {name: _p95(ask, path) for name, path in _paths().items()}
        fragment = _p95_fragment(client, secret)
        store.close()
    rows = [_row(name, milliseconds, 100) for name, milliseconds in measured.items()]
    return [*rows, _row("print jobs, polled, nothing changed", fragment, 10)]


def _row(name: str, milliseconds: float, goal: int) -> dict[str, Any]:
    return {"name": name, "p95_ms": milliseconds, "goal": f"under {goal}"}


def _paths() -> dict[str, Callable[[int], str]]:
    return {
        "print jobs": lambda number: "/print-jobs",
        "print jobs, deep in the list": lambda number: f"/print-jobs?before={JOBS - number * 900}",
        "print jobs, held": lambda number: "/print-jobs?state=held",
        "print jobs of a peer": lambda number: f"/print-jobs?originator=CT{number % 20}",
        "print jobs, search": lambda number: f"/print-jobs?text=label+{number * 997}",
        "studies": lambda number: "/studies",
        "studies, search": lambda number: f"/studies/search?text={FAMILIES[number % 8][:3]}+{number}",
        "overview": lambda number: "/",
        "API, print jobs": lambda number: f"/api/v1/print-jobs?limit=50&before={JOBS - number * 900}",
    }


def _fill(store: Store) -> None:
    start = now() - dt.timedelta(days=60)
    for first in range(1, JOBS + 1, BATCH):
        numbers = range(first, first + BATCH)
        with store.database.write("print") as connection:
            connection.execute(insert(print_job), [_job(number, start) for number in numbers])
            connection.execute(insert(film), [_film(number) for number in numbers])
            connection.execute(insert(job_event), [_event(number, start) for number in numbers])
    for first in range(1, STUDIES + 1, BATCH):
        numbers = range(first, first + BATCH)
        with store.database.write("study") as connection:
            connection.execute(insert(study), [_study(number, start) for number in numbers])
            connection.execute(insert(study_word), [word for number in numbers for word in _words(number)])


def _job(number: int, start: dt.datetime) -> dict[str, Any]:
    at = start + dt.timedelta(seconds=number * 50)
    state = STATES[number % 100]
    return {
        "job_id": number, "printer": "film", "job_state": state, "job_state_reasons": [],
        "originator": f"CT{number % 20}",
        "priority": 2, "copies": 1, "collated": False, "films": 1,
        "color": False, "label": f"label {number}",
        "print_job_uid": f"1.2.3.{number}", "fingerprint": f"{number:064}", "warnings": [], "bytes": 5_000_000,
        "composed": True, "created": at, "updated": at, "completed": at if state == "completed" else None,
    }  # fmt: skip


def _film(number: int) -> dict[str, Any]:
    size, layout = "14INX17IN", "STANDARD\\2,3"
    return {"job_id": number, "film": 1, "image_display_format": layout, "film_size_id": size, "warnings": []}


def _event(number: int, start: dt.datetime) -> dict[str, Any]:
    return {"kind": "print", "job_id": number, "at": start, "state": "pending", "reasons": [], "actor": "CT"}


def _study(number: int, start: dt.datetime) -> dict[str, Any]:
    at = start + dt.timedelta(seconds=number)
    return {
        "study_instance_uid": f"1.2.4.{number}", "patient_name": f"{FAMILIES[number % 8]}^{number}",
        "patient_id": f"P{number}", "study_date": f"2026{number % 12 + 1:02}{number % 28 + 1:02}",
        "modalities": ["CT"], "series": 4, "instances": 100, "bytes": 50_000_000, "missing": [],
        "received": at, "updated": at, "used": at,
    }  # fmt: skip


def _words(number: int) -> list[dict[str, Any]]:
    texts = (("n", FAMILIES[number % 8].casefold()), ("n", str(number)), ("i", f"p{number}"))
    return [{"kind": kind, "word": word, "study_id": number} for kind, word in texts]


def _asker(client: FlaskClient, headers: dict[str, str]) -> Callable[[str], float]:
    def ask(path: str) -> float:
        began = time.thread_time()
        got = client.get(path, headers=headers)
        seconds = time.thread_time() - began
        assert got.status_code in (200, 204), (path, got.status_code)
        return seconds

    return ask


def _p95(ask: Callable[[str], float], path: Callable[[int], str]) -> float:
    ask(path(0))
    return round(float(np.percentile([ask(path(number)) for number in range(ASKED)], 95)) * 1000, 1)


def _p95_fragment(client: FlaskClient, secret: str) -> float:
    """A fragment asked for with what was seen: 304, without a row read."""
    headers = {"Authorization": f"Bearer {secret}"}
    tag = client.get("/print-jobs/live", headers=headers).headers["ETag"]
    took = []
    for _ in range(ASKED):
        began = time.thread_time()
        got = client.get("/print-jobs/live", headers=headers | {"If-None-Match": tag})
        took.append(time.thread_time() - began)
        assert got.status_code == 304
    return round(float(np.percentile(took, 95)) * 1000, 1)
