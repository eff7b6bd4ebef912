"""The command line: parses, calls verbs, prints tables or JSON. One file a noun under ``commands/``."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from io import TextIOWrapper

import click

from appliance import __version__
from appliance.errors import ApplianceError

COMMANDS = {
    "serve": "serve",
    "printer": "printer",
    "calibration": "calibration",
    "profile": "profile",
    "job": "job",
    "peer": "peer",
    "send-film": "send_film",
    "conformance": "conformance",
    "study": "study",
    "retrieval": "retrieval",
    "disc": "disc",
    "disc-profile": "disc_profile",
    "burner": "burner",
    "user": "user",
    "token": "token",
    "audit": "audit",
    "check": "check",
    "backup": "backup",
    "restore": "restore",
    "purge": "purge",
    "tls": "tls",
    "burner-agent": "burner_agent",
}
"""Command -> module under ``appliance.commands`` that has it as ``command``. Loaded when used: start-up stays quick."""


class Commands(click.Group):
    """The commands, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"appliance.commands.{COMMANDS[cmd_name]}").command


@click.group(cls=Commands)
@click.version_option(__version__)
def cli() -> None:
    """Print-and-disc appliance: films from modalities to printers, studies to discs."""


def main() -> None:
    """Entry point: errors are one clear line and an exit code (1 failed, 2 usage)."""
    os.umask(0o077)  # the database, too, is its owner's alone
    _open_standard_files()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may know no Chinese: \u738b, not the end
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("appliance: Broken off; nothing was answered.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ApplianceError as error:
        click.echo(f"appliance: {error}{_refused_to_root(error)}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except PermissionError as error:
        click.echo(f"appliance: {error.filename}: {error.strerror}. {_who_may(error)}", err=True)
        sys.exit(1)
    except UnicodeEncodeError as error:  # bytes that are no text come as halves of characters: PEP 383
        click.echo(f"appliance: {ascii(error.object)} is no text in UTF-8.", err=True)
        sys.exit(2)
    except OSError as error:  # a full disk behind standard output, most likely
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"appliance: {where}{error.strerror or error}.", err=True)
        sys.exit(1)


def _who_may(error: PermissionError) -> str:
    return _refused_to_root(error).strip() or "Run it as root, or as who owns it."


def _refused_to_root(error: BaseException) -> str:
    """Root is refused nothing as a rule, and would look for the fault elsewhere."""
    from appliance.commands import common

    refused = isinstance(error, PermissionError) or isinstance(error.__cause__, PermissionError)
    if not common.owner_of or not refused:
        return ""
    return f" (Here root acts as who owns {common.owner_of[0]}: the file must be where that user may read and write.)"


def _open_standard_files() -> None:
    """A caller may have closed them: the next file to be opened would pass for one, and be written to as such."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
