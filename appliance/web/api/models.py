"""What the API takes and gives. The keys are those of the verbs' views, which command line and page show, too."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from appliance.media.burners import BurnerSettings
from appliance.media.copy_types import CopyType
from appliance.printing.printers import Measurement, PrinterSettings
from appliance.web.api.describe import Open, Strict

Number = Annotated[int, Field(ge=1, le=2**53)]
Text = Annotated[str, Field(max_length=200)]
Uid = Annotated[str, Field(max_length=64, pattern=r"^[0-9.]+$")]
Limit = Annotated[int, Field(ge=1, le=500)]


class Problem(Open):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None


class Page(Strict):
    """Keyset paging: `before` is the `next` of the answer before."""

    before: Number | None = None
    limit: Limit = 50


class PrintJobQuery(Page):
    printer: Text | None = None
    originator: Text | None = None
    job_state: Literal[
        "pending", "pending-held", "processing", "processing-stopped", "canceled", "aborted", "completed", ""
    ] = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    text: Text = ""


class Film(Open):
    film: int
    film_size_id: str
    image_display_format: str
    document: str | None
    preview: str | None


class PrintJob(Open):
    job_id: int
    printer: str
    job_state: str
    job_state_reasons: list[str]
    job_state_message: str
    originator: str
    priority: str
    copies: int
    created: str
    updated: str
    films: list[Film]


class PrintJobs(Strict):
    items: list[PrintJob]
    next: int | None


class MoveTo(Strict):
    printer: Text


class Reprint(Strict):
    printer: Text | None = None
    copies: Annotated[int, Field(ge=1, le=99)] | None = None


class JobNumber(Strict):
    job_id: int


class Printer(Open):
    name: str
    ae_titles: list[str]
    device_uri: str
    printer_state: str
    printer_state_reasons: list[str]
    is_accepting_jobs: bool
    settings: PrinterSettings
    version: int


class Printers(Strict):
    items: list[Printer]


class PrinterChange(Strict):
    device_uri: Annotated[str, Field(max_length=500)]
    ae_titles: list[Text] = []
    settings: PrinterSettings = PrinterSettings()


class NewPrinter(PrinterChange):
    name: Text


class TestPage(Strict):
    pattern: Literal["test-page", "steps", "smpte"] = "test-page"
    film_size_id: Text | None = None
    medium_type: Text | None = None


class Finding(Strict):
    ok: bool
    what: str
    advice: str


class Findings(Strict):
    items: list[Finding]


class MediumCalibration(Strict):
    medium_type: str
    steps: list[float]
    in_force: dict[str, Any]
    worst_error: float
    measurements: list[Measurement]


class Calibration(Strict):
    items: list[MediumCalibration]


class Readings(Strict):
    medium_type: Text
    densities: Annotated[list[Annotated[float, Field(ge=0, le=6, allow_inf_nan=False)]], Field(max_length=100)]
    label: Annotated[str, Field(max_length=64)] = ""


class InForce(Strict):
    at: Text | None = None
    medium_type: Text = ""
    kind: Literal["assumed", "p-values"] = "assumed"


class CurveQuery(Strict):
    medium_type: Text = ""


class Curve(Strict):
    p_values: list[float]
    target: list[float]
    reached: list[float]
    uncorrected: list[float]


FilmValue = int | Annotated[str, Field(max_length=1024)]


class Grey(Strict):
    """What pixels mean where the film says nothing."""

    without_lut: Text = "p-values"
    lin_od_zero_is_max_density: bool = True
    tables: Annotated[
        dict[Text, Annotated[tuple[Annotated[int, Field(ge=0, le=65535)], ...], Field(max_length=65536)]],
        Field(max_length=50),
    ] = {}


class PrintProfileChange(Strict):
    printer: Text
    called_ae_title: Text = ""
    calling_ae_title: Text = ""
    address: Text = ""
    defaults: dict[Text, FilmValue] = {}
    overrides: dict[Text, FilmValue] = {}
    aliases: Annotated[dict[Text, Text], Field(max_length=200)] = {}
    grey: Grey = Grey()


class NewPrintProfile(PrintProfileChange):
    name: Text


class PrintProfile(Open):
    name: str
    printer: str
    called_ae_title: str
    calling_ae_title: str
    address: str
    defaults: dict[str, Any]
    overrides: dict[str, Any]
    aliases: dict[str, str]
    grey: Grey
    version: int


class PrintProfiles(Strict):
    items: list[PrintProfile]


class PeerChange(Strict):
    ae_title: Text
    address: Text = ""
    host: Text = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    tls: bool = False
    certificate: Text = ""
    allows: tuple[Text, ...] = ("print", "store")
    answering: Literal["tolerant", "strict"] = "tolerant"
    mask_warnings: bool = False
    separate_classes: bool = True
    assumed_charset: Text = ""
    printer_status: Literal["queue", "device"] = "queue"
    events: bool = True
    done_when: Literal["printed", "queued"] = "printed"
    rule: dict[str, Any] = {}


class NewPeer(PeerChange):
    name: Text


class Peer(Open):
    name: str
    ae_title: str
    version: int | None = None


class Peers(Strict):
    items: list[Peer]


class Echo(Strict):
    ok: bool
    seconds: float
    message: str


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


class DiscQuery(Page):
    execution_status: Literal["IDLE", "PENDING", "CREATING", "DONE", "FAILURE", ""] = ""
    burner: Text | None = None
    study: Text | None = None
    text: Text = ""


class NewDisc(Strict):
    studies: tuple[Uid, ...] = ()
    series: tuple[Uid, ...] = ()
    instances: tuple[Uid, ...] = ()
    copy_type: Text = "patient"
    medium: Text = ""
    profile: Text = ""
    burner: Text = "folder"
    copies: Annotated[int, Field(ge=1, le=99)] = 1
    priority: Literal["HIGH", "MED", "LOW"] = "MED"
    label_text: Text = ""
    incomplete_reason: Text = ""
    decisions: tuple[Text, ...] = ()
    choices: dict[str, Any] = {}


class Volume(Open):
    volume: int
    image: str | None
    file_set_id: str
    file_set_uid: str
    sha256: str
    bytes: int
    verified: bool
    findings: list[Any]


class Disc(Open):
    disc_id: int
    execution_status: str
    execution_status_info: str
    profile: str
    burner: str
    phase: str
    done: int
    total: int
    volumes: list[Volume]


class Discs(Strict):
    items: list[Disc]
    next: int | None


class DiscNumber(Strict):
    disc_id: int


class Plan(Open):
    profile: str
    medium: str
    capacity: int | None
    ready: bool
    instances: int
    volumes: list[Any]
    conflicts: list[Any]
    incomplete: list[str]
    news: list[str]


class Decide(Strict):
    leave_out_refused: bool = False
    decisions: tuple[Text, ...] = ()
    leave_out: tuple[Uid, ...] = ()
    incomplete_reason: Text = ""


class MoveDisc(Strict):
    burner: Text


class Remake(Strict):
    burner: Text | None = None
    copies: Annotated[int, Field(ge=1, le=99)] | None = None


class Burner(Open):
    name: str
    burner_uri: str
    burner_state: str
    burner_state_reasons: list[str]
    settings: BurnerSettings
    version: int


class Burners(Strict):
    items: list[Burner]


class BurnerChange(Strict):
    burner_uri: Annotated[str, Field(max_length=500)]
    settings: BurnerSettings = BurnerSettings()


class NewBurner(BurnerChange):
    name: Text


class DiscProfiles(Strict):
    items: dict[str, CopyType]


class NewDiscProfile(CopyType):
    name: Annotated[str, Field(max_length=32)]


class NewToken(Strict):
    name: Annotated[str, Field(max_length=64)]
    role: Literal["admin", "clerk", "viewer"]
    days: Annotated[int, Field(ge=1, le=3650)] | None = None


class Token(Strict):
    token_id: int
    name: str
    role: str
    created: dt.datetime
    created_by: str
    expires: dt.datetime | None
    revoked: dt.datetime | None
    seen: dt.datetime | None


class Tokens(Strict):
    items: list[Token]


class TokenMade(Strict):
    token: Token
    secret: str


class Taken(Strict):
    outcome: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str


class User(Strict):
    name: str
    role: str
    disabled: bool
    created: dt.datetime | None
    seen: dt.datetime | None


class Users(Strict):
    items: list[User]


class NewUser(Strict):
    name: Text
    role: Literal["admin", "clerk", "viewer"]
    password: Annotated[str, Field(max_length=1024)]


class UserChange(Strict):
    role: Literal["admin", "clerk", "viewer"] | None = None
    password: Annotated[str, Field(max_length=1024)] | None = None
    disabled: bool | None = None


class EventQuery(Page):
    actor: Text = ""
    event: Text = ""
    text: Text = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class Event(Strict):
    audit_id: int
    at: dt.datetime
    event: str
    outcome: str
    actor: str
    actor_kind: str
    address: str
    object_kind: str
    object_id: str
    detail: dict[str, Any]


class Events(Strict):
    items: list[Event]
    next: int | None


class HealthLine(Strict):
    level: Literal["error", "warning", "fine"]
    topic: str
    text: str
    advice: str


class Health(Strict):
    status: Literal["error", "warning", "fine"]
    findings: list[HealthLine]
