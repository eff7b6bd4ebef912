"""``appliance restore``: a data folder from a backup."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.commands.backup import passphrase_from
from appliance.commands.common import actor, json_option, show
from appliance.store.folder import find_data_folder
from appliance.upkeep.restore import restore


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--data", type=click.Path(path_type=Path), help="Data folder.")
@click.option("--decrypt", is_flag=True, help="Ask for its passphrase.")
@click.option("--passphrase-file", type=click.Path(path_type=Path, exists=True), help="Its first line.")
@click.option("--replace", is_flag=True, help="Move the data that is there aside.")
@json_option
def command(
    file: Path,
    data: Path | None,
    decrypt: bool,
    passphrase_file: Path | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Restore the backup FILE, with the service stopped. What waited then is held: it may have been done since."""
    passphrase = passphrase_from(passphrase_file, decrypt)
    folder = find_data_folder(data)
    done = restore(file, folder, actor(), passphrase=passphrase, replace=replace)
    show({key: str(value) if isinstance(value, Path) else value for key, value in vars(done).items()}, as_json=as_json)
