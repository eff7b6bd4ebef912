"""Patients: search as one types, a study with its series, a look at the images, import, archives, delete."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from flask import Blueprint, Response, current_app, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _
from markupsafe import escape
from werkzeug.utils import secure_filename

from appliance.errors import ApplianceError, UsageError
from appliance.pixels import Decoder, PixelError
from appliance.security import peer_verbs
from appliance.store import files
from appliance.store.store import Store
from appliance.studies import importing, looking, pacs, paper, removal, retrieving, search
from appliance.web import looks
from appliance.web.forms import say_done
from appliance.web.language import translated
from appliance.web.live import live, see
from appliance.web.visitor import actor, needs, store, visitor

blueprint = Blueprint("patients", __name__, url_prefix="/studies")

PAGE = 50
THUMBNAIL = 160
LARGEST_EDGE = 2048
QUERY_KEYS = ("PatientName", "PatientID", "AccessionNumber", "StudyDate", "ModalitiesInStudy")
MOST_MATCHES = 200
BLOCK = 1 << 20


@blueprint.get("")
@needs("patients.see")
def index() -> Any:
    see("study")
    return render_template("patients/index.html", **_found())


@blueprint.get("/live")
@needs("patients.see", live=True)
@live("study")
def rows() -> Any:
    return render_template("patients/_rows.html", **_found())


@blueprint.get("/search")
@needs("patients.see")
def found() -> Any:
    """The rows alone, asked for while one types."""
    see("study")
    return render_template("patients/_rows.html", **_found())


def _found() -> dict[str, Any]:
    args = request.args
    filters = {key: value for key, value in args.items() if key not in ("before", "seen") and value}
    named = {key: args.get(key, "").strip()[:100] for key in ("text", "modality", "since", "until", "source")}
    before = args.get("before", type=int)
    problem = ""
    try:
        shown = search.find_studies(store(), search.Query(**named, before=before, limit=PAGE + 1))
    except ApplianceError as error:
        shown, problem = [], translated(error)
    looks.note("studies-searched", "study", **({"text": named["text"]} if named["text"] else {}))
    return {
        "studies": shown[:PAGE],
        "older": shown[PAGE - 1]["page"] if len(shown) > PAGE else None,
        "before": before,
        "filters": filters,
        "problem": problem,
    }


@blueprint.get("/<uid>")
@needs("patients.see")
def show(uid: str) -> Any:
    study = search.show_study(store(), uid)
    looks.note("study-viewed", "study", uid)
    return render_template("patients/show.html", study=study)


@blueprint.get("/<uid>/series/<series_uid>")
@needs("patients.see")
def view(uid: str, series_uid: str) -> Any:
    """One image of a series, with what it takes to scroll and to set the window."""
    study = search.show_study(store(), uid)
    series = next((each for each in study["series_list"] if each["series_instance_uid"] == series_uid), None)
    places = looking.frames_of_series(store(), series_uid)
    looks.note("study-viewed", "study", uid)
    number = min(max(request.args.get("image", 1, type=int), 1), len(places))
    window = {key: value for key in ("center", "width") if (value := request.args.get(key, type=float)) is not None}
    return render_template(
        "patients/view.html",
        study=study,
        series=series or {"series_instance_uid": series_uid, "series_description": "", "modality": ""},
        places=places,
        number=number,
        place=places[number - 1],
        window=window,
        about=_about(places[number - 1].sop_instance_uid),
    )


def _about(sop_instance_uid: str) -> dict[str, Any]:
    path, _study = looking.path_of_instance(store(), sop_instance_uid)
    try:
        return _decoder().about(path)
    except (PixelError, OSError) as error:
        return {"problem": str(error)}


@blueprint.get("/instances/<uid>/frames/<int:frame>.jpg")
@needs("patients.see")
def picture(uid: str, frame: int) -> Any:
    """A frame as a picture: shrunk to `edge`, in a window of `center` and `width`."""
    path, study = looking.path_of_instance(store(), uid)
    looks.note("study-viewed", "study", study)
    edge = min(max(request.args.get("edge", LARGEST_EDGE, type=int), 16), LARGEST_EDGE)
    center, width = request.args.get("center", type=float), request.args.get("width", type=float)
    window = (center, width) if center is not None and width is not None and width > 0 else None
    try:
        data = _decoder().jpeg(path, frame, window=window, max_edge=edge)
    except (PixelError, OSError) as error:
        return Response(_no_picture(str(error)), mimetype="image/svg+xml")
    answer = Response(data, mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "private, max-age=600, no-transform"  # scrolling back asks nothing
    return answer


def _no_picture(why: str) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 200"><rect width="320" height="200" fill="#222"/>'
        f'<text x="160" y="104" font-size="12" font-family="sans-serif" fill="#ccc" text-anchor="middle">'
        f"{escape(why[:60])}</text></svg>"
    )


def _decoder() -> Decoder:
    """One pool of limited children for this process, made on first use."""
    extensions = current_app.extensions
    if "decoder" not in extensions:
        extensions["decoder"] = Decoder(children=2)
    decoder: Decoder = extensions["decoder"]
    return decoder


@blueprint.post("/<uid>/delete")
@needs("patients.delete")
def delete(uid: str) -> Any:
    removal.delete_study(store(), uid, actor(), committed_too=bool(request.form.get("committed_too")))
    say_done(_("The study is deleted."))
    return redirect(url_for("patients.index"), code=303)


@blueprint.post("/instances/<uid>/decide")
@needs("patients.delete")
def decide(uid: str) -> Any:
    """A person chose which of two contents under one UID is right."""
    _path, study = looking.path_of_instance(store(), uid)
    removal.decide_content(store(), uid, request.form.get("sha256", ""), actor())
    return redirect(url_for("patients.show", uid=study), code=303)


@blueprint.post("/<uid>/attach")
@needs("patients.add", upload=True)
def attach(uid: str) -> Any:
    """Add a scanned paper (PDF, JPEG) to the study of a patient the person confirms."""
    upload = request.files.get("files")
    if upload is None or not upload.filename:
        raise UsageError(gettext("Choose a PDF or JPEG file."), field="files")
    folder = files.make_folder(store().folder.spool / f"upload-{secrets.token_hex(8)}")
    try:
        path = files.write_scratch(folder / (secure_filename(upload.filename) or "paper"), _blocks(upload.stream))
        confirmed, title = request.form.get("patient_id", ""), request.form.get("title", "").strip()[:64]
        paper.attach(store(), path, uid, actor(), patient_id=confirmed, title=title)
    finally:
        files.remove_tree(folder)
    say_done(_("The paper is added to the study."))
    return redirect(url_for("patients.show", uid=uid), code=303)


# import -------------------------------------------------------------------------------------------------------------


@blueprint.get("/import")
@needs("patients.add")
def import_page() -> Any:
    return render_template("patients/import.html", report=None)


@blueprint.post("/import")
@needs("patients.add", upload=True)
def import_files() -> Any:
    """Take what was uploaded: DICOM files, zip archives, whole folders. A program asks for JSON."""
    report = take_uploads(store())
    if request.accept_mimetypes.best == "application/json":
        return jsonify(report)
    return render_template("patients/import.html", report=report), 200 if report["files"] else 400


def take_uploads(store: Store) -> dict[str, Any]:
    """Import every uploaded file; the reports added up."""
    folder = files.make_folder(store.folder.spool / f"upload-{secrets.token_hex(8)}")
    total: dict[str, Any] = {}
    try:
        for number, upload in enumerate(request.files.getlist("files")):
            if not upload.filename:
                continue
            name = secure_filename(Path(upload.filename).name) or "file"
            path = folder / f"{number:05}-{name[-80:]}"
            files.write_scratch(path, _blocks(upload.stream))
            total = _added(total, _import_one(store, path, upload.filename))
            files.remove(path)
    finally:
        files.remove_tree(folder)
    return total or _added({}, importing.ImportReport().to_json())


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        yield block


def _import_one(store: Store, path: Path, name: str) -> dict[str, Any]:
    try:
        return importing.import_path(store, path, actor(), source=visitor().name).to_json()
    except ApplianceError as error:
        report = importing.ImportReport(files=1)
        report.refuse(name, translated(error))
        return report.to_json()


def _added(total: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    if not total:
        return dict(report)
    return {
        key: sorted({*total[key], *value}) if key == "studies" else total[key] + value for key, value in report.items()
    }


# archives -----------------------------------------------------------------------------------------------------------


@blueprint.get("/archives")
@needs("patients.add")
def archives() -> Any:
    """Ask an archive what it has."""
    see("retrieval", "study")
    peers = [peer for peer in peer_verbs.all_peers(store()) if peer.host and peer.port]
    args = request.args
    matches, problem = [], ""
    keys = {key: args.get(key, "").strip()[:200] for key in QUERY_KEYS}
    if args.get("peer") and any(keys.values()):
        try:
            wanted = {key: value for key, value in keys.items() if value} | _dates(keys["StudyDate"])
            matches = pacs.query(store(), args["peer"], "STUDY", _open_ended(wanted), limit=MOST_MATCHES)
            looks.note("archive-queried", "peer", args["peer"], **wanted)
        except ApplianceError as error:
            problem = translated(error)
    return render_template(
        "patients/archives.html",
        peers=peers,
        keys=keys,
        matches=matches,
        problem=problem,
        asked=bool(args.get("peer")),
        most=MOST_MATCHES,
        retrievals=retrieving.list_retrievals(store(), limit=20),
    )


def _dates(text: str) -> dict[str, str]:
    return {"StudyDate": text.replace("-", "")} if text else {}


def _open_ended(wanted: dict[str, str]) -> dict[str, str]:
    """A name typed without a star is looked for by its beginning."""
    name = wanted.get("PatientName", "")
    return wanted | ({"PatientName": f"{name}*"} if name and "*" not in name and "?" not in name else {})


@blueprint.get("/archives/live")
@needs("patients.add", live=True)
@live("retrieval", "study")
def retrievals() -> Any:
    return render_template("patients/_retrievals.html", retrievals=retrieving.list_retrievals(store(), limit=20))


@blueprint.post("/archives/retrieve")
@needs("patients.add")
def retrieve() -> Any:
    wanted = request.form.getlist("study")
    for uid in wanted[:100]:
        retrieving.request_retrieve(store(), request.form.get("peer", ""), uid, actor())
    say_done(ngettext("%(num)d study is being fetched.", "%(num)d studies are being fetched.", len(wanted)))
    return redirect(url_for("patients.archives", peer=request.form.get("peer", "")), code=303)


@blueprint.post("/archives/<int:retrieval_id>/cancel")
@needs("patients.add")
def cancel_retrieve(retrieval_id: int) -> Any:
    retrieving.cancel_retrieve(store(), retrieval_id, actor())
    return redirect(url_for("patients.archives"), code=303)
