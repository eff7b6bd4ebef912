"""``appliance disc-profile``: whom discs are for (copy types): add, set, list, show, remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from appliance.commands.common import actor, assigned, json_option, show, with_store, with_store_or_new
from appliance.errors import ConflictError
from appliance.media import copy_types as verbs
from appliance.media.copy_types import CopyType
from appliance.store.store import Store

COLUMNS = ("name", "description", "medium", "profile", "language", "viewer", "anonymous", "encrypted", "signed")


@click.group("disc-profile")
def command() -> None:
    """Disc profiles: whom a disc is for, and what is on it therefore."""


def choices_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help=f"A choice; may be given again. Keys: {', '.join(CopyType.model_fields)}.",
    )(function)


@command.command("add")
@click.argument("name")
@click.option("--like", default=verbs.DEFAULT, show_default=True, help="The profile it begins as.")
@choices_option
@json_option
@with_store_or_new
def add(store: Store, name: str, like: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Add one of the site's own."""
    if name in verbs.all_copy_types(store):
        raise ConflictError(f"There is a disc profile {name} already: appliance disc-profile set {name} changes it.")
    verbs.set_copy_type(store, name, _changed(verbs.get_copy_type(store, like), assignments), actor(), version=0)
    _show(store, name, as_json=as_json)


@command.command("set")
@click.argument("name")
@choices_option
@json_option
@with_store_or_new
def set_(store: Store, name: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Change one."""
    before, version = verbs.read_copy_type(store, name)
    verbs.set_copy_type(store, name, _changed(before, assignments), actor(), version=version)
    _show(store, name, as_json=as_json)


@command.command("list")
@json_option
@with_store
def list_(store: Store, as_json: bool) -> None:
    """Every disc profile."""
    rows = [_view(name, choices) for name, choices in verbs.all_copy_types(store).items()]
    show(rows, as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("name")
@json_option
@with_store
def show_(store: Store, name: str, as_json: bool) -> None:
    """A disc profile."""
    _show(store, name, as_json=as_json)


@command.command("remove")
@click.argument("name")
@with_store
def remove(store: Store, name: str) -> None:
    """Forget one of the site's own; one built in is again as it was."""
    verbs.remove_copy_type(store, name, actor())


def _changed(before: CopyType, assignments: tuple[str, ...]) -> CopyType:
    return verbs.copy_type(before.model_dump() | dict(map(assigned, assignments)))


def _show(store: Store, name: str, *, as_json: bool) -> None:
    show(_view(name, verbs.get_copy_type(store, name)), as_json=as_json)


def _view(name: str, choices: CopyType) -> dict[str, Any]:
    return {"name": name} | choices.model_dump()
