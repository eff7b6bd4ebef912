"""``appliance study``: received studies: list, show, import, query, retrieve, attach, export, delete."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress as Bar

from appliance.commands.common import actor, for_each, json_option, show, tell, with_store, with_store_or_new
from appliance.commands.waiting import has_workers
from appliance.errors import ApplianceError, UsageError
from appliance.store.retrievals import METHODS
from appliance.store.store import Store
from appliance.studies import removal, search

COLUMNS = ("patient_name", "patient_id", "study_date", "modalities", "instances", "complete", "study_instance_uid")

QUERIED = {
    "PATIENT": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "STUDY": (
        "PatientName",
        "PatientID",
        "StudyDate",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedInstances",
        "StudyInstanceUID",
    ),
    "SERIES": ("Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances", "SeriesInstanceUID"),
    "IMAGE": ("SOPClassUID", "InstanceNumber", "SOPInstanceUID"),
}


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
@with_store_or_new
def import_(store: Store, path: Path, assumed_charset: str, as_json: bool) -> None:
    """Take the instances of a file, a folder, a disc, a zip archive. Exit code 1 when some were refused."""
    from appliance.studies import importing

    with Bar(console=Console(stderr=True), disable=as_json or not sys.stderr.isatty(), transient=True) as bar:
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
    if report.found_nothing:
        raise ApplianceError(f"There is no DICOM file in {path}.")
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
        tell(f"Refused {each['file']}: {each['reason']}")
    for name in values["missing"]:
        tell(f"Missing {name}")


@command.command("query")
@click.argument("peer")
@click.argument("keys", nargs=-1, metavar="[KEYWORD=VALUE]…")
@click.option("--level", type=click.Choice(["PATIENT", "STUDY", "SERIES", "IMAGE"]), default="STUDY", show_default=True)
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 10000))
@json_option
@with_store
def query(store: Store, peer: str, keys: tuple[str, ...], level: str, limit: int, as_json: bool) -> None:
    """Ask an archive, e.g. PatientName='MÜLLER*' StudyDate=20260101-20260131."""
    wanted = {}
    for each in keys:
        keyword, equals, value = each.partition("=")
        if not equals:
            raise UsageError(f"{each} is no KEYWORD=VALUE.")
        wanted[keyword] = value
    from appliance.studies import pacs

    answer = pacs.query(store, peer, level, wanted, limit=limit)
    show(answer.matches, as_json=as_json, columns=QUERIED[level])
    if answer.problem:
        raise answer.problem


@command.command("retrieve")
@click.argument("peer")
@click.argument("study_instance_uid", metavar="UID")
@click.option("--series", multiple=True, metavar="UID", help="Only these series.")
@click.option("--method", type=click.Choice(METHODS), default="auto", show_default=True)
@click.option("--wait", is_flag=True, help="Wait until it is here. Exit code 1 when something is missing.")
@json_option
@with_store
def retrieve(
    store: Store, peer: str, study_instance_uid: str, series: tuple[str, ...], method: str, wait: bool, as_json: bool
) -> None:
    """Fetch a study from an archive, by C-GET or by C-MOVE to ourselves."""
    from appliance.studies import retrieving

    number = retrieving.request_retrieve(store, peer, study_instance_uid, actor(), series=series, method=method)
    if wait:
        _follow(store, number, as_json)
    values = retrieving.get_retrieval(store, number)
    if as_json:
        show(values, as_json=True)
    else:
        click.echo(f"Retrieval {number} of study {study_instance_uid}: {values['state']} {values['message']}".rstrip())
    if wait and values["state"] != "completed":
        why = values["message"].rstrip(".")
        raise ApplianceError(f"Study {study_instance_uid} was not retrieved whole: {why}.")


def _follow(store: Store, number: int, as_json: bool) -> None:
    from appliance.studies import fetching, retrieving

    if not has_workers(store, "retrieve"):
        with contextlib.suppress(ApplianceError):  # what it is stands in the row
            fetching.retrieve_now(store, number)
        return
    with Bar(console=Console(stderr=True), disable=as_json or not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("Retrieve", total=None)
        while (row := retrieving.get_retrieval(store, number))["state"] in ("pending", "processing"):
            bar.update(task, completed=row["done"], total=row["total"])
            time.sleep(0.2)


@command.command("attach")
@click.argument("study_instance_uid", metavar="UID")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--patient-id", required=True, help="The patient it belongs to, to be compared with the study's.")
@click.option("--title", default="", help="What it is; else the file's name.")
@json_option
@with_store
def attach(store: Store, study_instance_uid: str, path: Path, patient_id: str, title: str, as_json: bool) -> None:
    """Add a scanned paper or a report (PDF or JPEG) to a study."""
    from appliance.studies import paper

    taken = paper.attach(store, path, study_instance_uid, actor(), patient_id=patient_id, title=title)
    show({"study_instance_uid": study_instance_uid, "sop_instance_uid": taken.sop_instance_uid}, as_json=as_json)


@command.command("export")
@click.argument("uids", nargs=-1, required=True, metavar="UID…")
@click.option("--to", "target", required=True, type=click.Path(path_type=Path), help="The zip archive to write.")
@json_option
@with_store
def export(store: Store, uids: tuple[str, ...], target: Path, as_json: bool) -> None:
    """Write studies as a zip archive with a DICOMDIR."""
    from appliance.media.export import export_studies

    built = export_studies(store, uids, target.absolute(), actor())
    values = {"archive": str(target), "instances": built.instances, "bytes": target.stat().st_size}
    show({**values, "sha256": built.sha256}, as_json=as_json)


@command.command("delete")
@click.argument("uids", nargs=-1, required=True, metavar="UID…")
@click.option("--committed-too", is_flag=True, help="Even where its sender was promised that it is kept.")
@with_store
def delete(store: Store, uids: tuple[str, ...], committed_too: bool) -> None:
    """Remove studies with all their files."""

    def remove(uid: str) -> None:
        count = removal.delete_study(store, uid, actor(), committed_too=committed_too)
        click.echo(f"Study {uid} is deleted: {count} instances.")

    _, code = for_each(uids, remove)
    sys.exit(code)
