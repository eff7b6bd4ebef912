"""``appliance profile``: print profiles: add, set, list, show, remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from appliance.commands.common import actor, json_option, show, with_store, with_store_or_new
from appliance.errors import UsageError
from appliance.printing import printer_verbs as verbs
from appliance.printing.grey_tables import read_table
from appliance.printing.profiles import PrintProfile
from appliance.printing.views import profile_view
from appliance.store.store import Store

COLUMNS = ("name", "printer", "called_ae_title", "calling_ae_title", "address", "defaults", "overrides")


@click.group("profile")
def command() -> None:
    """Print profiles: which printer a film goes to, with defaults and overrides for what the modality sends."""


def profile_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--called", "called_ae_title", help="Called AE title it is chosen by."),
        click.option("--calling", "calling_ae_title", help="Calling AE title it is chosen by."),
        click.option("--address", help="IP address or network it is chosen by."),
        click.option(
            "--default", "defaults", multiple=True, metavar="KEYWORD=VALUE", help="For what is absent or empty."
        ),
        click.option("--override", "overrides", multiple=True, metavar="KEYWORD=VALUE", help="Whatever was sent."),
        click.option("--alias", "aliases", multiple=True, metavar="SENT=MEANT", help="e.g. 35CMX43CM=14INX17IN."),
        click.option("--without-lut", help="Pixels without a Presentation LUT: p-values, lin-od, or a table's name."),
        click.option(
            "--table",
            "tables",
            multiple=True,
            metavar="NAME=FILE",
            help="A table that --without-lut or Configuration Information names: P-values of 16 bits as text, one for "
            "each step of grey, or a DICOM file with a Presentation LUT. NAME= takes it away.",
        ),
        click.option("--lin-od-zero", type=click.Choice(["max-density", "min-density"]), help="What 0 is in LIN OD."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command("add")
@click.argument("name")
@click.option("--printer", required=True)
@profile_options
@json_option
@with_store_or_new
def add(store: Store, name: str, printer: str, as_json: bool, **options: Any) -> None:
    """Add a print profile."""
    profile = _with_options(PrintProfile(name=name, printer=printer), options)
    verbs.add_profile(store, profile, actor())
    show(profile_view(verbs.get_profile(store, name)), as_json=as_json)


@command.command("set")
@click.argument("name")
@click.option("--printer")
@profile_options
@json_option
@with_store_or_new
def set_(store: Store, name: str, printer: str | None, as_json: bool, **options: Any) -> None:
    """Change a print profile."""
    profile = verbs.get_profile(store, name)
    verbs.set_profile(store, _with_options(replace(profile, printer=printer or profile.printer), options), actor())
    show(profile_view(verbs.get_profile(store, name)), as_json=as_json)


@command.command("list")
@json_option
@with_store
def list_(store: Store, as_json: bool) -> None:
    """Every print profile."""
    show([profile_view(profile) for profile in verbs.all_profiles(store)], as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("name")
@json_option
@with_store
def show_(store: Store, name: str, as_json: bool) -> None:
    """A print profile."""
    show(profile_view(verbs.get_profile(store, name)), as_json=as_json)


@command.command("remove")
@click.argument("name")
@with_store
def remove(store: Store, name: str) -> None:
    """Remove a print profile."""
    verbs.remove_profile(store, name, actor())


def _with_options(profile: PrintProfile, options: dict[str, Any]) -> PrintProfile:
    plain: dict[str, Any] = {
        key: options[key] for key in ("called_ae_title", "calling_ae_title", "address") if options[key] is not None
    }
    plain |= {key: _pairs(options[key]) for key in ("defaults", "overrides", "aliases") if options[key]}
    grey = profile.grey
    if options["tables"]:
        grey = replace(grey, tables=_tables(grey.tables, options["tables"]))
    if options["without_lut"]:
        grey = replace(grey, without_lut=options["without_lut"])
    if options["lin_od_zero"]:
        grey = replace(grey, lin_od_zero_is_max_density=options["lin_od_zero"] == "max-density")
    return replace(profile, **plain, grey=grey)


def _tables(before: dict[str, tuple[int, ...]], assignments: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    tables = dict(before)
    for name, path in _pairs(assignments).items():
        if path:
            tables[name] = read_table(Path(path))
        else:
            tables.pop(name, None)
    return tables


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise UsageError(f"{text!r} is no KEYWORD=VALUE.")
    return dict(text.split("=", 1) for text in texts)
