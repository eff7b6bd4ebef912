"""Patients: search as one types, a study with its series, a look at the images, papers, delete."""

from __future__ import annotations

import math
import secrets
from pathlib import PureWindowsPath
from typing import Any

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _
from markupsafe import escape
from werkzeug.utils import secure_filename

from appliance.errors import ApplianceError, ConflictError, NotFoundError, UsageError
from appliance.legible import legible
from appliance.pixels import Decoder, PixelError, limits_of
from appliance.store import files
from appliance.studies import looking, paper, removal, search
from appliance.studies.intake import Taken
from appliance.web import looks, windows
from appliance.web.forms import say_done
from appliance.web.language import translated
from appliance.web.live import see, shared_live
from appliance.web.pages.imports import blocks
from appliance.web.visitor import actor, needs, store, visitor

blueprint = Blueprint("patients", __name__, url_prefix="/studies")

PAGE = 50
THUMBNAIL = 160
LARGEST_EDGE = 2048
MOST_AT_ONCE = 200
LONGEST_NAME = 100


def _note_search() -> None:
    text = _asked("text")
    looks.note("studies-searched", "study", **({"text": text} if text else {}))


def _asked(key: str) -> str:
    return request.args.get(key, "").strip()[:100]


@blueprint.get("")
@needs("patients.see")
def index() -> Any:
    see("study")
    _note_search()
    return render_template("patients/index.html", **_found())


@blueprint.get("/live")
@needs("patients.see", live=True)
@shared_live("study", looked=_note_search)
def rows() -> Any:
    return render_template("patients/_rows.html", **_found())


@blueprint.get("/search")
@needs("patients.see")
def found() -> Any:
    """The rows alone, asked for while one types."""
    see("study")
    _note_search()
    return render_template("patients/_rows.html", **_found())


def _found() -> dict[str, Any]:
    args = request.args
    filters = {key: value for key, value in args.items() if key not in ("before", "seen") and value}
    named = {key: _asked(key) for key in ("text", "modality", "since", "until", "source")}
    before = args.get("before", type=int)
    problem = ""
    try:
        shown = search.find_studies(store(), search.Query(**named, before=before, limit=PAGE + 1))
    except ApplianceError as error:
        shown, problem = [], translated(error)
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
    return render_template("patients/show.html", study=study, complaint="", typed={})


@blueprint.get("/<uid>/series/<series_uid>")
@needs("patients.see")
def view(uid: str, series_uid: str) -> Any:
    """One image of a series, with what it takes to scroll and to set the window."""
    study = search.show_study(store(), uid)
    series = next((each for each in study["series_list"] if each["series_instance_uid"] == series_uid), None)
    places = looking.frames_of_series(store(), series_uid)
    looks.note("study-viewed", "study", uid)
    number = min(max(request.args.get("image", 1, type=int), 1), len(places))
    place = places[number - 1]
    found = _windows(place)
    wanted = windows.chosen(*_asked_window(), found)
    usual = windows.as_sent(found)
    modality = (series or {}).get("modality", "")
    return render_template(
        "patients/view.html",
        study=study,
        series=series or {"series_instance_uid": series_uid, "series_description": "", "modality": ""},
        places=places,
        number=number,
        place=place,
        is_pdf=looking.is_pdf(store(), place.sop_instance_uid),
        window={"center": wanted.center, "width": wanted.width} if wanted else {},
        fields=wanted or usual,
        choices=windows.choices(found, modality),
        shown=windows.shown,
        unit=found.get("unit") or ("HU" if modality == "CT" else ""),
        problem=found.get("problem", ""),
    )


def _asked_window() -> tuple[float | None, float | None]:
    """Center and width of the address; what is no finite number is none."""
    center, width = (request.args.get(key, type=float) for key in ("center", "width"))
    return (
        (center, width) if all(each is not None and math.isfinite(each) for each in (center, width)) else (None, None)
    )


def _windows(place: looking.Place) -> dict[str, Any]:
    path, _study = looking.path_of_instance(store(), place.sop_instance_uid)
    try:
        return _decoder().windows(path, place.frame)
    except (PixelError, OSError) as error:
        return {"problem": translated(error)}


@blueprint.get("/instances/<uid>/frames/<int:frame>.jpg")
@needs("patients.see")
def picture(uid: str, frame: int) -> Any:
    """A frame as a picture: shrunk to `edge`, in a window of `center` and `width`."""
    path, study = looking.path_of_instance(store(), uid)
    looks.note("study-viewed", "study", study)
    edge = min(max(request.args.get("edge", LARGEST_EDGE, type=int), 16), LARGEST_EDGE)
    center, width = _asked_window()
    window = (center, width) if center is not None and width is not None and width > 0 else None
    try:
        data = _decoder().jpeg(path, frame, window=window, max_edge=edge)
    except (PixelError, OSError) as error:
        return Response(_no_picture(translated(error)), mimetype="image/svg+xml")
    answer = Response(data, mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "private, max-age=600, no-transform"  # scrolling back asks nothing
    return answer


@blueprint.get("/instances/<uid>/document.pdf")
@needs("patients.see")
def document(uid: str) -> Any:
    """An encapsulated PDF, to be opened by the reader's own program: what strangers sent is not run on our page."""
    path, study = looking.path_of_instance(store(), uid)
    looks.note("study-viewed", "study", study)
    about, data = _decoder().document(path)
    if about["kind"] != "pdf":
        raise NotFoundError(gettext("This object is no PDF."))
    answer = Response(data, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = 'attachment; filename="document.pdf"'
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
        extensions["decoder"] = Decoder(children=2, limits=limits_of(store().settings.limits))
    decoder: Decoder = extensions["decoder"]
    return decoder


@blueprint.post("/ticked")
@needs("discs.make")
def ticked() -> Any:
    """What to do with the ticked studies: on to a disc of them, or to the question whether they shall go."""
    chosen = _ticked()
    if request.form.get("verb") != "delete":
        return redirect(url_for("new_disc.index", study=chosen), code=303)
    if not visitor().may("patients.delete"):
        abort(403)
    found = [search.show_study(store(), uid) for uid in chosen]
    return render_template("patients/delete.html", studies=found), 200 if found else 400


def _ticked() -> list[str]:
    return list(dict.fromkeys(request.form.getlist("study")))[:MOST_AT_ONCE]


@blueprint.post("/delete")
@needs("patients.delete")
def delete_ticked() -> Any:
    """Delete every ticked study that may go, and say of the others why not."""
    ticked = _ticked()
    problems = [problem for uid in ticked if (problem := _delete_one(uid))]
    gone = len(ticked) - len(problems)
    if gone:
        say_done(ngettext("%(num)d study is deleted.", "%(num)d studies are deleted.", gone))
    if problems:
        return render_template("jobs/problems.html", problems=problems, back=url_for("patients.index")), 409
    return redirect(url_for("patients.index"), code=303)


def _delete_one(uid: str) -> str:
    """Why a study is not deleted; "" when it is."""
    try:
        removal.delete_study(store(), uid, actor(), committed_too=bool(request.form.get("committed_too")))
    except ApplianceError as error:
        return translated(error)
    return ""


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
    try:
        attach_upload(uid)
    except (UsageError, ConflictError) as error:  # what was typed stays
        values = {"complaint": translated(error), "typed": request.form}
        return render_template("patients/show.html", study=search.show_study(store(), uid), **values), error.http_status
    say_done(_("The paper is added to the study."))
    return redirect(url_for("patients.show", uid=uid), code=303)


def attach_upload(uid: str) -> Taken:
    """Add the request's one file to a study. Raises UsageError when there is none, and what paper.attach raises."""
    upload = request.files.get("files")
    if upload is None or not upload.filename:
        raise UsageError(gettext("Choose a PDF or JPEG file."), field="files")
    folder = files.make_folder(store().folder.spool / f"{paper.SPOOL_PREFIX}{secrets.token_hex(8)}")
    try:
        name = secure_filename(upload.filename)[-LONGEST_NAME:] or "paper"
        path = files.write_scratch(folder / name, blocks(upload.stream))
        confirmed = request.form.get("patient_id", "")
        title = (request.form.get("title", "").strip() or legible(PureWindowsPath(upload.filename).stem).strip())[:64]
        return paper.attach(store(), path, uid, actor(), patient_id=confirmed, title=title)
    finally:
        files.remove_tree(folder)
