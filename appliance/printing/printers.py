"""A printer: what it is set to, what it says of itself, and the verbs on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from appliance.film.sheet import Characteristic, Margins, Sheet
from appliance.printing.device.outcome import MediaChoice
from appliance.units import DEFAULT_RESOLUTION
from appliance.words import say

FORMATS = {"pdf": "application/pdf", "postscript": "application/postscript"}
PAIRINGS = {"pdf": (8, 16), "postscript": (8, 12)}
"""Document format -> bit depths a document of it can have."""

HIDDEN = "(set)"
"""Stands for the password of a printer wherever its settings are read; who gives it back keeps the password."""

REFLECTIVE = ("PAPER",)
"""Medium Types looked at by reflected light."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MarginSettings(_Model):
    """Unprintable edges in mm, of the sheet in portrait."""

    top: float = Field(0, ge=0, le=100)
    right: float = Field(0, ge=0, le=100)
    bottom: float = Field(0, ge=0, le=100)
    left: float = Field(0, ge=0, le=100)


class Medium(_Model):
    """One medium: (Medium Type, Film Size ID) to tray, real sheet, printable rectangle, density range."""

    medium_type: str = ""
    """Medium Type; empty: any."""
    film_size_id: str
    loaded: bool = True
    """Not loaded: jobs for it are held with media-needed."""
    width_mm: float | None = None
    height_mm: float | None = None
    """The real sheet in portrait, where it is not the film size's own."""
    margins: MarginSettings | None = None
    min_density: float | None = Field(None, ge=0, le=5)
    max_density: float | None = Field(None, ge=0, le=5)
    media_source: str | None = None
    """IPP media-source, or the tray's number for PostScript."""
    media_type: str | None = None
    media: str | None = None
    x_scale: float = Field(1.0, gt=0.9, lt=1.1)
    y_scale: float = Field(1.0, gt=0.9, lt=1.1)


class CharacteristicSettings(_Model):
    """The grey of one medium: see film.sheet.Characteristic."""

    kind: Literal["p-values", "measured", "assumed-film", "assumed-paper"]
    medium_type: str = ""
    """Medium Type it holds for; empty: every one."""
    driving_levels: tuple[float, ...] = ()
    densities: tuple[float, ...] = ()
    name: str = ""


class Measurement(_Model):
    """Densities read from the grey steps once; kept so that one can go back to them."""

    at: str
    """When, as ISO 8601."""
    name: str = ""
    who: str = ""
    medium_type: str
    driving_levels: tuple[float, ...]
    densities: tuple[float, ...]


class PrinterSettings(_Model):
    """All an admin may set on a printer besides its name, address and AE titles."""

    document_format: Literal["pdf", "postscript"] = "pdf"
    bits: Literal[8, 12, 16] = 8
    color: bool = False
    accepts_color: bool = False
    """A grey printer takes Basic Color jobs and converts them; else the context is refused."""
    resolution: float = Field(DEFAULT_RESOLUTION, ge=72, le=1200)
    high_resolution: float | None = Field(None, ge=72, le=2400)
    """For Requested Resolution ID HIGH; empty: HIGH is answered with a warning and printed as STANDARD."""
    media: tuple[Medium, ...] = ()
    """Empty: every film size of the layouts, any medium."""
    default_film_size_id: str = "14INX17IN"
    default_medium_type: str = "BLUE FILM"
    margins: MarginSettings = MarginSettings()
    gap_mm: float = Field(1.0, ge=0, le=50)
    min_density: float = Field(0.20, ge=0, le=5)
    max_density: float = Field(3.00, ge=0, le=5)
    illumination: float = Field(2000, gt=0, le=20000)
    reflected_ambient_light: float = Field(10, ge=0, le=1000)
    reflective_illumination: float = Field(150, gt=0, le=20000)
    characteristics: tuple[CharacteristicSettings, ...] = ()
    """Empty: assumed-film, and assumed-paper on PAPER."""
    measurements: tuple[Measurement, ...] = ()
    """Every calibration kept, the newest first."""
    magnification_type: Literal["REPLICATE", "BILINEAR", "CUBIC", "NONE"] = "CUBIC"
    border_density: str = "BLACK"
    empty_image_density: str = "BLACK"
    label_session: bool = False
    destinations: dict[str, str] = {}
    """Film Destination -> IPP output-bin."""
    error_policy: str = Field("retry-job", pattern=r"^(retry-job|hold-job|abort-job|stop-printer|redirect:.+)$")
    retry_limit: int = Field(0, ge=0)
    """Attempts before the error policy's last word; 0: for ever."""
    duplicates: Literal["print", "hold"] = "print"
    maximum_jobs: int = Field(1000, ge=1)
    """Jobs that may wait; past them N-ACTION is refused as queue full."""
    ascii85: bool = False
    redirect_minutes: int = Field(10, ge=1)
    node: str = ""
    """The machine that drives it, of several on one database (node.name); empty: any."""
    device_options: dict[str, Any] = {}

    @property
    def redirected_to(self) -> str:
        """The printer its error policy names; "": none."""
        return self.error_policy.removeprefix("redirect:") if self.error_policy.startswith("redirect:") else ""

    @model_validator(mode="after")
    def _fits(self) -> PrinterSettings:
        if self.bits not in PAIRINGS[self.document_format]:
            depths = " or ".join(map(str, PAIRINGS[self.document_format]))
            raise ValueError(
                say(
                    "a %(document_format)s document is %(depths)s bits deep, not %(bits)s",
                    document_format=self.document_format,
                    depths=depths,
                    bits=self.bits,
                )
            )
        if self.min_density >= self.max_density:
            raise ValueError(say("min_density must be below max_density"))
        if self.color and self.bits != 8:
            raise ValueError(say("colour films are 8 bits deep"))
        return self


@dataclass(frozen=True, kw_only=True)
class Printer:
    """A printer as stored."""

    name: str
    device_uri: str
    ae_titles: tuple[str, ...]
    settings: PrinterSettings
    printer_state: str = "idle"  # idle, processing, stopped
    printer_state_reasons: tuple[str, ...] = ()  # IPP keywords, of the device and of ours (paused)
    printer_state_message: str = ""
    supplies: tuple[tuple[str, int], ...] = ()  # name, percent
    is_accepting_jobs: bool = True
    paused: bool = False
    version: int = 1

    @property
    def takes_color(self) -> bool:
        return self.settings.color or self.settings.accepts_color

    @property
    def is_away(self) -> bool:
        """Whether nobody answers there."""
        return bool({"offline", "connecting-to-device"} & set(self.printer_state_reasons))

    @property
    def prints_nothing(self) -> bool:
        """Whether its jobs wait until somebody sees to it."""
        return self.paused or self.printer_state == "stopped" or self.is_away

    @property
    def document_format(self) -> str:
        return FORMATS[self.settings.document_format]


def readable(settings: PrinterSettings) -> dict[str, Any]:
    """Settings as plain values for whoever may see a printer, and for the audit trail: without its password."""
    values = settings.model_dump(mode="json")
    if values["device_options"].get("password"):
        values["device_options"]["password"] = HIDDEN
    return values


def readable_uri(device_uri: str) -> str:
    """An address without a password somebody typed into it; no device takes one from there."""
    return re.sub(r"(//[^/?#:]*):[^/?#]*@", r"\1@", device_uri)


def keeping_password(changed: Printer, before: Printer) -> Printer:
    """The changed printer with the password it had, where only its stand-in was given back.

    Not at another address: nobody could have it sent to a machine of theirs without knowing it.
    """
    options = changed.settings.device_options
    if options.get("password") != HIDDEN or changed.device_uri not in (
        before.device_uri,
        readable_uri(before.device_uri),
    ):
        return changed
    options = {**options, "password": before.settings.device_options.get("password", "")}
    return replace(changed, settings=changed.settings.model_copy(update={"device_options": options}))


def medium_for(settings: PrinterSettings, MediumType: str | None, FilmSizeID: str | None) -> Medium | None:
    """The medium a film wants: the one naming both, else the size alone. None: this printer has no such medium."""
    medium_type, size = wanted_medium(settings, MediumType, FilmSizeID)
    if not settings.media:
        return Medium(film_size_id=size, medium_type=medium_type)
    fitting = [m for m in settings.media if m.film_size_id == size and m.medium_type in ("", medium_type)]
    return max(fitting, key=lambda m: (bool(m.medium_type), m.loaded), default=None)


def wanted_medium(settings: PrinterSettings, MediumType: str | None, FilmSizeID: str | None) -> tuple[str, str]:
    """(Medium Type, Film Size ID) with the printer's defaults for what is absent or CURRENT."""
    medium_type = MediumType if MediumType not in (None, "", "CURRENT") else settings.default_medium_type
    size = FilmSizeID if FilmSizeID not in (None, "", "CURRENT") else settings.default_film_size_id
    return str(medium_type), str(size)


def sheet_for(
    settings: PrinterSettings,
    medium: Medium,
    size_mm: tuple[float, float],
    *,
    MediumType: str | None,
    high: bool = False,
) -> Sheet:
    """The sheet a film is composed for. `size_mm` is the film size's (width, height) in portrait."""
    medium_type = MediumType or medium.medium_type or settings.default_medium_type
    margins = medium.margins or settings.margins
    reflective = medium_type in REFLECTIVE
    return Sheet(
        width_mm=medium.width_mm or size_mm[0],
        height_mm=medium.height_mm or size_mm[1],
        margins=Margins(top=margins.top, right=margins.right, bottom=margins.bottom, left=margins.left),
        resolution=settings.high_resolution if high and settings.high_resolution else settings.resolution,
        bits=settings.bits,
        color=settings.color,
        reflective=reflective,
        min_density=settings.min_density if medium.min_density is None else medium.min_density,
        max_density=settings.max_density if medium.max_density is None else medium.max_density,
        illumination=settings.reflective_illumination if reflective else settings.illumination,
        reflected_ambient_light=0.0 if reflective else settings.reflected_ambient_light,
        characteristic=characteristic_for(settings, medium_type),
        gap_mm=settings.gap_mm,
        x_scale=medium.x_scale,
        y_scale=medium.y_scale,
        magnification_type=settings.magnification_type,
        border_density=settings.border_density,
        empty_image_density=settings.empty_image_density,
        label_session=settings.label_session,
    )


def characteristic_for(settings: PrinterSettings, medium_type: str) -> Characteristic:
    """The characteristic in force for a medium: its own, else the one for every medium, else an assumed curve."""
    fitting = [c for c in settings.characteristics if c.medium_type in ("", medium_type)]
    chosen = max(fitting, key=lambda c: bool(c.medium_type), default=None)
    if chosen is None:
        return Characteristic(kind="assumed-paper" if medium_type in REFLECTIVE else "assumed-film")
    return Characteristic(
        kind=chosen.kind, driving_levels=chosen.driving_levels, densities=chosen.densities, name=chosen.name
    )


def media_choice(
    settings: PrinterSettings, medium: Medium, sheet_mm: tuple[float, float], FilmDestination: str | None
) -> MediaChoice:
    """The medium in the printer's own terms."""
    return MediaChoice(
        media_type=medium.media_type,
        media_source=medium.media_source,
        media=medium.media,
        output_bin=settings.destinations.get(FilmDestination or ""),
        x_dimension=round(sheet_mm[0] * 100),
        y_dimension=round(sheet_mm[1] * 100),
    )
