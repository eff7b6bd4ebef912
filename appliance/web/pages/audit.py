"""The audit trail: filter, read, export, check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext

from appliance.security import audit_verbs
from appliance.security.audit_verbs import Entry, Wanted
from appliance.web import csv_export
from appliance.web.filters import day, day_after
from appliance.web.visitor import actor, needs, store
from appliance.web.wording import EVENTS

blueprint = Blueprint("audit", __name__, url_prefix="/audit")

PAGE = 50
COLUMNS = ("audit_id", "at", "event", "outcome", "actor", "actor_kind", "address", "object_kind", "object_id", "detail")


@blueprint.get("")
@needs("audit.see")
def index() -> Any:
    before = request.args.get("before", type=int)
    rows = audit_verbs.read_entries(store(), _wanted(), actor(), before=before, limit=PAGE + 1)
    return _page(rows)


@blueprint.get("/export.csv")
@needs("audit.see")
def export() -> Any:
    entries = audit_verbs.export_entries(store(), _wanted(), actor())
    answer = Response(csv_export.lines(_rows(entries)), mimetype="text/csv")
    answer.headers["Content-Disposition"] = "attachment; filename=audit.csv"
    return answer


@blueprint.post("/check")
@needs("audit.see")
def check() -> Any:
    """Whether anybody tampered with the trail."""
    broken = audit_verbs.check_chain(store())
    rows = audit_verbs.read_entries(store(), Wanted(), actor(), limit=PAGE + 1)
    return _page(rows, checked=True, broken=broken)


def _page(rows: list[Entry], *, checked: bool = False, broken: int | None = None) -> str:
    filters = {key: value for key, value in request.args.items() if key != "before" and value}
    return render_template(
        "audit.html",
        rows=[(row, _detail(row)) for row in rows[:PAGE]],
        older=rows[PAGE - 1].audit_id if len(rows) > PAGE else None,
        filters=filters,
        events=[(name, EVENTS.get(name, name)) for name in audit_verbs.event_names(store())],
        words=EVENTS,
        checked=checked,
        broken=broken,
    )


def _wanted() -> Wanted:
    return Wanted(
        actor=request.args.get("actor", "").strip(),
        event=request.args.get("event", ""),
        text=request.args.get("text", "").strip(),
        since=day("since"),
        until=day_after("until"),
    )


def _detail(row: Entry) -> str:
    return ", ".join(f"{key}: {_plain(value)}" for key, value in row.detail.items() if value not in ("", None, [], {}))


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _rows(entries: Iterator[Entry]) -> Iterator[list[object]]:
    yield [
        gettext("Number"),
        gettext("When (UTC)"),
        gettext("What"),
        gettext("Outcome"),
        gettext("Who"),
        gettext("Kind"),
        gettext("From where"),
        gettext("Object"),
        gettext("Name of the object"),
        gettext("Details"),
    ]
    for row in entries:
        values = row._asdict() | {"at": row.at.isoformat(), "detail": json.dumps(row.detail, ensure_ascii=False)}
        yield [values[column] for column in COLUMNS]
