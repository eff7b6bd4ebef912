"""``appliance backup``: the data folder in one file, while the service runs."""

from __future__ import annotations

import contextlib
import glob
import os
import time
from pathlib import Path

import click

from appliance.commands.common import actor, json_option, show, with_store
from appliance.errors import UsageError
from appliance.store.files import PART_SUFFIX
from appliance.store.store import Store
from appliance.upkeep.backup import make_backup

DATE = "{date}"
DIGITS = "[0-9]" * 8 + "-" + "[0-9]" * 6
"""What stands in its place, for a search."""
CUT_OFF_SECONDS = 3600.0
"""No backup under way writes nothing for so long."""


def passphrase_from(file: Path | None, ask: bool, *, confirm: bool = False) -> str:
    """A passphrase from a file's first line, or asked for."""
    if file is not None:
        try:
            lines = file.read_text("utf-8").splitlines()
        except UnicodeDecodeError:
            raise UsageError(f"{file} is no text in UTF-8.") from None
        if not lines or not lines[0].strip():
            raise UsageError(f"{file} holds no passphrase in its first line.")
        return lines[0].strip()
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)) if ask else ""


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--encrypt", is_flag=True, help="Encrypt it (GnuPG, AES-256) with a passphrase that is asked for.")
@click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True), help="Encrypt it; its first line.")
@click.option("--settings-only", is_flag=True, help="Without jobs, studies and discs.")
@click.option("--keep", type=click.IntRange(min=1), help="Of those named like FILE but for {date} keep the newest.")
@json_option
@with_store
def command(
    store: Store,
    file: Path,
    encrypt: bool,
    passphrase_file: Path | None,
    settings_only: bool,
    keep: int | None,
    as_json: bool,
) -> None:
    """Back the appliance up into FILE, while it runs. {date} in its name becomes today's."""
    from appliance.store.tables.base import now

    named = file
    if keep and DATE not in named.name:
        raise UsageError("--keep needs {date} in the name of FILE, to know older ones by.")
    file = Path(str(file).replace(DATE, f"{now():%Y%m%d-%H%M%S}"))
    if file.exists():
        raise UsageError(f"{file} is there already.")
    passphrase = passphrase_from(passphrase_file, encrypt, confirm=True)
    if keep:  # before: they may have taken the room
        _remove_cut_off(file.parent, named.name)
    made = make_backup(store, file, actor(), passphrase=passphrase, settings_only=settings_only)
    if keep:
        _remove_older(file.parent, named.name, keep)
    show({"file": str(file), "bytes": made.bytes, "files": made.files, "vanished": made.vanished}, as_json=as_json)


def _remove_older(folder: Path, name: str, keep: int) -> None:
    """Backups made under the same `name`, the oldest first; those of others may lie beside them."""
    for old in sorted(folder.glob(_pattern(name)), key=os.path.getmtime)[:-keep]:
        old.unlink()


def _remove_cut_off(folder: Path, name: str) -> None:
    """What such backups left that were killed on their way; another one may be on its way now."""
    for part in folder.glob(_pattern(name) + PART_SUFFIX):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > CUT_OFF_SECONDS:
                part.unlink()


def _pattern(name: str) -> str:
    return glob.escape(name).replace(DATE, DIGITS)
