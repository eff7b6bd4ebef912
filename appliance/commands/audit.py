"""``appliance audit``: who did what: list, export, verify."""

from __future__ import annotations

import csv
import datetime as dt
import json
import socket
import sys
from typing import Any

import click

from appliance.commands.common import actor, json_option, show, with_store
from appliance.errors import ApplianceError
from appliance.security import audit_verbs as verbs
from appliance.security.audit_verbs import Entry, Wanted
from appliance.store.store import Store
from appliance.upkeep.audit_message import Source, message

COLUMNS = ("audit_id", "at", "event", "outcome", "actor", "address", "object_kind", "object_id")
EXPORTED = (*COLUMNS[:4], "actor", "actor_kind", "address", "object_kind", "object_id", "detail", "hash")


@click.group("audit")
def command() -> None:
    """The audit trail: append only, each entry chained to the one before by a hash."""


def _narrowing(function: Any) -> Any:
    for option in (
        click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Before this day (UTC)."),
        click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day on (UTC)."),
        click.option("--text", default="", help="In the actor's or the object's name."),
        click.option("--event", default="", help="E.g. login, film-printed, study-viewed."),
        click.option("--actor", "who", default="", help="User, AE title or process."),
    ):
        function = option(function)
    return function


@command.command("list")
@_narrowing
@click.option("--before", type=int, help="Only entries with a lower number.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@with_store
def list_(store: Store, before: int | None, limit: int, as_json: bool, **given: Any) -> None:
    """The newest entries that fit."""
    rows = verbs.read_entries(store, _wanted(**given), actor(), before=before, limit=limit)
    show([_row(row) for row in rows], as_json=as_json, columns=COLUMNS)


@command.command("export")
@_narrowing
@click.option("--format", "form", type=click.Choice(["csv", "json", "dicom"]), default="csv", show_default=True)
@with_store
def export(store: Store, form: str, **given: Any) -> None:
    """Every entry that fits on standard output: CSV, JSON a line, or DICOM audit messages (PS3.15 A.5)."""
    entries = verbs.export_entries(store, _wanted(**given), actor())
    if form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(EXPORTED)
        writer.writerows(_cells(entry) for entry in entries)
        return
    source = Source(ae_title=store.settings.dicom.ae_title, host=socket.gethostname())
    for entry in entries:
        click.echo(
            json.dumps(_row(entry), ensure_ascii=False, default=str) if form == "json" else message(entry, source)
        )


@command.command("verify")
@click.option("--noted", metavar="HASH", help="That of an entry, noted elsewhere: it must still be there.")
@json_option
@with_store
def verify(store: Store, noted: str | None, as_json: bool) -> None:
    """Check the chain of hashes, and say its newest entry: note the hash elsewhere, to find an end that is cut off.

    Exit code 1 when an entry was changed, removed or put in, or is not there that was noted.
    """
    broken = verbs.check_chain(store)
    missing = noted is not None and not verbs.has_entry(store, noted)
    number, newest = verbs.newest_entry(store) or (0, "")
    if as_json:
        whole = broken is None and not missing
        show({"whole": whole, "first_broken": broken, "number": number, "hash": newest}, as_json=True)
    if broken is not None:
        raise ApplianceError(f"The audit trail was changed: entry {broken} does not follow from the one before.")
    if missing:
        raise ApplianceError(
            f"The audit trail has no entry with the hash {noted}: its end was cut off since that was noted,"
            " or the entry has been purged for its age (appliance audit list --event audit-purged)."
        )
    if not as_json:
        click.echo(f"The audit trail is whole. Newest entry: {number}, hash {newest}")


def _wanted(who: str, event: str, text: str, since: dt.datetime | None, until: dt.datetime | None) -> Wanted:
    return Wanted(actor=who, event=event, text=text, since=_utc(since), until=_utc(until))


def _utc(day: dt.datetime | None) -> dt.datetime | None:
    return day.replace(tzinfo=dt.UTC) if day else None


def _row(entry: Entry) -> dict[str, Any]:
    return entry._asdict() | {"at": entry.at.isoformat(timespec="seconds")}


def _cells(entry: Entry) -> list[Any]:
    values = entry._asdict() | {"at": entry.at.isoformat(), "detail": json.dumps(entry.detail, ensure_ascii=False)}
    return [_harmless(values[column]) for column in EXPORTED]


def _harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
