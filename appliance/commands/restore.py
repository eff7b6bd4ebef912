"""``appliance restore``: a data folder from a backup."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from appliance.commands.backup import passphrase_from
from appliance.commands.common import actor, become_owner, json_option, refuse_nothing_there, show
from appliance.config import load_settings
from appliance.errors import UsageError
from appliance.store.folder import find_data_folder
from appliance.store.store import holds_appliance, open_store
from appliance.upkeep.restore import hold_after_server, restore
from appliance.words import say


def _after_server(data: Path, made: dt.datetime) -> tuple[int, int]:
    settings = load_settings(data)
    if not holds_appliance(data, settings):
        refuse_nothing_there(data)
    store = open_store(data, settings=settings)
    try:
        return hold_after_server(store, made, actor())
    finally:
        store.close()


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--data", type=click.Path(path_type=Path), help="Data folder.")
@click.option("--decrypt", is_flag=True, help="Ask for its passphrase.")
@click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True), help="Its first line.")
@click.option("--replace", is_flag=True, help="Move the data that is there aside.")
@click.option("--as-of", type=click.DateTime(), help="PostgreSQL put the database back as it was then (UTC).")
@json_option
def command(
    file: Path | None,
    data: Path | None,
    decrypt: bool,
    passphrase_file: Path | None,
    replace: bool,
    as_of: dt.datetime | None,
    as_json: bool,
) -> None:
    """Restore the backup FILE, with the service stopped. What waited then is held: it may have been done since."""
    if as_of is not None:
        jobs, discs = _after_server(find_data_folder(data), as_of.replace(tzinfo=dt.UTC))
        show({"jobs_held": jobs, "discs_held": discs}, as_json=as_json)
        return
    if file is None:
        raise UsageError(say("Name the backup FILE."))
    passphrase = passphrase_from(passphrase_file, decrypt)
    folder = find_data_folder(data)
    done = restore(
        file, folder, actor(), passphrase=passphrase, replace=replace, once_open=lambda: become_owner(folder)
    )
    show({key: str(value) if isinstance(value, Path) else value for key, value in vars(done).items()}, as_json=as_json)
