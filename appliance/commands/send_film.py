"""``appliance send-film``: a print client, for testing one's own set-up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import quote

import click

from appliance.commands.common import data_not_needed
from appliance.errors import DeviceError, UsageError
from appliance.printing.client import FilmOrder, send_films


@click.command("send-film")
@data_not_needed
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--to", required=True, metavar="HOST:PORT", help="The Print SCP.")
@click.option("--ae", "called", required=True, help="Its AE title.")
@click.option("--calling", default="SENDFILM", show_default=True, help="Our AE title.")
@click.option("--layout", default="", metavar="C,R", help="STANDARD layout; else the smallest that takes the images.")
@click.option("--film-size", "FilmSizeID", default="14INX17IN", show_default=True)
@click.option("--orientation", "FilmOrientation", type=click.Choice(["PORTRAIT", "LANDSCAPE"]), default="PORTRAIT")
@click.option("--medium", "MediumType", default="")
@click.option("--copies", type=click.IntRange(1, 99), default=1, show_default=True)
@click.option("--priority", "PrintPriority", type=click.Choice(["HIGH", "MED", "LOW"]), default="MED")
@click.option("--magnification", "MagnificationType", type=click.Choice(["REPLICATE", "BILINEAR", "CUBIC", "NONE"]))
@click.option("--label", "FilmSessionLabel", default="", help="Film Session Label.")
@click.option("--color", is_flag=True, help="Use the Basic Color Meta class.")
def command(files: tuple[Path, ...], to: str, called: str, calling: str, layout: str, **attributes: object) -> None:
    """Compose DICOM files on films of STANDARD layout, each by its window, and send them to a Print SCP."""
    host, colon, port = to.rpartition(":")
    if not colon or not port.isdigit():
        raise UsageError(f"--to takes HOST:PORT, not {to!r}.")
    order = FilmOrder(layout=layout, **attributes)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory(prefix="appliance-send-film-") as folder:
        uri = f"dicom://{quote(called)}@{host}:{port}"
        films, result = send_films(list(files), order, uri, calling, Path(folder))
    if result.outcome.value != "done":
        raise DeviceError(result.message)
    click.echo(f"{films} film{'s' if films > 1 else ''} accepted by {called} at {to}. {result.evidence}")
