"""Studies, archives, discs, burners, disc profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import url_for

from appliance.media import burners, copy_types, discs, views
from appliance.media.burners import StoredBurner
from appliance.media.copy_types import CopyType
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.studies import pacs, removal, retrieving, search, uploads
from appliance.web import looks
from appliance.web.api import models
from appliance.web.api.describe import check_version, endpoint, etag
from appliance.web.api.films import paged
from appliance.web.pages import discs as disc_pages
from appliance.web.pages import imports as import_pages
from appliance.web.visitor import actor, store


@endpoint(
    "GET",
    "/studies",
    "Studies that fit, the one that came last first",
    permission="patients.see",
    query=models.StudyQuery,
    gives=models.Studies,
)
def list_studies(query: models.StudyQuery) -> Any:
    wanted = query.model_dump()
    looks.note("studies-searched", "study", **{key: value for key, value in wanted.items() if value and key != "limit"})
    found = search.find_studies(store(), search.Query(**wanted | {"limit": query.limit + 1}))
    return paged(found, query.limit, "page")


@endpoint(
    "POST",
    "/studies",
    "Import uploaded files (multipart field files); see the import for what becomes of them",
    permission="patients.add",
    gives=models.ImportNumber,
    upload=True,
    status=202,
)
def import_studies() -> Any:
    number = import_pages.take_uploads(store())
    return {"import_id": number}, {"Location": url_for("api.get_import", import_id=number)}


@endpoint(
    "GET",
    "/imports",
    "Imports of files, the newest first",
    permission="patients.add",
    query=models.Page,
    gives=models.Imports,
)
def list_imports(query: models.Page) -> Any:
    return paged(uploads.list_imports(store(), before=query.before, limit=query.limit + 1), query.limit, "import_id")


@endpoint("GET", "/imports/<int:import_id>", "One of them", permission="patients.add", gives=models.Import)
def get_import(import_id: int) -> Any:
    return uploads.get_import(store(), import_id)


@endpoint("POST", "/imports/<int:import_id>/cancel", "Stop it", permission="patients.add", gives=models.Import)
def cancel_import(import_id: int) -> Any:
    uploads.cancel(store(), import_id, actor())
    return uploads.get_import(store(), import_id)


@endpoint("GET", "/studies/<uid>", "A study with its series", permission="patients.see", gives=models.Study)
def get_study(uid: str) -> Any:
    study = search.show_study(store(), uid)
    looks.note("study-viewed", "study", uid)
    return study


@endpoint("DELETE", "/studies/<uid>", "Delete a study with all its files", permission="patients.delete")
def delete_study(uid: str) -> Any:
    removal.delete_study(store(), uid, actor())


@endpoint(
    "POST",
    "/studies/query",
    "Ask an archive (C-FIND)",
    permission="patients.add",
    body=models.ArchiveQuery,
    gives=models.Matches,
)
def query_archive(body: models.ArchiveQuery) -> Any:
    found = pacs.query(store(), body.peer, body.level, body.keys, limit=body.limit)
    looks.note("archive-queried", "peer", body.peer, **body.keys)
    return {"items": found}


@endpoint(
    "POST",
    "/studies/<uid>/retrieve",
    "Fetch a study from an archive (C-GET or C-MOVE)",
    permission="patients.add",
    body=models.Retrieve,
    gives=models.RetrievalNumber,
    status=202,
)
def retrieve_study(uid: str, body: models.Retrieve) -> Any:
    number = retrieving.request_retrieve(store(), body.peer, uid, actor(), series=body.series, method=body.method)
    return {"retrieval_id": number}, {"Location": url_for("api.get_retrieval", retrieval_id=number)}


@endpoint(
    "GET",
    "/retrievals",
    "What is fetched from archives, the newest first",
    permission="patients.see",
    query=models.Page,
    gives=models.Retrievals,
)
def list_retrievals(query: models.Page) -> Any:
    found = retrieving.list_retrievals(store(), before=query.before, limit=query.limit + 1)
    return paged(found, query.limit, "retrieval_id")


@endpoint("GET", "/retrievals/<int:retrieval_id>", "One of them", permission="patients.see", gives=models.Retrieval)
def get_retrieval(retrieval_id: int) -> Any:
    return retrieving.get_retrieval(store(), retrieval_id)


@endpoint(
    "POST", "/retrievals/<int:retrieval_id>/cancel", "Stop fetching", permission="patients.add", gives=models.Retrieval
)
def cancel_retrieval(retrieval_id: int) -> Any:
    retrieving.cancel_retrieve(store(), retrieval_id, actor())
    return retrieving.get_retrieval(store(), retrieval_id)


# discs --------------------------------------------------------------------------------------------------------------


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
    plan, gathered = discs.plan_disc(store(), _order(body))
    return plan.to_json() | {"incomplete": list(gathered.incomplete)}


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
    "/discs/<int:disc_id>/<any(cancel, release):verb>",
    "Cancel, or go on after a person did something",
    permission="discs.make",
    gives=models.Disc,
)
def act_on_disc(disc_id: int, verb: str) -> Any:
    getattr(discs, verb)(store(), disc_id, actor())
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
    "/discs/<int:disc_id>/remake",
    "Order an ended disc once more",
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


@endpoint(
    "PUT",
    "/disc-profiles/<name>",
    "Change one, or add one",
    permission="profiles.change",
    body=CopyType,
    gives=CopyType,
)
def set_disc_profile(name: str, body: CopyType) -> Any:
    copy_types.set_copy_type(store(), name, body, actor())
    return copy_types.get_copy_type(store(), name)


@endpoint(
    "DELETE", "/disc-profiles/<name>", "Forget one; one built in is again as it was", permission="profiles.change"
)
def remove_disc_profile(name: str) -> Any:
    copy_types.remove_copy_type(store(), name, actor())
