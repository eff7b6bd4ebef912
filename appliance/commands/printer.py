"""``appliance printer``: add, set, list, show, test-page, check, pause, resume, accept, reject, remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from appliance.commands.common import actor, assigned, json_option, json_or_text, show, with_store, with_store_or_new
from appliance.commands.waiting import wait_option
from appliance.errors import ApplianceError
from appliance.printing import printer_verbs as verbs
from appliance.printing.printers import PAIRINGS, Printer, PrinterSettings, keeping_password
from appliance.printing.views import printer_view
from appliance.store.store import Store

COLUMNS = ("name", "ae_titles", "device_uri", "printer_state", "printer_state_reasons", "is_accepting_jobs")


@click.group("printer")
def command() -> None:
    """Film printers."""


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of add and set that are a printer's settings."""
    options = (
        click.option("--ae-title", "ae_titles", multiple=True, help="AE title it is called by; may be given again."),
        click.option("--format", "document_format", type=click.Choice(["pdf", "ps", "postscript"])),
        click.option("--bits", type=int, help="PDF 8 or 16, PostScript 8 or 12."),
        click.option("--color/--grey", default=None, help="A colour printer."),
        click.option("--resolution", type=float, help="Dots per inch; 320 unless said."),
        click.option("--film-size", "film_sizes", multiple=True, help="Film Size ID it has; may be given again."),
        click.option("--medium", "media", multiple=True, help="Medium Type it has; may be given again."),
        click.option("--min-density", type=float, help="OD of its lightest grey."),
        click.option("--max-density", type=float, help="OD of its darkest grey."),
        click.option("--error-policy", help="retry-job, hold-job, abort-job, stop-printer, redirect:PRINTER."),
        click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting; VALUE as JSON."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command("add")
@click.argument("name")
@click.option(
    "--uri", "device_uri", required=True, help="folder:/PATH, socket://HOST:9100, ipp://…, lpd://…, dicom://…"
)
@settings_options
@json_option
@with_store_or_new
def add(store: Store, name: str, device_uri: str, as_json: bool, ae_titles: tuple[str, ...], **options: Any) -> None:
    """Add a printer."""
    settings = _with_options(PrinterSettings(), options)
    printer = Printer(name=name, device_uri=device_uri, ae_titles=ae_titles, settings=settings)
    _check_device(store, printer)
    verbs.add_printer(store, printer, actor())
    show(printer_view(verbs.get_printer(store, name)), as_json=as_json)


@command.command("set")
@click.argument("name")
@click.option("--uri", "device_uri")
@settings_options
@json_option
@with_store_or_new
def set_(
    store: Store, name: str, device_uri: str | None, as_json: bool, ae_titles: tuple[str, ...], **options: Any
) -> None:
    """Change a printer."""
    printer = verbs.get_printer(store, name)
    changed = replace(
        printer,
        device_uri=device_uri or printer.device_uri,
        ae_titles=ae_titles or printer.ae_titles,
        settings=_with_options(printer.settings, options),
    )
    changed = keeping_password(changed, printer)
    _check_device(store, changed)
    verbs.set_printer(store, changed, actor(), version=printer.version)
    show(printer_view(verbs.get_printer(store, name)), as_json=as_json)


@command.command("list")
@json_option
@with_store
def list_(store: Store, as_json: bool) -> None:
    """Every printer and its state."""
    show([printer_view(printer) for printer in verbs.all_printers(store)], as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("name")
@json_option
@with_store
def show_(store: Store, name: str, as_json: bool) -> None:
    """A printer with its settings."""
    show(printer_view(verbs.get_printer(store, name)), as_json=as_json)


@command.command("check")
@click.argument("name")
@json_option
@with_store
def check(store: Store, name: str, as_json: bool) -> None:
    """Say why films would not come out; exit code 1 when something is wrong."""
    from appliance.printing.sending import device_of

    findings = device_of(store, verbs.get_printer(store, name)).check()
    rows = [{"ok": finding.ok, "what": finding.what, "advice": finding.advice} for finding in findings]
    show(rows, as_json=as_json, columns=("ok", "what", "advice"))
    if not all(finding.ok for finding in findings):
        raise ApplianceError(f"Printer {name} would not print: see above.")


@command.command("test-page")
@click.argument("name")
@click.option("--pattern", type=click.Choice(["test-page", "steps", "smpte"]), default="test-page")
@click.option("--film-size", "FilmSizeID")
@click.option("--medium", "MediumType")
@wait_option
@json_option
@with_store
def test_page(
    store: Store, name: str, pattern: str, FilmSizeID: str | None, MediumType: str | None, wait: bool, as_json: bool
) -> None:
    """Print a test page, the grey steps for calibration, or the SMPTE pattern."""
    from appliance.commands.waiting import show_job_result
    from appliance.printing.own_pages import submit_test_page

    printer = verbs.get_printer(store, name)
    job_id = submit_test_page(store, printer, actor(), pattern=pattern, FilmSizeID=FilmSizeID, MediumType=MediumType)
    show_job_result(store, job_id, wait=wait, as_json=as_json)


def _verb(name: str, words: str, deed: Callable[[Store, str, Any], None]) -> None:
    @command.command(name, help=words)
    @click.argument("printer")
    @json_option
    @with_store
    def run(store: Store, printer: str, as_json: bool) -> None:
        deed(store, printer, actor())
        if as_json and name != "remove":
            show(printer_view(verbs.get_printer(store, printer)), as_json=True)


_verb("pause", "Send nothing to a printer; jobs are still taken.", verbs.pause)
_verb("resume", "Send again.", verbs.resume)
_verb("accept", "Take jobs again.", verbs.accept)
_verb("reject", "Take no more jobs.", verbs.reject)
_verb("remove", "Remove a printer that has no jobs waiting.", verbs.remove_printer)


def _check_device(store: Store, printer: Printer) -> None:
    """Raise UsageError for an address that can't be printed to, such as a folder outside the roots."""
    from appliance.printing.sending import device_of

    verbs.check_printer(printer)
    device_of(store, printer)


def _with_options(settings: PrinterSettings, options: dict[str, Any]) -> PrinterSettings:
    """The settings with what the command line gave."""
    values = settings.model_dump(mode="json")
    for key in ("bits", "color", "resolution", "min_density", "max_density", "error_policy"):
        if options[key] is not None:
            values[key] = options[key]
    if options["document_format"]:
        values["document_format"] = "postscript" if options["document_format"] == "ps" else options["document_format"]
        if options["bits"] is None and values["bits"] not in PAIRINGS[values["document_format"]]:
            values["bits"] = 8
    values |= _media(options["film_sizes"], options["media"])
    for assignment in options["assignments"]:
        key, text = assigned(assignment)
        values[key] = json_or_text(text)
    return verbs.printer_settings(values)


def _media(film_sizes: tuple[str, ...], media: tuple[str, ...]) -> dict[str, Any]:
    """Every pair of the media and sizes named; the first of each is the default."""
    defaults: dict[str, Any] = {}
    if film_sizes:
        defaults["default_film_size_id"] = film_sizes[0]
        pairs = [(medium, size) for medium in media or ("",) for size in film_sizes]
        defaults["media"] = [{"medium_type": medium, "film_size_id": size} for medium, size in pairs]
    if media:
        defaults["default_medium_type"] = media[0]
    return defaults
