"""``appliance retrieval``: list, show, cancel."""

from __future__ import annotations

import sys

import click

from appliance.commands.common import actor, for_each, json_option, show, with_store
from appliance.store.store import Store
from appliance.studies import retrieving

COLUMNS = ("retrieval_id", "peer", "state", "done", "total", "study_instance_uid", "message")


@click.group("retrieval")
def command() -> None:
    """What is fetched from archives."""


@command.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--before", type=int, help="Only those with a lower number.")
@json_option
@with_store
def list_(store: Store, limit: int, before: int | None, as_json: bool) -> None:
    """The newest."""
    show(retrieving.list_retrievals(store, before=before, limit=limit), as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("retrieval_id", type=int)
@json_option
@with_store
def show_(store: Store, retrieval_id: int, as_json: bool) -> None:
    """One of them, and how far it is."""
    show(retrieving.get_retrieval(store, retrieval_id), as_json=as_json)


@command.command("cancel")
@click.argument("retrieval_ids", type=int, nargs=-1, required=True, metavar="RETRIEVAL_ID…")
@json_option
@with_store
def cancel(store: Store, retrieval_ids: tuple[int, ...], as_json: bool) -> None:
    """Fetch no more; what is here already stays."""
    done, code = for_each(retrieval_ids, lambda number: retrieving.cancel_retrieve(store, number, actor()))
    if as_json:
        show([retrieving.get_retrieval(store, number) for number in done], as_json=True)
    sys.exit(code)
