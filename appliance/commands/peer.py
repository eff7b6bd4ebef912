"""``appliance peer``: known peers: add, set, list, show, echo, remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import click

from appliance.commands.common import actor, json_option, show, with_store, with_store_or_new
from appliance.errors import ApplianceError, UsageError
from appliance.media.ruled import check_rule
from appliance.security import peer_verbs as verbs
from appliance.security.peers import PERMISSIONS, Peer
from appliance.store.store import Store
from appliance.studies.rules import RULE_KEYS

COLUMNS = ("name", "ae_title", "address", "host", "port", "allows", "answering")


@click.group("peer")
def command() -> None:
    """Known peers: modalities, archives, workstations."""


def peer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--address", help="IP address or network it calls from."),
        click.option("--host", help="Where we reach it."),
        click.option("--port", type=click.IntRange(0, 65535)),
        click.option("--tls/--no-tls", default=None, help="We call it by TLS."),
        click.option("--certificate", help="SHA-256 fingerprint its certificate must have."),
        click.option("--allow", "allows", multiple=True, type=click.Choice(PERMISSIONS)),
        click.option("--answering", type=click.Choice(["tolerant", "strict"])),
        click.option("--mask-warnings/--show-warnings", default=None, help="Answer warnings as success."),
        click.option("--separate-classes/--meta-classes", default=None, help="Take single print classes."),
        click.option("--assumed-charset", help="Specific Character Set where it is absent or false."),
        click.option("--printer-status", type=click.Choice(["queue", "device"])),
        click.option("--events/--no-events", default=None, help="Send N-EVENT-REPORT."),
        click.option("--done-when", type=click.Choice(["printed", "queued"])),
        click.option("--burner", help="Makes the discs it orders (media creation)."),
        click.option(
            "--rule",
            "rule",
            multiple=True,
            metavar="KEY=VALUE",
            help="Its studies become discs: burner=NAME seconds=120 profile=… copy_type=… copies=1; none to stop.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command("add")
@click.argument("name")
@click.option("--ae-title", required=True)
@peer_options
@json_option
@with_store_or_new
def add(store: Store, name: str, ae_title: str, as_json: bool, **options: Any) -> None:
    """Add a peer."""
    verbs.add_peer(store, _with_options(store, Peer(name=name, ae_title=ae_title), options), actor())
    show(asdict(verbs.get_peer(store, name)), as_json=as_json)


@command.command("set")
@click.argument("name")
@click.option("--ae-title")
@peer_options
@json_option
@with_store_or_new
def set_(store: Store, name: str, ae_title: str | None, as_json: bool, **options: Any) -> None:
    """Change a peer."""
    peer = verbs.get_peer(store, name)
    verbs.set_peer(store, _with_options(store, replace(peer, ae_title=ae_title or peer.ae_title), options), actor())
    show(asdict(verbs.get_peer(store, name)), as_json=as_json)


@command.command("list")
@json_option
@with_store
def list_(store: Store, as_json: bool) -> None:
    """Every known peer."""
    show([asdict(peer) for peer in verbs.all_peers(store)], as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("name")
@json_option
@with_store
def show_(store: Store, name: str, as_json: bool) -> None:
    """A peer."""
    show(asdict(verbs.get_peer(store, name)), as_json=as_json)


@command.command("echo")
@click.argument("name")
@json_option
@with_store
def echo(store: Store, name: str, as_json: bool) -> None:
    """Ask a peer for a C-ECHO; exit code 1 when it does not answer."""
    from appliance.network.calling import to_call
    from appliance.network.scu import echo as ask

    result = ask(to_call(store, verbs.get_peer(store, name)))
    show({"peer": name, "ok": result.ok, "message": result.message}, as_json=as_json)
    if not result.ok:
        raise ApplianceError(result.message)


@command.command("remove")
@click.argument("name")
@with_store
def remove(store: Store, name: str) -> None:
    """Forget a peer."""
    verbs.remove_peer(store, name, actor())


def _with_options(store: Store, peer: Peer, options: dict[str, Any]) -> Peer:
    given = {key: value for key, value in options.items() if value not in (None, ())}
    if "rule" in given:
        given["rule"] = _rule(given["rule"])
    changed = replace(peer, **given)
    check_rule(store, changed)  # raises in words when it makes no sense
    return changed


def _rule(pairs: tuple[str, ...]) -> dict[str, object]:
    if pairs == ("none",):
        return {}
    for pair in pairs:
        if pair.partition("=")[0] not in RULE_KEYS:
            raise UsageError(f"A rule has {', '.join(RULE_KEYS)}, not {pair}.", field="rule")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
