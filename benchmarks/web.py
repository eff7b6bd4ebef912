"""The page among 100,000 print jobs and 20,000 studies of 2,000,000 instances: how long answers take, and for whom.

Server time is the processor's time of the answering thread, from the request to the whole answer, so that other work
on the machine does not count. What a crowd does to it is measured from outside: see web_crowd.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from flask.testing import FlaskClient
from sqlalchemy import insert

from appliance.config import Settings
from appliance.events import process_actor
from appliance.printing.finding import job_words
from appliance.printing.first_run import add_first_printer
from appliance.security import tokens, users
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.store.tables.printing import film, job_event, print_job, print_job_word
from appliance.web.app import create_app
from benchmarks import studies, web_crowd
from benchmarks.support import workplace

JOBS = 100_000
ASKED = 60
BATCH = 5000
PASSWORD = "three odd words"
STATES = ("completed",) * 96 + ("pending-held", "aborted", "canceled", "pending")


def run() -> list[dict[str, Any]]:
    """The 95th percentile of each list page, of search and of the polled fragment; the first load; crowds."""
    with workplace() as folder:
        data = folder / "data"
        values = {"web": {"port": 0}, "storage": {"reserve_percent": 0, "reserve_mib": 1}}
        store = open_store(data, settings=Settings.model_validate(values))
        add_first_printer(store)
        _fill(store)
        secret = tokens.create_token(store, "bench", "admin", process_actor("bench"))
        users.add_user(store, "bench", "admin", PASSWORD, process_actor("bench"))
        rows = _alone(store, secret)
        store.close()
        return [*rows, *web_crowd.rows(data, secret)]


def _alone(store: Store, secret: str) -> list[dict[str, Any]]:
    client = create_app(store).test_client()
    ask = _asker(client, {"Authorization": f"Bearer {secret}"})
    measured = {name: _p95(ask, path) for name, path in _paths().items()}
    fragment = _p95_fragment(client, secret)
    rows = [_row(name, milliseconds, 100) for name, milliseconds in measured.items()]
    return [
        *rows,
        _row("print jobs, polled, nothing changed", fragment, 10),
        {
            "name": "first load of the overview: page, styles, scripts, pictures",
            "kb": _first_load(client, secret),
            "goal": "under 200",
        },
    ]


def _first_load(client: FlaskClient, secret: str) -> float:
    """Kilobytes a browser takes that has never been here, as they go over the line."""
    headers = {"Authorization": f"Bearer {secret}"}
    page = client.get("/", headers=headers)
    parts = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', page.text))
    return round((len(page.data) + sum(len(client.get(part).data) for part in parts)) / 1000, 1)


def _row(name: str, milliseconds: float, goal: int) -> dict[str, Any]:
    return {"name": name, "p95_ms": milliseconds, "goal": f"under {goal}"}


def _paths() -> dict[str, Callable[[int], str]]:
    return {
        "print jobs": lambda number: "/print-jobs",
        "print jobs, deep in the list": lambda number: f"/print-jobs?before={JOBS - number * 900}",
        "print jobs, held": lambda number: "/print-jobs?state=held",
        "print jobs of a peer": lambda number: f"/print-jobs?originator=CT{number % 20}",
        "print jobs, search": lambda number: f"/print-jobs?text=label+{number * 997}",
        "print jobs, search, one word of all": lambda number: "/print-jobs?text=label",
        "print jobs, search, nothing there": lambda number: f"/print-jobs?text=nobody{number}+label",
        "studies": lambda number: "/studies",
        "studies, search": lambda number: f"/studies/search?text={studies.FAMILY[number % 8][:3]}",
        "a study": lambda number: f"/studies/{studies.ROOT}.{number * 300}",
        "new disc": lambda number: f"/discs/new?study={studies.ROOT}.{number * 300}",
        "discs": lambda number: "/discs",
        "metrics": lambda number: "/metrics",
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
            connection.execute(insert(print_job_word), [word for number in numbers for word in _job_words(number)])
    studies.fill(store)


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


def _job_words(number: int) -> list[dict[str, Any]]:
    words = job_words(originator=f"CT{number % 20}", called_ae_title="", label=f"label {number}", printer="film")
    return [{"word": word, "job_id": number} for word in words]


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
