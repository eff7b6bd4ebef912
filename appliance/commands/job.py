"""``appliance job``: list, show, hold, release, cancel, confirm, reprint, move."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from appliance.commands.common import actor, for_each, json_option, show, with_store
from appliance.commands.waiting import show_job_result, wait_option
from appliance.printing import jobs
from appliance.printing.views import list_jobs, show_job
from appliance.store import job_states as states
from appliance.store.store import Store

COLUMNS = (
    "job_id",
    "printer",
    "job_state",
    "job_state_reasons",
    "originator",
    "copies",
    "created",
    "job_state_message",
)


@click.group("job")
def command() -> None:
    """Print jobs."""


@command.command("list")
@click.option("--printer", "printer_name")
@click.option("--originator", help="Calling AE title.")
@click.option("--state", "job_states", multiple=True, type=click.Choice(states.JOB_STATES))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--before", type=int, help="Only jobs with a lower number.")
@json_option
@with_store
def list_(store: Store, as_json: bool, **conditions: Any) -> None:
    """The newest jobs."""
    show(list_jobs(store, **conditions), as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("job_id", type=int)
@json_option
@with_store
def show_(store: Store, job_id: int, as_json: bool) -> None:
    """A job, its films and its history."""
    show(show_job(store, job_id), as_json=as_json)


def _verb(name: str, words: str, deed: Callable[[Store, int, Any], None]) -> None:
    @command.command(name, help=words)
    @click.argument("job_ids", type=int, nargs=-1, required=True, metavar="JOB_ID…")
    @json_option
    @with_store
    def run(store: Store, job_ids: tuple[int, ...], as_json: bool) -> None:
        done, code = for_each(job_ids, lambda job_id: deed(store, job_id, actor()))
        if as_json:
            show([show_job(store, job_id) for job_id in done], as_json=True)
        sys.exit(code)


_verb("hold", "Keep waiting jobs from printing.", jobs.hold)
_verb("release", "Let held jobs print; one in doubt prints again.", jobs.release)
_verb("cancel", "Never print jobs.", jobs.cancel)
_verb("confirm", "Say that the film of a held job came out.", jobs.confirm)


@command.command("reprint")
@click.argument("job_id", type=int)
@click.option("--printer", "printer_name", help="Another printer; the films are composed anew for it.")
@click.option("--copies", type=click.IntRange(1, 99))
@wait_option
@json_option
@with_store
def reprint(store: Store, job_id: int, printer_name: str | None, copies: int | None, wait: bool, as_json: bool) -> None:
    """Print an ended job once more, as a new job."""
    from appliance.printing.printer_verbs import get_printer

    printer = get_printer(store, printer_name or jobs.get_job(store, job_id).printer)
    new = jobs.reprint(store, job_id, actor(), printer=printer, copies=copies)
    show_job_result(store, new, wait=wait, as_json=as_json)


@command.command("move")
@click.argument("job_id", type=int)
@click.argument("printer_name", metavar="PRINTER")
@wait_option
@json_option
@with_store
def move(store: Store, job_id: int, printer_name: str, wait: bool, as_json: bool) -> None:
    """Give a waiting job to another printer."""
    from appliance.printing.printer_verbs import get_printer

    jobs.move(store, job_id, get_printer(store, printer_name), actor())
    show_job_result(store, job_id, wait=wait, as_json=as_json)
