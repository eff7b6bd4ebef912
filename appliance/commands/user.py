"""``appliance user``: people who may log in: add, list, passwd, role, disable, enable, remove."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from appliance.commands.common import actor, json_option, show, with_store, with_store_or_new
from appliance.security import users as verbs
from appliance.security.roles import ROLES
from appliance.store.store import Store

COLUMNS = ("name", "role", "disabled", "language", "created")


@click.group("user")
def command() -> None:
    """People who may log in to the page."""


@command.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(list(ROLES)), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
@with_store_or_new
def add(store: Store, name: str, role: str, password_stdin: bool, as_json: bool) -> None:
    """Add a person; the password is asked for."""
    user = verbs.add_user(store, name, role, _password(password_stdin), actor())
    show(_view(user), as_json=as_json)


@command.command("list")
@json_option
@with_store
def list_(store: Store, as_json: bool) -> None:
    """Everyone who may log in."""
    show([_view(user) for user in verbs.all_users(store)], as_json=as_json, columns=COLUMNS)


@command.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@with_store
def passwd(store: Store, name: str, password_stdin: bool) -> None:
    """Give a person a new password; every session of theirs ends."""
    verbs.set_password(store, name, _password(password_stdin), actor())


@command.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(list(ROLES)))
@with_store
def role(store: Store, name: str, role: str) -> None:
    """Change what a person may do; the tokens of one who is no admin any more end."""
    verbs.set_role(store, name, role, actor())


@command.command("disable")
@click.argument("name")
@with_store
def disable(store: Store, name: str) -> None:
    """Let a person log in no more; an admin's tokens end."""
    verbs.set_disabled(store, name, True, actor())


@command.command("enable")
@click.argument("name")
@with_store
def enable(store: Store, name: str) -> None:
    """Let a person log in again."""
    verbs.set_disabled(store, name, False, actor())


@command.command("remove")
@click.argument("name")
@with_store
def remove(store: Store, name: str) -> None:
    """Forget a person; what they did stays in the audit trail, an admin's tokens end."""
    verbs.remove_user(store, name, actor())


def _password(from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _view(user: verbs.User) -> dict[str, Any]:
    return asdict(user)
