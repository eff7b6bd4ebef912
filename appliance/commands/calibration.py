"""``appliance calibration``: show, measure, use, scale."""

from __future__ import annotations

import datetime as dt
from typing import TextIO

import click

from appliance.commands.common import actor, json_option, show, with_store
from appliance.errors import UsageError
from appliance.printing import calibration
from appliance.printing.printer_verbs import get_printer
from appliance.printing.printers import Printer
from appliance.store.store import Store

COLUMNS = ("medium_type", "kind", "name", "worst_error", "kept")
medium_option = click.option("--medium", default="", help="Medium Type; else the printer's default.")


@click.group("calibration")
def command() -> None:
    """The grey and the scale of printers, as measured."""


@command.command("show")
@click.argument("printer")
@json_option
@with_store
def show_(store: Store, printer: str, as_json: bool) -> None:
    """Each medium's characteristic in force, its largest error against the GSDF, and the measurements kept."""
    _show(store, printer, as_json)


@command.command("measure")
@click.argument("printer")
@click.argument("densities", type=click.File(encoding="utf-8-sig"), metavar="FILE")
@medium_option
@click.option("--label", default="", help="What was measured, e.g. the batch of the film.")
@json_option
@with_store
def measure(store: Store, printer: str, densities: TextIO, medium: str, label: str, as_json: bool) -> None:
    """Keep the densities read of the grey steps, one a line (-: standard input), and put them in force."""
    found = calibration.read_densities(densities.read())
    medium = medium or _usual(store, printer)
    calibration.measure(store, printer, actor(), medium_type=medium, densities=found, label=label)
    _show(store, printer, as_json)


@command.command("use")
@click.argument("printer")
@click.option("--at", default="", help="Go back to the measurement kept of this moment, as show names it.")
@click.option("--assumed", is_flag=True, help="Take no measured curve for the medium.")
@click.option("--p-values", is_flag=True, help="None either: the printer applies the GSDF itself.")
@medium_option
@json_option
@with_store
def use(store: Store, printer: str, at: str, assumed: bool, p_values: bool, medium: str, as_json: bool) -> None:
    """Put another characteristic in force."""
    if [bool(at), assumed, p_values].count(True) != 1:
        raise UsageError("Give one of --at, --assumed, --p-values.")
    if at:
        calibration.put_in_force(store, printer, _as_kept(at), actor())
    else:
        calibration.assume(store, printer, medium or _usual(store, printer), actor(), p_values=p_values)
    _show(store, printer, as_json)


@command.command("scale")
@click.argument("printer")
@click.option("--across", "across_mm", type=float, required=True, help="What the bottom's 100 mm ruler measures, mm.")
@click.option("--down", "down_mm", type=float, required=True, help="What the left one measures, mm.")
@click.option("--film-size", default="", help="Film Size ID; else the printer's default.")
@medium_option
@json_option
@with_store
def scale(
    store: Store, printer: str, across_mm: float, down_mm: float, film_size: str, medium: str, as_json: bool
) -> None:
    """Correct the scale by the rulers of a printed test page, so that 100 mm measure 100 mm."""
    calibration.correct_scale(
        store,
        printer,
        actor(),
        film_size_id=film_size or get_printer(store, printer).settings.default_film_size_id,
        medium_type=medium or _usual(store, printer),
        across_mm=across_mm,
        down_mm=down_mm,
    )
    _show(store, printer, as_json)


def _as_kept(at: str) -> str:
    """A moment as measurements bear it; show says it by the local clock."""
    try:
        return dt.datetime.fromisoformat(at).astimezone(dt.UTC).isoformat(timespec="seconds")
    except ValueError:
        raise UsageError(f"--at takes a moment as show names it, not {at!r}.") from None


def _usual(store: Store, printer: str) -> str:
    return calibration.medium_types(get_printer(store, printer).settings)[0]


def _show(store: Store, name: str, as_json: bool) -> None:
    printer = get_printer(store, name)
    if as_json:
        show(calibration.calibration_view(printer), as_json=True)
    else:
        show(_rows(printer), as_json=False, columns=COLUMNS)


def _rows(printer: Printer) -> list[dict[str, object]]:
    return [
        {
            "medium_type": each["medium_type"],
            "kind": each["in_force"]["kind"],
            "name": each["in_force"]["name"],
            "worst_error": f"{each['worst_error']:.2f} OD",
            "kept": [kept["at"] for kept in each["measurements"]],
        }
        for each in calibration.calibration_view(printer)
    ]
