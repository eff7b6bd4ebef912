"""Print jobs: the live list, one job with its films, and what a person may do with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, send_file, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _

from appliance.errors import ApplianceError
from appliance.printing import jobs, pictures, printer_verbs, views
from appliance.store import job_states as states
from appliance.store.store import Store
from appliance.web import looks
from appliance.web.filters import day, day_after, today
from appliance.web.forms import say_done
from appliance.web.language import translated
from appliance.web.live import live, see, shared_live
from appliance.web.panels import Advice, Panel
from appliance.web.visitor import actor, needs, store, visitor

blueprint = Blueprint("jobs", __name__, url_prefix="/print-jobs")

PAGE = 50
MOST_AT_ONCE = 500
TYPES = {"application/pdf": "application/pdf", "application/postscript": "application/postscript"}
WAITING_GROUPS = {
    "waiting": (states.PENDING,),
    "held": (states.HELD,),
    "printing": (states.PROCESSING, states.STOPPED),
    "printed": (states.COMPLETED,),
    "failed": (states.ABORTED,),
    "cancelled": (states.CANCELED,),
}


def _note_list() -> None:
    looks.note("print-jobs-listed", "print-job")


@blueprint.get("")
@needs("jobs.see")
def index() -> Any:
    see("print")
    _note_list()
    return render_template("jobs/index.html", **_listed())


@blueprint.get("/live")
@needs("jobs.see", live=True)
@shared_live("print", looked=_note_list)
def rows() -> Any:
    return render_template("jobs/_rows.html", **_listed())


def _listed() -> dict[str, Any]:
    args = request.args
    found = views.list_jobs(
        store(),
        printer_name=args.get("printer") or None,
        originator=args.get("originator", "").strip() or None,
        job_states=WAITING_GROUPS.get(args.get("state", ""), ()),
        since=day("since"),
        until=day_after("until"),
        text=args.get("text", "").strip()[:100],
        before=args.get("before", type=int),
        limit=PAGE + 1,
    )
    filters = {key: value for key, value in args.items() if key not in ("before", "seen") and value}
    return {
        "jobs": found[:PAGE],
        "older": found[PAGE - 1]["job_id"] if len(found) > PAGE else None,
        "filters": filters,
        "before": args.get("before", type=int),
        "printers": printer_verbs.all_printers(store()),
        "states": WAITING_GROUPS,
    }


@blueprint.get("/<int:job_id>")
@needs("jobs.see")
def show(job_id: int) -> Any:
    see("print")
    return render_template("jobs/show.html", attributes=pictures.attributes_of(store(), job_id), **_shown(job_id))


@blueprint.get("/<int:job_id>/live")
@needs("jobs.see", live=True)
@live("print")
def status(job_id: int) -> Any:
    return render_template("jobs/_status.html", **_shown(job_id))


def _shown(job_id: int) -> dict[str, Any]:
    job = views.show_job(store(), job_id)
    looks.note("print-job-viewed", "print-job", str(job_id))
    printers = printer_verbs.all_printers(store())
    idle = [printer.name for printer in printers if printer.prints_nothing]
    return {
        "job": job,
        "verbs": _verbs_for(job),
        "printers": printers,
        "waits_in_vain": job["job_state"] == states.PENDING and job["printer"] in idle,
    }


def _verbs_for(job: dict[str, Any]) -> list[str]:
    verbs = [verb for verb, from_states in states.VERBS.items() if job["job_state"] in from_states]
    seen = jobs.may_be_out(job["job_state_reasons"], job["attempts"])
    return [verb for verb in verbs if verb != "confirm" or seen]


@blueprint.get("/<int:job_id>/films/<int:number>/preview.png")
@needs("jobs.see")
def preview(job_id: int, number: int) -> Any:
    return _file(job_id, _film(job_id, number)["preview"], "image/png")


@blueprint.get("/<int:job_id>/films/<int:number>/full.png")
@needs("jobs.see")
def full(job_id: int, number: int) -> Any:
    """The film with every dot it is printed with; the browser zooms."""
    looks.note("print-job-viewed", "print-job", str(job_id), film=number)
    return Response(pictures.film_at_full_resolution(store(), job_id, number), mimetype="image/png")


@blueprint.get("/<int:job_id>/films/<int:number>/document")
@needs("jobs.see")
def document(job_id: int, number: int) -> Any:
    film = _film(job_id, number)
    looks.note("film-downloaded", "print-job", str(job_id), film=number)
    suffix = Path(film["document"] or "").suffix
    mimetype = TYPES.get(film["document_format"] or "", "application/octet-stream")
    return _file(job_id, film["document"], mimetype, f"{job_id}-{number:02}{suffix}")


def _film(job_id: int, number: int) -> dict[str, Any]:
    films = views.show_job(store(), job_id)["films"]
    if not 1 <= number <= len(films):
        abort(404)
    film: dict[str, Any] = films[number - 1]
    return film


def _file(job_id: int, name: str | None, mimetype: str, download: str = "") -> Any:
    path = store().folder.job(job_id) / (name or "")
    if not name or not path.is_file():
        abort(404)
    answer = send_file(path, mimetype=mimetype, as_attachment=bool(download), download_name=download or None)
    answer.headers["Content-Security-Policy"] = "default-src 'none'"
    return answer


@blueprint.post("/act")
@needs("jobs.act")
def act() -> Any:
    """One verb on every job that was ticked; what could not be done is said for each."""
    verb = VERBS.get(request.form.get("verb", ""))
    ticked = list(dict.fromkeys(request.form.getlist("job", type=int)))[:MOST_AT_ONCE]
    if verb is None:
        abort(400)
    problems, done = [], 0
    for job_id in ticked:
        try:
            verb(store(), job_id)
            done += 1
        except ApplianceError as error:
            problems.append(translated(error))
    if done:
        say_done(ngettext("%(num)d job: done.", "%(num)d jobs: done.", done))
    elif not problems:
        problems = [gettext("No job is ticked.")]
    if problems:
        return render_template("jobs/problems.html", problems=problems, back=_back(ticked)), 409
    return redirect(_back(ticked), code=303)


def _back(ticked: list[int]) -> str:
    if request.form.get("back") == "job" and ticked:
        return url_for("jobs.show", job_id=ticked[0])
    return url_for("jobs.index")


def _printer(job_id: int) -> Any:
    """The printer chosen, else the job's own."""
    name = request.form.get("printer") or jobs.get_job(store(), job_id).printer
    return printer_verbs.get_printer(store(), name)


def _reprint(store: Store, job_id: int) -> None:
    copies = request.form.get("copies", type=int)
    jobs.reprint(store, job_id, actor(), printer=_printer(job_id), copies=copies)


VERBS: dict[str, Callable[[Store, int], None]] = {
    "hold": lambda store, job_id: jobs.hold(store, job_id, actor()),
    "release": lambda store, job_id: jobs.release(store, job_id, actor()),
    "cancel": lambda store, job_id: jobs.cancel(store, job_id, actor()),
    "confirm": lambda store, job_id: jobs.confirm(store, job_id, actor()),
    "move": lambda store, job_id: jobs.move(store, job_id, _printer(job_id), actor()),
    "reprint": _reprint,
}


def _today(store: Store) -> dict[str, Any]:
    found = views.list_jobs(store, limit=8)
    return {"jobs": found, "counts": views.counts(store, today())}


def advise(store: Store) -> list[Advice]:
    """Jobs that wait for a person."""
    held = views.count_held(store)
    if not held or not visitor().may("jobs.see"):
        return []
    text = ngettext(
        "%(num)d print job is held and waits for a person.", "%(num)d print jobs are held and wait for a person.", held
    )
    return [Advice(level="warning", text=text, action=gettext("Show"), url=url_for("jobs.index", state="held"))]


PANELS = (
    Panel(title=_("Latest films"), template="overview/_jobs.html", gather=_today, permission="jobs.see", order=20),
)
