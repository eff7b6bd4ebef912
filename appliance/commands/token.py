"""``appliance token``: API tokens: create, list, revoke."""

from __future__ import annotations

from dataclasses import asdict

import click

from appliance.commands.common import actor, json_option, show, with_store, with_store_or_new
from appliance.security import tokens as verbs
from appliance.security.roles import TOKEN_ROLES
from appliance.store.store import Store

COLUMNS = ("token_id", "name", "role", "created", "created_by", "expires", "seen", "revoked")


@click.group("token")
def command() -> None:
    """Tokens for programs that use the API."""


@command.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(list(TOKEN_ROLES)), required=True)
@click.option("--days", type=click.IntRange(1), help="How long it holds; else until it is revoked.")
@json_option
@with_store_or_new
def create(store: Store, name: str, role: str, days: int | None, as_json: bool) -> None:
    """Create a token. It is shown once and kept hashed."""
    secret = verbs.create_token(store, name, role, actor(), days=days)
    if as_json:
        show({"name": name, "role": role, "token": secret}, as_json=True)
    else:
        click.echo(secret)


@command.command("list")
@json_option
@with_store
def list_(store: Store, as_json: bool) -> None:
    """Every token, without its secret."""
    show([asdict(token) for token in verbs.all_tokens(store)], as_json=as_json, columns=COLUMNS)


@command.command("revoke")
@click.argument("token_id", type=int)
@with_store
def revoke(store: Store, token_id: int) -> None:
    """Let a token, and what was made with it, open nothing any more."""
    verbs.revoke_token(store, token_id, actor())
