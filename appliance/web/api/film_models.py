"""What the API takes and gives of print jobs, printers, calibration and print profiles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from appliance.printing.printers import Measurement, PrinterSettings
from appliance.web.api.describe import Open, Strict
from appliance.web.api.models import Moment, Page, Text


class PrintJobQuery(Page):
    printer: Text | None = None
    originator: Text | None = None
    job_state: Literal[
        "pending", "pending-held", "processing", "processing-stopped", "canceled", "aborted", "completed", ""
    ] = ""
    since: Moment | None = None
    until: Moment | None = None
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


class Rulers(Strict):
    film_size_id: Text
    medium_type: Text = ""
    across_mm: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    down_mm: Annotated[float, Field(gt=0, allow_inf_nan=False)]


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
