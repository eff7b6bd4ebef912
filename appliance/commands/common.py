"""What every command shares: the data folder, the actor, tables and JSON."""

from __future__ import annotations

import datetime as dt
import functools
import getpass
import json
import os
import pwd
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from appliance.config import load_settings
from appliance.errors import ApplianceError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.legible import legible
from appliance.store import secrets
from appliance.store.folder import find_data_folder
from appliance.store.store import Store, holds_appliance, open_store

_WIDE = 10_000
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?\+00:00")

Function = TypeVar("Function", bound=Callable[..., Any])
Thing = TypeVar("Thing")


def with_store(function: Function) -> Function:
    """Give a command ``--data`` and ``--config``, and the opened Store as its first argument.

    Only of an appliance that is there: one in a mistyped folder would show that nothing is wrong, and nothing at all.
    """
    return _with_store(function, "Data folder.", when_absent=refuse_nothing_there)


def with_store_or_new(function: Function) -> Function:
    """The same for what an appliance is set up with before its first start: it is made, and told of, when not there."""
    return _with_store(function, "Data folder; made when it is not there.", when_absent=_tell_of_new)


def _with_store(function: Function, words: str, *, when_absent: Callable[[Path], None]) -> Function:
    @click.option("--data", type=click.Path(path_type=Path), help=words)
    @click.option("--config", type=click.Path(path_type=Path), help="Settings file.")
    @functools.wraps(function)
    def command(data: Path | None, config: Path | None, **values: Any) -> Any:
        folder = find_data_folder(data)
        become_owner(folder)
        settings = load_settings(folder, config)
        if not holds_appliance(folder, settings):
            when_absent(folder)
        store = open_store(folder, config, settings)
        try:
            prepare_first(store)
            return function(store, **values)
        finally:
            store.close()

    return command  # type: ignore[return-value]


def refuse_nothing_there(folder: Path) -> None:
    """Raise NotFoundError: the folder holds no appliance."""
    raise NotFoundError(f"There is no appliance in {folder}: name its folder with --data, or start the service first.")


def _tell_of_new(folder: Path) -> None:
    click.echo(legible(f"appliance: There was no appliance in {folder}: a new one is made."), err=True)


data_not_needed = click.option("--data", expose_value=False, help="Not needed here; every command takes it.")
"""For commands that open no data folder: a script may give the same options to all."""


owner_of: list[Path] = []
"""The folder as whose owner root's command acts, once it does."""


def become_owner(folder: Path) -> None:
    """Root's command on the service's folder acts as the folder's owner: what it makes must be the service's to use.

    In his own groups, as the service: the folder's may be root's, when it was given to him by ``chown USER`` alone.
    """
    owner = folder.stat() if folder.is_dir() else None
    if os.geteuid() != 0 or owner is None or owner.st_uid == 0:
        return
    group = owner.st_gid
    try:
        user = pwd.getpwuid(owner.st_uid)
        group = user.pw_gid
        os.initgroups(user.pw_name, group)
    except KeyError:  # nobody of that number is known here
        os.setgroups([])
    os.setgid(group)
    os.setuid(owner.st_uid)
    owner_of.append(folder)


def prepare_first(store: Store) -> None:
    """A fresh data folder has its first printer and burner, whoever opens it first; a moved one finds them in it."""
    with store.database.read() as connection:
        place = secrets.get(connection, secrets.PLACE)
        done = [secrets.get(connection, name) for name in (secrets.FIRST_PRINTER, secrets.FIRST_BURNER)]
    if place != str(store.folder.root):
        from appliance.upkeep.place import note_place

        note_place(store)
    if None in done:
        from appliance.media.burners import add_first_burner
        from appliance.printing.first_run import add_first_printer

        add_first_printer(store)
        add_first_burner(store)


def assigned(text: str) -> tuple[str, str]:
    """Key and value of an option ``--set``. Raises UsageError."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes KEY=VALUE, not {text!r}.")
    return key, value


def json_or_text(text: str) -> Any:
    """The value of an option ``--set`` that may be a number, a list, yes or no; else text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def actor() -> Actor:
    """The person at the command line."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user by number alone, as in a container
        name = f"uid {os.getuid()}"
    return Actor(name=name, kind="process", address="")


def for_each(things: Iterable[Thing], deed: Callable[[Thing], object]) -> tuple[list[Thing], int]:
    """Do a deed to each thing; those it was done to, and the exit code: of the first that could not have it done.

    One that can't keeps no other from it: each refusal is told as it comes.
    """
    done, code = [], 0
    for thing in things:
        try:
            deed(thing)
        except ApplianceError as error:
            click.echo(f"appliance: {error}", err=True)
            code = code or error.exit_code
        else:
            done.append(thing)
    return done, code


def show(values: Any, *, as_json: bool, columns: Sequence[str] = ()) -> None:
    """Print a row or rows: as JSON, or as a table of the named columns."""
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False, indent=2, default=str))
    elif isinstance(values, Mapping):
        _show_one(values)
    else:
        _show_table(values, columns)


def _show_one(values: Mapping[str, Any]) -> None:
    """A line a value; settings and rows of their own below their name."""
    console = Console(highlight=False, emoji=False, soft_wrap=True)
    width = max((len(key) for key in values), default=0)
    for key, value in values.items():
        rows = _rows_of(value)
        console.print(f"[bold]{key}[/]" if rows else f"[bold]{key:{width}}[/]  {escape(as_text(value))}")
        for row in rows:
            console.print(f"  {escape(_as_row(row))}")


def _rows_of(value: Any) -> list[Mapping[str, Any]]:
    """Each setting that is not empty, each row of several; nothing for a plain value."""
    if isinstance(value, Mapping):
        return [{key: each} for key, each in value.items() if as_text(each)]
    is_rows = isinstance(value, (list, tuple)) and all(isinstance(row, Mapping) for row in value)
    return list(value) if is_rows else []


def _as_row(row: Mapping[str, Any]) -> str:
    filled = {key: as_text(each) for key, each in row.items()}
    return "; ".join(f"{key}: {text}" for key, text in filled.items() if text)


def _show_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[escape(as_text(row.get(column))) for column in columns])
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:  # a pipe has no width: a UID broken in two can't be copied or searched for
        console.width = _WIDE
    console.print(table)


def as_text(value: Any) -> str:
    """A value for a person: lists with commas, None empty, of a row what is not empty, moments by the local clock."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value)
    if isinstance(value, Mapping):
        return f"({_as_row(value)})" if value else ""
    return legible(_by_the_clock(str(value)))


def _by_the_clock(text: str) -> str:
    """A moment as rows have it, to the second and with the offset of this place; other text as it is."""
    if not MOMENT.fullmatch(text):
        return text
    return dt.datetime.fromisoformat(text).astimezone().isoformat(" ", "seconds")


def tell(line: str) -> None:
    """Print a line with words from elsewhere in it: names of files and patients command no terminal."""
    click.echo(legible(line))
