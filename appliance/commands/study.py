"""``appliance study``: received studies: list, show, import, query, retrieve, attach, export, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress as Bar

from appliance.commands.common import actor, json_option, show, with_store
from appliance.errors import ApplianceError
from appliance.store.store import Store
from appliance.studies import importing, removal, search

COLUMNS = ("patient_name", "patient_id", "study_date", "modalities", "instances", "complete", "study_instance_uid")


@click.group("study")
def command() -> None:
    """Received studies."""


@command.command("list")
@click.argument("text", default="")
@click.option("--name", "patient_name", default="", help="Patient's name: beginnings of its parts, in any script.")
@click.option("--id", "patient_id", default="", help="Patient ID.")
@click.option("--accession", "accession_number", default="")
@click.option("--description", default="")
@click.option("--modality", default="")
@click.option("--since", default="", metavar="DATE", help="Study date from, YYYY-MM-DD.")
@click.option("--until", default="", metavar="DATE")
@click.option("--source", default="", help="AE title or person it came from last.")
@click.option("--before", type=int, help="Only those behind this page number.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@json_option
@with_store
def list_(store: Store, as_json: bool, **conditions: Any) -> None:
    """The studies that came last, or those that fit TEXT and the options."""
    show(search.find_studies(store, search.Query(**conditions)), as_json=as_json, columns=COLUMNS)


@command.command("show")
@click.argument("study_instance_uid", metavar="UID")
@json_option
@with_store
def show_(store: Store, study_instance_uid: str, as_json: bool) -> None:
    """A study and its series."""
    show(search.show_study(store, study_instance_uid), as_json=as_json)


@command.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--charset", "assumed_charset", default="", help="Specific Character Set where it is absent or false.")
@json_option
@with_store
def import_(store: Store, path: Path, assumed_charset: str, as_json: bool) -> None:
    """Take the instances of a file, a folder, a disc, a zip archive. Exit code 1 when some were refused."""
    with Bar(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("Import", total=None)
        report = importing.import_path(
            store,
            path,
            actor(),
            assumed_charset=assumed_charset,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    values = report.to_json()
    if as_json:
        show(values, as_json=True)
    else:
        _tell_import(values)
    if report.refused_count or report.missing:
        raise ApplianceError(
            f"{report.refused_count} files were refused, {len(report.missing)} named in the DICOMDIR are missing."
        )


def _tell_import(values: dict[str, Any]) -> None:
    counts = f"{values['stored']} instances stored, {values['known']} known, {values['kept_aside']} kept aside"
    click.echo(f"{values['files']} files: {counts}, {values['not_dicom']} are no DICOM.")
    for uid in values["studies"]:
        click.echo(f"Study {uid}")
    for each in values["refused"]:
        click.echo(f"Refused {each['file']}: {each['reason']}")
    for name in values["missing"]:
        click.echo(f"Missing {name}")


@command.command("delete")
@click.argument("uids", nargs=-1, required=True, metavar="UID…")
@click.option("--committed-too", is_flag=True, help="Even where its sender was promised that it is kept.")
@with_store
def delete(store: Store, uids: tuple[str, ...], committed_too: bool) -> None:
    """Remove studies with all their files."""
    for uid in uids:
        count = removal.delete_study(store, uid, actor(), committed_too=committed_too)
        click.echo(f"Study {uid} is deleted: {count} instances.")
