"""``appliance burner``: add, list, show, set, check, pause, resume, remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from appliance.commands.common import actor, assigned, json_option, json_or_text, show, with_store, with_store_or_new
from appliance.errors import ApplianceError
from appliance.media import burners as verbs
from appliance.media.burner.registry import SCHEMES
from appliance.media.burners import BurnerSettings, StoredBurner, burner_view
from appliance.store.store import Store

COLUMNS = ("name", "burner_uri", "burner_state", "burner_state_reasons", "supplies", "burner_state_message")
URIS = ", ".join(form for _, form in SCHEMES.values())


@click.group("burner")
def command() -> None:
    """Disc burners."""


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of add and set that are a burner's settings."""
    media = click.option("--medium", "media", multiple=True, help="Medium it has (cd-700, dvd); may be given again.")
    more = click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any option; VALUE as JSON.")
    node = click.option("--node", help="The machine that drives it, of several on one database.")
    return media(more(node(function)))


@command.command("add")
@click.argument("name")
@click.option("--uri", "burner_uri", required=True, help=URIS)
@settings_options
@json_option
@with_store_or_new
def add(store: Store, name: str, burner_uri: str, as_json: bool, **options: Any) -> None:
    """Add a burner."""
    burner = StoredBurner(name=name, burner_uri=burner_uri, settings=_with_options(BurnerSettings(), **options))
    verbs.add_burner(store, burner, actor())
    show(burner_view(verbs.get_burner(store, name)), as_json=as_json)


@command.command("set")
@click.argument("name")
@click.option("--uri", "burner_uri", help=URIS)
@settings_options
@json_option
@with_store_or_new
def set_(store: Store, name: str, burner_uri: str | None, as_json: bool, **options: Any) -> None:
    """Change a burner."""
    burner = verbs.get_burner(store, name)
    settings = _with_options(burner.settings, **options)
    changed = replace(burner, burner_uri=burner_uri or burner.burner_uri, settings=settings)
    verbs.set_burner(store, changed, actor(), version=burner.version)
    show(burner_view(verbs.get_burner(store, name)), as_json=as_json)


@command.command("list")
@json_option
@with_store
def list_(store: Store, as_json: bool) -> None:
    """Every burner, its state and supplies."""
    show([burner_view(burner) for burner in verbs.all_burners(store)], as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("name")
@json_option
@with_store
def show_(store: Store, name: str, as_json: bool) -> None:
    """A burner with its settings."""
    show(burner_view(verbs.get_burner(store, name)), as_json=as_json)


@command.command("check")
@click.argument("name")
@json_option
@with_store
def check(store: Store, name: str, as_json: bool) -> None:
    """Say why discs would not come out; exit code 1 when something is wrong."""
    findings = verbs.open_stored(store, verbs.get_burner(store, name)).probe()
    rows = [{"ok": finding.ok, "what": finding.what, "advice": finding.advice} for finding in findings]
    show(rows, as_json=as_json, columns=("ok", "what", "advice"))
    if not all(finding.ok for finding in findings):
        raise ApplianceError(f"Burner {name} would not burn: see above.")


def _verb(name: str, words: str, deed: Callable[[Store, str, Any], None]) -> None:
    @command.command(name, help=words)
    @click.argument("burner")
    @json_option
    @with_store
    def run(store: Store, burner: str, as_json: bool) -> None:
        deed(store, burner, actor())
        if as_json and name != "remove":
            show(burner_view(verbs.get_burner(store, burner)), as_json=True)


_verb("pause", "Burn nothing more there; discs are still taken and built.", verbs.pause_burner)
_verb("resume", "Burn again.", verbs.resume_burner)
_verb("remove", "Remove a burner that no disc waits for.", verbs.remove_burner)


def _with_options(
    settings: BurnerSettings, media: tuple[str, ...], assignments: tuple[str, ...], node: str | None
) -> BurnerSettings:
    values = settings.model_dump(mode="json")
    if node is not None:
        values["node"] = node
    if media:
        values["media"] = list(media)
    for assignment in assignments:
        key, text = assigned(assignment)
        values["options"][key] = json_or_text(text)
    return verbs.burner_settings(values)
