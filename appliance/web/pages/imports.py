"""Import of files, folders and archives: uploaded here, taken in by a worker, followed live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for

from appliance.errors import ApplianceError
from appliance.store.store import Store
from appliance.studies import search, uploads
from appliance.web.language import translated
from appliance.web.live import live, see
from appliance.web.visitor import actor, needs, store

blueprint = Blueprint("imports", __name__, url_prefix="/studies/import")

BLOCK = 1 << 20
SHOWN = 20


@blueprint.get("")
@needs("patients.add")
def index() -> Any:
    see("import")
    return _page()


def _page(problem: str = "") -> str:
    imports = uploads.list_imports(store(), limit=SHOWN)
    return render_template("imports/index.html", imports=imports, problem=problem)


@blueprint.get("/live")
@needs("patients.add", live=True)
@live("import")
def rows() -> Any:
    return render_template("imports/_rows.html", imports=uploads.list_imports(store(), limit=SHOWN))


@blueprint.post("")
@needs("patients.add", upload=True)
def take() -> Any:
    """Keep what was uploaded: DICOM files, zip archives, whole folders.

    A script sends a folder in several requests: it says which import they belong to, and which is not the last; it
    asks for JSON.
    """
    asked_by_script = request.accept_mimetypes.best == "application/json"
    try:
        number = take_uploads(store(), request.form.get("import", type=int), more=bool(request.form.get("more")))
    except ApplianceError as error:
        if asked_by_script:
            raise
        see("import")
        return _page(translated(error)), error.http_status
    if asked_by_script:
        answer = jsonify(import_id=number, url=url_for("imports.show", import_id=number))
        answer.status_code = 202
        answer.headers["Location"] = url_for("imports.show", import_id=number)
        return answer
    return redirect(url_for("imports.show", import_id=number), code=303)


def take_uploads(store: Store, number: int | None = None, *, more: bool = False) -> int:
    """Keep every file of the request, as an import of its own or added to one; begun unless there are `more`."""
    if number is None:
        number = uploads.begin(store, actor())
    uploaded = [upload for upload in request.files.getlist("files") if upload.filename]
    uploads.add(store, number, ((each.filename or "", blocks(each.stream)) for each in uploaded), actor())
    if not more:
        uploads.end(store, number, actor())
    return number


def blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """A stream a piece at a time."""
    while block := stream.read(BLOCK):
        yield block


@blueprint.get("/<int:import_id>")
@needs("patients.add")
def show(import_id: int) -> Any:
    see("import")
    return render_template("imports/show.html", **_shown(import_id))


@blueprint.get("/<int:import_id>/live")
@needs("patients.add", live=True)
@live("import")
def status(import_id: int) -> Any:
    return render_template("imports/_status.html", **_shown(import_id))


def _shown(import_id: int) -> dict[str, Any]:
    found = uploads.get_import(store(), import_id)
    return {"each": found, "names": search.patient_names(store(), found["studies"][:SHOWN])}


@blueprint.post("/<int:import_id>/cancel")
@needs("patients.add")
def cancel(import_id: int) -> Any:
    uploads.cancel(store(), import_id, actor())
    return redirect(url_for("imports.show", import_id=import_id), code=303)
