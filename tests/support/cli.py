"""The command line in the test's own process: a tenth of what a process of its own takes."""

from __future__ import annotations

from click.testing import CliRunner

from appliance.cli import cli


def run(*arguments: str) -> str:
    """What a command prints; raises what makes it fail."""
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout
