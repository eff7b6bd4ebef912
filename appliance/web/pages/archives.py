"""Archives: ask one what it has, fetch studies from it, see how far that is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import ngettext

from appliance.errors import ApplianceError
from appliance.security import peer_verbs
from appliance.studies import pacs, retrieving, search
from appliance.web import looks
from appliance.web.calls import calling_out
from appliance.web.forms import say_done
from appliance.web.language import translated
from appliance.web.live import live, see
from appliance.web.visitor import actor, needs, store

blueprint = Blueprint("archives", __name__, url_prefix="/studies/archives")

QUERY_KEYS = ("PatientName", "PatientID", "AccessionNumber", "StudyDate", "ModalitiesInStudy")
MOST_MATCHES = 200


@blueprint.get("")
@needs("patients.add")
def index() -> Any:
    """Ask an archive what it has."""
    see("retrieval", "study")
    peers = [peer for peer in peer_verbs.all_peers(store()) if peer.host and peer.port]
    args = request.args
    matches: list[dict[str, str]] = []
    problem = ""
    keys = {key: args.get(key, "").strip()[:200] for key in QUERY_KEYS}
    if args.get("peer") and any(keys.values()):
        try:
            wanted = {key: value for key, value in keys.items() if value} | _dates(keys["StudyDate"])
            answer = _ask(args["peer"], wanted)
            looks.note("archive-queried", "peer", args["peer"], **wanted)
            matches, problem = answer.matches, translated(answer.problem) if answer.problem else ""
        except ApplianceError as error:
            problem = translated(error)
    return render_template(
        "archives/index.html",
        peers=peers,
        keys=keys,
        matches=matches,
        problem=problem,
        asked=bool(args.get("peer")),
        most=MOST_MATCHES,
        **_underway(),
    )


def _ask(peer: str, wanted: dict[str, str]) -> pacs.Answer:
    with calling_out():
        return pacs.query(store(), peer, "STUDY", _open_ended(wanted), limit=MOST_MATCHES, seconds=pacs.PERSON_SECONDS)


def _underway() -> dict[str, Any]:
    """The latest retrievals, and the names of patients of whom something is here."""
    found = retrieving.list_retrievals(store(), limit=20)
    return {"retrievals": found, "names": search.patient_names(store(), {each["study_instance_uid"] for each in found})}


def _dates(text: str) -> dict[str, str]:
    return {"StudyDate": text.replace("-", "")} if text else {}


def _open_ended(wanted: dict[str, str]) -> dict[str, str]:
    """A name typed without a star is looked for by its beginning."""
    name = wanted.get("PatientName", "")
    return wanted | ({"PatientName": f"{name}*"} if name and "*" not in name and "?" not in name else {})


@blueprint.get("/live")
@needs("patients.add", live=True)
@live("retrieval", "study")
def retrievals() -> Any:
    return render_template("archives/_retrievals.html", **_underway())


@blueprint.post("/retrieve")
@needs("patients.add")
def retrieve() -> Any:
    wanted = [uid for uid in request.form.getlist("study") if uid][:MOST_MATCHES]
    for uid in wanted:
        retrieving.request_retrieve(store(), request.form.get("peer", ""), uid, actor())
    say_done(ngettext("%(num)d study is being fetched.", "%(num)d studies are being fetched.", len(wanted)))
    return redirect(url_for("archives.index", peer=request.form.get("peer", "")), code=303)


@blueprint.post("/<int:retrieval_id>/cancel")
@needs("patients.add")
def cancel(retrieval_id: int) -> Any:
    retrieving.cancel_retrieve(store(), retrieval_id, actor())
    return redirect(url_for("archives.index"), code=303)
