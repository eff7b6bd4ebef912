"""Studies: imported, asked of archives, fetched, looked at, removed; papers added to them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import url_for

from appliance.studies import pacs, removal, retrieving, search, uploads
from appliance.web import looks
from appliance.web.api import study_models as models
from appliance.web.api.describe import endpoint
from appliance.web.api.films import paged
from appliance.web.calls import calling_out
from appliance.web.pages import imports as import_pages
from appliance.web.pages import patients as study_pages
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
    "/studies/<uid>/documents",
    "Add a scanned paper (multipart: files, one PDF or JPEG; patient_id, whose it is; title)",
    permission="patients.add",
    gives=models.Taken,
    upload=True,
    fields=("patient_id", "title"),
    status=201,
)
def add_document(uid: str) -> Any:
    return asdict(study_pages.attach_upload(uid))


@endpoint(
    "POST",
    "/studies/query",
    "Ask an archive (C-FIND)",
    permission="patients.add",
    body=models.ArchiveQuery,
    gives=models.Matches,
)
def query_archive(body: models.ArchiveQuery) -> Any:
    with calling_out():
        answer = pacs.query(store(), body.peer, body.level, body.keys, limit=body.limit, seconds=pacs.PERSON_SECONDS)
    looks.note("archive-queried", "peer", body.peer, **body.keys)
    return {"items": answer.matches, "problem": str(answer.problem or "")}


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
