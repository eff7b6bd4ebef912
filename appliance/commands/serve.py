"""``appliance serve``: run the appliance, or one part of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance import run
from appliance.store.folder import find_data_folder


@click.command("serve")
@click.option("--data", type=click.Path(path_type=Path), help="Data folder; made when it is not there.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file.")
@click.option("--only", type=click.Choice(run.PARTS), help="Run one part, in this process.")
@click.option("--ready-fd", type=int, hidden=True)
def command(data: Path | None, config: Path | None, only: str | None, ready_fd: int | None) -> None:
    """Run the appliance until it is told to stop (Ctrl-C, SIGTERM)."""
    folder = find_data_folder(data)
    if only:
        run.run_part(only, folder, config, ready_fd)
    else:
        sys.exit(run.supervise(folder, config))
