"""What the API takes and gives of studies, imports and archives."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.web.api.describe import Open, Strict
from appliance.web.api.models import Page, Text, Uid


class StudyQuery(Page):
    text: Text = ""
    patient_name: Text = ""
    patient_id: Text = ""
    accession_number: Text = ""
    description: Text = ""
    modality: Text = ""
    since: Text = ""
    until: Text = ""
    source: Text = ""


class Study(Open):
    study_instance_uid: str
    patient_name: str
    patient_id: str
    accession_number: str
    study_date: str
    modalities: list[str]
    series: int
    instances: int
    bytes: int
    complete: bool


class Studies(Strict):
    items: list[Study]
    next: int | None


class ImportNumber(Strict):
    import_id: int


class Import(Open):
    import_id: int
    state: Literal["uploading", "pending", "processing", "completed", "aborted", "canceled"]
    done: int
    total: int | None
    message: str
    files: int
    stored: int
    known: int
    refused_count: int
    studies: list[str]


class Imports(Strict):
    items: list[Import]
    next: int | None


class ArchiveQuery(Strict):
    peer: Text
    level: Literal["PATIENT", "STUDY", "SERIES", "IMAGE"] = "STUDY"
    keys: dict[str, Text] = {}
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


class Matches(Strict):
    items: list[dict[str, str]]
    problem: str  # why the archive has not told everything; "" where it has, or `limit` was reached


class Retrieve(Strict):
    peer: Text
    series: tuple[Uid, ...] = ()
    method: Literal["auto", "get", "move"] = "auto"


class Retrieval(Open):
    retrieval_id: int
    peer: str
    study_instance_uid: str
    state: str
    done: int
    total: int | None
    message: str


class Retrievals(Strict):
    items: list[Retrieval]
    next: int | None


class RetrievalNumber(Strict):
    retrieval_id: int


class Taken(Strict):
    outcome: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
