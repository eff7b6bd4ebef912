"""Discs, burners, disc profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import url_for

from appliance.errors import ConflictError
from appliance.media import burners, copy_types, discs, views
from appliance.media.again import burn_again
from appliance.media.asking import held_for, news_by_study, news_of
from appliance.media.burners import StoredBurner
from appliance.media.copy_types import CopyType
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.web import looks
from appliance.web.api import disc_models as models
from appliance.web.api.describe import check_version, endpoint, etag
from appliance.web.api.film_models import Findings
from appliance.web.api.films import paged
from appliance.web.calls import calling_out
from appliance.web.pages import discs as disc_pages
from appliance.web.visitor import actor, store
from appliance.words import say


@endpoint(
    "GET", "/discs", "Discs, the newest first", permission="discs.see", query=models.DiscQuery, gives=models.Discs
)
def list_discs(query: models.DiscQuery) -> Any:
    looks.note("discs-listed", "disc")
    found = views.list_discs(
        store(),
        statuses=(query.execution_status,) if query.execution_status else (),
        burner_name=query.burner,
        study_instance_uid=query.study,
        text=query.text,
        before=query.before,
        limit=query.limit + 1,
    )
    return paged(found, query.limit, "disc_id")


def _order(body: models.NewDisc) -> DiscOrder:
    values = body.model_dump(exclude={"studies", "series", "instances"})
    return DiscOrder(selection=Selection(studies=body.studies, series=body.series, instances=body.instances), **values)


@endpoint(
    "POST", "/discs", "Order a disc", permission="discs.make", body=models.NewDisc, gives=models.DiscNumber, status=202
)
def create_disc(body: models.NewDisc) -> Any:
    disc_id = discs.create_disc(store(), _order(body), actor())
    return {"disc_id": disc_id}, {"Location": url_for("api.get_disc", disc_id=disc_id)}


@endpoint(
    "POST",
    "/discs/plan",
    "What would be made; nothing is",
    permission="discs.make",
    body=models.NewDisc,
    gives=models.Plan,
)
def plan_disc(body: models.NewDisc) -> Any:
    order = _order(body)
    with calling_out():
        news = news_by_study(store(), order.selection)
    plan, gathered = discs.plan_disc(store(), order)
    said = {"news": news_of(news), "held": held_for(order, gathered, news)}
    return plan.to_json() | {"incomplete": list(gathered.incomplete)} | said


def _disc(disc_id: int) -> Any:
    return views.show_disc(store(), disc_id)


@endpoint(
    "GET", "/discs/<int:disc_id>", "A disc with its volumes and history", permission="discs.see", gives=models.Disc
)
def get_disc(disc_id: int) -> Any:
    looks.note("disc-viewed", "disc", str(disc_id))
    return _disc(disc_id)


@endpoint(
    "GET",
    "/discs/<int:disc_id>/volumes/<int:number>/image",
    "The image of a volume",
    permission="discs.make",
    media_type="application/octet-stream",
)
def get_image(disc_id: int, number: int) -> Any:
    return disc_pages.image(disc_id, number)


@endpoint(
    "GET",
    "/discs/<int:disc_id>/volumes/<int:number>/label",
    "The label of a volume",
    permission="discs.see",
    media_type="application/pdf",
)
def get_label(disc_id: int, number: int) -> Any:
    return disc_pages.label(disc_id, number)


@endpoint(
    "POST",
    "/discs/<int:disc_id>/<any(cancel, release, confirm, spoil):verb>",
    "Cancel; go on after a person did something; say that a disc in doubt came out, or is spoilt",
    permission="discs.make",
    gives=models.Disc,
)
def act_on_disc(disc_id: int, verb: str) -> Any:
    disc_pages.VERBS[verb](store(), disc_id, actor())
    return _disc(disc_id)


@endpoint(
    "POST",
    "/discs/<int:disc_id>/decide",
    "Say what is right about a disc that waits for a person",
    permission="discs.make",
    body=models.Decide,
    gives=models.Disc,
)
def decide_disc(disc_id: int, body: models.Decide) -> Any:
    left_out = [(uid, "left out by request") for uid in body.leave_out]
    reason = body.incomplete_reason
    values: dict[str, Any] = {
        "leave_out": left_out,
        "incomplete_reason": reason,
        "leave_out_refused": body.leave_out_refused,
        "video": body.video,
    }
    discs.decide(store(), disc_id, actor(), decisions=body.decisions, **values)
    return _disc(disc_id)


@endpoint(
    "POST",
    "/discs/<int:disc_id>/move",
    "Give a disc to another burner",
    permission="discs.make",
    body=models.MoveDisc,
    gives=models.Disc,
)
def move_disc(disc_id: int, body: models.MoveDisc) -> Any:
    discs.move(store(), disc_id, body.burner, actor())
    return _disc(disc_id)


@endpoint(
    "POST",
    "/discs/<int:disc_id>/again",
    "Burn more copies of a disc that is done, from the image that is kept",
    permission="discs.make",
    body=models.Remake,
    gives=models.Disc,
    status=202,
)
def burn_disc_again(disc_id: int, body: models.Remake) -> Any:
    burn_again(store(), disc_id, actor(), copies=body.copies or 1, burner=body.burner)
    return _disc(disc_id), {}


@endpoint(
    "POST",
    "/discs/<int:disc_id>/remake",
    "Make an ended disc anew",
    permission="discs.make",
    body=models.Remake,
    gives=models.DiscNumber,
    status=202,
)
def remake_disc(disc_id: int, body: models.Remake) -> Any:
    new = discs.remake(store(), disc_id, actor(), burner=body.burner, copies=body.copies)
    return {"disc_id": new}, {"Location": url_for("api.get_disc", disc_id=new)}


# burners ------------------------------------------------------------------------------------------------------------


def _burner(name: str) -> Any:
    burner = burners.get_burner(store(), name)
    return burners.burner_view(burner), etag(burner.version)


@endpoint("GET", "/burners", "Every burner", permission="burners.see", gives=models.Burners)
def list_burners() -> Any:
    return {"items": [burners.burner_view(burner) for burner in burners.all_burners(store())]}


@endpoint(
    "POST",
    "/burners",
    "Add a burner",
    permission="burners.change",
    body=models.NewBurner,
    gives=models.Burner,
    status=201,
)
def add_burner(body: models.NewBurner) -> Any:
    burner = StoredBurner(name=body.name, burner_uri=body.burner_uri, settings=body.settings)
    burners.add_burner(store(), burner, actor())
    return _burner(body.name)


@endpoint("GET", "/burners/<name>", "A burner", permission="burners.see", gives=models.Burner, versioned=True)
def get_burner(name: str) -> Any:
    return _burner(name)


@endpoint(
    "PUT",
    "/burners/<name>",
    "Change a burner",
    permission="burners.change",
    body=models.BurnerChange,
    gives=models.Burner,
    versioned=True,
)
def set_burner(name: str, body: models.BurnerChange) -> Any:
    burner = burners.get_burner(store(), name)
    check_version(burner.version)
    changed = replace(burner, burner_uri=body.burner_uri, settings=body.settings)
    burners.set_burner(store(), changed, actor(), version=burner.version)
    return _burner(name)


@endpoint("DELETE", "/burners/<name>", "Remove a burner", permission="burners.change")
def remove_burner(name: str) -> Any:
    burners.remove_burner(store(), name, actor())


@endpoint("GET", "/burners/<name>/check", "Why discs would not come out", permission="burners.change", gives=Findings)
def check_burner(name: str) -> Any:
    found = burners.open_stored(store(), burners.get_burner(store(), name)).probe()
    return {"items": [{"ok": each.ok, "what": each.what, "advice": each.advice} for each in found]}


@endpoint(
    "POST",
    "/burners/<name>/<any(pause, resume):verb>",
    "Pause or resume a burner",
    permission="burners.change",
    gives=models.Burner,
)
def switch_burner(name: str, verb: str) -> Any:
    (burners.pause_burner if verb == "pause" else burners.resume_burner)(store(), name, actor())
    return _burner(name)


@endpoint("GET", "/disc-profiles", "Whom discs are for, by name", permission="profiles.see", gives=models.DiscProfiles)
def list_disc_profiles() -> Any:
    return {"items": copy_types.all_copy_types(store())}


def _disc_profile(name: str) -> Any:
    choices, version = copy_types.read_copy_type(store(), name)
    return choices, etag(version)


@endpoint(
    "POST",
    "/disc-profiles",
    "Add one of the site's own",
    permission="profiles.change",
    body=models.NewDiscProfile,
    gives=CopyType,
    status=201,
)
def add_disc_profile(body: models.NewDiscProfile) -> Any:
    if body.name in copy_types.all_copy_types(store()):
        raise ConflictError(say("There is a disc profile %(name)s already.", name=body.name))
    choices = CopyType.model_validate(body.model_dump(exclude={"name"}))
    copy_types.set_copy_type(store(), body.name, choices, actor(), version=0)
    value, headers = _disc_profile(body.name)
    return value, headers | {"Location": url_for("api.get_disc_profile", name=body.name)}


@endpoint("GET", "/disc-profiles/<name>", "One of them", permission="profiles.see", gives=CopyType, versioned=True)
def get_disc_profile(name: str) -> Any:
    return _disc_profile(name)


@endpoint(
    "PUT",
    "/disc-profiles/<name>",
    "Change one",
    permission="profiles.change",
    body=CopyType,
    gives=CopyType,
    versioned=True,
)
def set_disc_profile(name: str, body: CopyType) -> Any:
    _before, version = copy_types.read_copy_type(store(), name)
    check_version(version)
    copy_types.set_copy_type(store(), name, body, actor(), version=version)
    return _disc_profile(name)


@endpoint(
    "DELETE", "/disc-profiles/<name>", "Forget one; one built in is again as it was", permission="profiles.change"
)
def remove_disc_profile(name: str) -> Any:
    copy_types.remove_copy_type(store(), name, actor())
