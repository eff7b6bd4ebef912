"""Discs: the live list, one disc with its phases, what it waits for, and what a person may do with it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, send_file, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _

from appliance.media import burners, discs, doubt, handing, views
from appliance.media.again import burn_again
from appliance.store import discs as statuses
from appliance.store.store import Store
from appliance.web import looks
from appliance.web.forms import say_done
from appliance.web.live import live, see, shared_live
from appliance.web.panels import Advice, Panel
from appliance.web.visitor import actor, needs, store, visitor
from appliance.web.wording import PHASES

blueprint = Blueprint("discs", __name__, url_prefix="/discs")

PAGE = 50


def _note_list() -> None:
    looks.note("discs-listed", "disc")


@blueprint.get("")
@needs("discs.see")
def index() -> Any:
    see("disc")
    _note_list()
    return render_template("discs/index.html", **_listed())


@blueprint.get("/live")
@needs("discs.see", live=True)
@shared_live("disc", looked=_note_list)
def rows() -> Any:
    return render_template("discs/_rows.html", **_listed())


def _listed() -> dict[str, Any]:
    args = request.args
    status = args.get("status", "")
    found = views.list_discs(
        store(),
        statuses=(status,) if status in statuses.STATUSES else (),
        burner_name=args.get("burner") or None,
        text=args.get("text", "").strip()[:100],
        before=args.get("before", type=int),
        limit=PAGE + 1,
    )
    return {
        "discs": found[:PAGE],
        "older": found[PAGE - 1]["disc_id"] if len(found) > PAGE else None,
        "before": args.get("before", type=int),
        "filters": {key: value for key, value in args.items() if key not in ("before", "seen") and value},
        "burners": burners.all_burners(store()),
        "statuses": statuses.STATUSES,
        "phase_words": PHASES,
    }


@blueprint.get("/<int:disc_id>")
@needs("discs.see")
def show(disc_id: int) -> Any:
    see("disc")
    return render_template("discs/show.html", **_shown(disc_id))


@blueprint.get("/<int:disc_id>/live")
@needs("discs.see", live=True)
@live("disc")
def status(disc_id: int) -> Any:
    return render_template("discs/_status.html", **_shown(disc_id))


def _shown(disc_id: int) -> dict[str, Any]:
    disc = views.show_disc(store(), disc_id)
    looks.note("disc-viewed", "disc", str(disc_id))
    return {
        "disc": disc,
        "phases": list(PHASES.items()),
        "reached": list(PHASES).index(disc["phase"]) if disc["phase"] in PHASES else 0,
        "burners": burners.all_burners(store()),
        "underway": disc["execution_status"] in (statuses.IDLE, *statuses.UNDERWAY),
        "ended": disc["execution_status"] in statuses.FINAL,
    }


@blueprint.get("/<int:disc_id>/volumes/<int:number>/image")
@needs("discs.make")
def image(disc_id: int, number: int) -> Any:
    """The image of a volume, to be burned elsewhere: handed over, not verified."""
    path = handing.image_of(store(), disc_id, number)
    looks.note("disc-downloaded", "disc", str(disc_id), volume=number)
    return send_file(path, as_attachment=True, download_name=f"disc-{disc_id}-{path.name}", conditional=True)


@blueprint.get("/<int:disc_id>/volumes/<int:number>/label.pdf")
@needs("discs.see")
def label(disc_id: int, number: int) -> Any:
    looks.note("disc-viewed", "disc", str(disc_id))
    return Response(handing.label_of(store(), disc_id, number), mimetype="application/pdf")


VERBS = {"cancel": discs.cancel, "release": discs.release, "confirm": doubt.confirm, "spoil": doubt.spoil}


@blueprint.post("/<int:disc_id>/<any(cancel, release, confirm, spoil):verb>")
@needs("discs.make")
def switch(disc_id: int, verb: str) -> Any:
    VERBS[verb](store(), disc_id, actor())
    return redirect(url_for("discs.show", disc_id=disc_id), code=303)


@blueprint.post("/<int:disc_id>/decide")
@needs("discs.make")
def decide(disc_id: int) -> Any:
    form = request.form
    leave_out = [(uid, gettext("left out by request")) for uid in form.getlist("leave_out")]
    discs.decide(
        store(),
        disc_id,
        actor(),
        decisions=form.getlist("decision"),
        leave_out=leave_out,
        incomplete_reason=form.get("incomplete_reason", "").strip()[:200],
        leave_out_refused="leave_out_refused" in form,
        video="mp4" if "video_mp4" in form else "",
    )
    return redirect(url_for("discs.show", disc_id=disc_id), code=303)


@blueprint.post("/<int:disc_id>/move")
@needs("discs.make")
def move(disc_id: int) -> Any:
    discs.move(store(), disc_id, request.form.get("burner", ""), actor())
    return redirect(url_for("discs.show", disc_id=disc_id), code=303)


@blueprint.post("/<int:disc_id>/again")
@needs("discs.make")
def again(disc_id: int) -> Any:
    burner, copies = request.form.get("burner") or None, request.form.get("copies", 1, type=int)
    burn_again(store(), disc_id, actor(), copies=copies, burner=burner)
    return redirect(url_for("discs.show", disc_id=disc_id), code=303)


@blueprint.post("/<int:disc_id>/remake")
@needs("discs.make")
def remake(disc_id: int) -> Any:
    burner, copies = request.form.get("burner") or None, request.form.get("copies", type=int)
    new = discs.remake(store(), disc_id, actor(), burner=burner, copies=copies)
    say_done(_("The disc is ordered once more."))
    return redirect(url_for("discs.show", disc_id=new), code=303)


@blueprint.post("/<int:disc_id>/password.pdf")
@needs("discs.make")
def password(disc_id: int) -> Any:
    """The sheet with the password of an encrypted archive: asked for by a button, kept in the audit trail."""
    _secret, sheet = discs.password_of(store(), disc_id, actor())
    return Response(sheet, mimetype="application/pdf")


def advise(store: Store) -> list[Advice]:
    """Discs that wait for a person."""
    if not visitor().may("discs.see"):
        return []
    held = views.count_held(store)
    if not held:
        return []
    text = ngettext("%(num)d disc waits for a person.", "%(num)d discs wait for a person.", held)
    return [Advice(level="warning", text=text, action=gettext("Show"), url=url_for("discs.index"))]


def _latest(store: Store) -> dict[str, Any]:
    return {"discs": views.list_discs(store, limit=8)}


PANELS = (
    Panel(title=_("Latest discs"), template="overview/_discs.html", gather=_latest, permission="discs.see", order=30),
)
