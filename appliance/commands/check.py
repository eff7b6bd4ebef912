"""``appliance check``: all an admin would ask when it does not work."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from appliance.commands.common import show, with_store
from appliance.errors import ApplianceError
from appliance.store.store import Store
from appliance.upkeep import health
from appliance.upkeep.finding import Finding

MARKS = {"error": "[bold red]✗[/]", "warning": "[bold yellow]![/]", "fine": "[green]✓[/]"}


JOURNAL = "appliance.journal"


def _journal_first(ctx: click.Context, _: click.Parameter, bundle: Path | None) -> Path | None:
    """Read while root is root: the command becomes who owns the data folder, to whom the journal is closed."""
    if bundle is not None:
        from appliance.upkeep.bundle import journal

        ctx.meta[JOURNAL] = journal()
    return bundle


@click.command("check")
@click.option("--quick", is_flag=True, help="Read what is known; call nobody.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_journal_first,
    help="Write a zip for support: no patient data.",
)
@with_store
def command(store: Store, quick: bool, as_json: bool, bundle: Path | None) -> None:
    """Say what is wrong and what to do next. Exit code 1 when something is."""
    findings = health.look(store, thorough=not quick)
    if as_json:
        show([finding.to_json() for finding in findings], as_json=True)
    else:
        _tell(findings)
    if bundle is not None:
        from appliance.upkeep.bundle import write_bundle

        write_bundle(store, bundle, findings, click.get_current_context().meta[JOURNAL])
    wrong = sum(finding.level == "error" for finding in findings)
    if wrong:
        raise ApplianceError(f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong: see above.")


def _tell(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(f"{MARKS[finding.level]} [bold]{finding.topic:12}[/] {escape(finding.text)}")
        if finding.advice:
            console.print(f"{'':15}→ {escape(finding.advice)}")
