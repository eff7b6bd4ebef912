"""Calibration: measured densities of a printer's grey steps, kept with date and name, against the GSDF."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import NotFoundError, UsageError
from appliance.events import Actor
from appliance.film.catalog import load
from appliance.film.characteristic import densities as densities_of
from appliance.film.characteristic import driving_levels, own_viewing
from appliance.film.gsdf import density
from appliance.film.pattern import RULER_MM, calibration_levels
from appliance.film.sheet import Characteristic, Sheet
from appliance.printing.printer_verbs import get_printer, printer_settings, set_printer
from appliance.printing.printers import (
    CharacteristicSettings,
    Measurement,
    Medium,
    Printer,
    PrinterSettings,
    characteristic_for,
    sheet_for,
)
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

STEPS = 18
KEPT = 50
"""Measurements kept; the oldest go."""
LEAST_SPAN = 0.5
"""OD from the lightest to the darkest step: less was read wrongly."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What a characteristic makes of P-values 0 .. 1, in OD."""

    p_values: Floats
    target: Floats  # what the GSDF asks for
    reached: Floats  # what comes out with this characteristic in force
    uncorrected: Floats  # what came out without it, with the assumed curve

    @property
    def error(self) -> Floats:
        return self.reached - self.target

    @property
    def worst(self) -> float:
        """The largest error, OD."""
        return float(np.abs(self.error).max())


def read_densities(text: str) -> tuple[float, ...]:
    """Densities typed in or of a CSV file: one a line (or level and density), point or comma as decimal mark.

    Raises UsageError that says which line is none.
    """
    lines = [line.strip() for line in text.replace("\ufeff", "").splitlines()]
    lines = [line for line in lines if line]
    while lines and not re.search(r"\d", lines[0]):  # a heading
        del lines[0]
    if len(lines) == 1:
        lines = re.split(r"[;\t ]+" if "," in lines[0] and "." not in lines[0] else r"[,;\t ]+", lines[0])
    return tuple(_density(line, number) for number, line in enumerate(lines, 1))


def _density(line: str, number: int) -> float:
    """The last number of a line; "1;0,25" and "1,0.25" alike."""
    cells = [cell for cell in re.split(r"[;\t ]+", line) if cell]
    last = cells[-1]
    if "," in last and "." in last:
        last = last.rpartition(",")[2]
    try:
        value = float(last.replace(",", "."))
    except ValueError:
        raise UsageError(say("Line %(number)s is no density.", number=number), field="densities") from None
    if not 0 <= value <= 6:
        raise UsageError(
            say("Line %(number)s: a density is from 0 to 6, not %(value)s.", number=number, value=value),
            field="densities",
        )
    return value


def measure(
    store: Store, name: str, actor: Actor, *, medium_type: str, densities: Sequence[float], label: str = ""
) -> None:
    """Keep a measurement and put it in force for a medium. Waiting films are composed anew.

    Raises NotFoundError, UsageError naming the field.
    """
    printer = get_printer(store, name)
    sheet = sheet_of_medium(printer.settings, medium_type)
    check_densities(densities)
    levels = calibration_levels(sheet, STEPS)
    measurement = Measurement(
        at=now().isoformat(timespec="seconds"),
        name=label.strip()[:64],
        who=actor.name,
        medium_type=medium_type,
        driving_levels=levels,
        densities=tuple(densities),
    )
    _keep(store, printer, [measurement, *printer.settings.measurements][:KEPT], measurement, actor)


def check_densities(densities: Sequence[float]) -> None:
    """Raise UsageError for readings no printer has."""
    if len(densities) != STEPS:
        words = say("The page has %(steps)s steps; here are %(count)s densities.", steps=STEPS, count=len(densities))
        raise UsageError(words, field="densities")
    if densities[0] < densities[-1]:
        words = say("Step 1 is the darkest: the densities must fall. Were they typed in from the other end?")
        raise UsageError(words, field="densities")
    if max(densities) - min(densities) < LEAST_SPAN:
        words = say("From the lightest to the darkest step lie less than 0.5 OD: read the page again.")
        raise UsageError(words, field="densities")


def put_in_force(store: Store, name: str, at: str, actor: Actor) -> None:
    """Go back to a measurement kept. Raises NotFoundError."""
    printer = get_printer(store, name)
    found = next((each for each in printer.settings.measurements if each.at == at), None)
    if found is None:
        raise NotFoundError(say("Printer %(name)s has no measurement of %(at)s.", name=name, at=at))
    _keep(store, printer, list(printer.settings.measurements), found, actor)


def assume(store: Store, name: str, medium_type: str, actor: Actor, *, p_values: bool = False) -> None:
    """Take no measured curve for a medium: the assumed one, or P-values for a printer that applies the GSDF itself."""
    printer = get_printer(store, name)
    others = [each for each in printer.settings.characteristics if each.medium_type != medium_type]
    if p_values:
        others.append(CharacteristicSettings(kind="p-values", medium_type=medium_type))
    _store(store, printer, {"characteristics": others}, actor)


def _keep(store: Store, printer: Printer, kept: list[Measurement], used: Measurement, actor: Actor) -> None:
    others = [each for each in printer.settings.characteristics if each.medium_type != used.medium_type]
    day = dt.datetime.fromisoformat(used.at).astimezone().date()
    title = " ".join(filter(None, (str(day), used.name, used.who)))
    own = CharacteristicSettings(
        kind="measured",
        medium_type=used.medium_type,
        driving_levels=used.driving_levels,
        densities=used.densities,
        name=title,
    )
    _store(store, printer, {"measurements": kept, "characteristics": [*others, own]}, actor)


def _store(store: Store, printer: Printer, changed: dict[str, list], actor: Actor) -> None:  # type: ignore[type-arg]
    plain = {key: [each.model_dump(mode="json") for each in values] for key, values in changed.items()}
    settings = printer_settings(printer.settings.model_dump(mode="json") | plain)
    set_printer(store, replace(printer, settings=settings), actor, version=printer.version)


def correct_scale(
    store: Store, name: str, actor: Actor, *, film_size_id: str, medium_type: str, across_mm: float, down_mm: float
) -> None:
    """Set a medium's scale from what the test page's 100 mm rulers measured on the printed film.

    The rulers take in the scale in force, so a second measurement refines the first. Raises UsageError, NotFoundError.
    """
    printer = get_printer(store, name)
    for field, measured in (("across_mm", across_mm), ("down_mm", down_mm)):
        if not 91 <= measured <= 110:
            raise UsageError(say("A 100 mm ruler measures 91 to 110 mm, or the film was not printed 1:1."), field=field)
    every_size = [Medium(film_size_id=size) for size in load(store.folder.layouts).film_sizes]
    media = list(printer.settings.media) or every_size
    fits = [m for m in media if m.film_size_id == film_size_id and m.medium_type in ("", medium_type)]
    if not fits:
        raise UsageError(say("The printer has no size %(size)s.", size=film_size_id), field="film_size_id")
    medium = max(fits, key=lambda m: bool(m.medium_type))
    scales = {
        "x_scale": round(medium.x_scale * RULER_MM / across_mm, 5),
        "y_scale": round(medium.y_scale * RULER_MM / down_mm, 5),
    }
    media[media.index(medium)] = medium.model_copy(update=scales)
    _store(store, printer, {"media": media}, actor)


def calibration_view(printer: Printer) -> list[dict[str, Any]]:
    """Each medium's grey as JSON-ready values: the same for the command line and the API."""
    settings = printer.settings
    return [
        {
            "medium_type": medium,
            "steps": list(calibration_levels(sheet_of_medium(settings, medium), STEPS)),
            "in_force": asdict(characteristic_for(settings, medium)),
            "worst_error": curves(settings, medium).worst,
            "measurements": [each.model_dump() for each in settings.measurements if each.medium_type == medium],
        }
        for medium in medium_types(settings)
    ]


def curves(settings: PrinterSettings, medium_type: str, characteristic: Characteristic | None = None) -> Curves:
    """What a medium's characteristic (the one in force, or another) makes of the GSDF."""
    sheet = sheet_of_medium(settings, medium_type)
    if characteristic is not None:
        sheet = replace(sheet, characteristic=characteristic)
    bare = replace(sheet, characteristic=characteristic_for(PrinterSettings(), medium_type))
    p_values = np.linspace(0, 1, 256)
    target = density(p_values, own_viewing(sheet))
    top = (1 << sheet.bits) - 1
    levels = np.rint(driving_levels(target, sheet) * top) / top
    without = np.rint(driving_levels(target, bare) * top) / top
    return Curves(
        p_values=p_values,
        target=target,
        reached=densities_of(levels, sheet),
        uncorrected=densities_of(without, sheet),
    )


def medium_types(settings: PrinterSettings) -> list[str]:
    """The media a printer is calibrated for, its default first."""
    named = [medium.medium_type for medium in settings.media if medium.medium_type]
    return list(dict.fromkeys([settings.default_medium_type, *named]))


def sheet_of_medium(settings: PrinterSettings, medium_type: str) -> Sheet:
    """A sheet of a medium, for its grey. Raises UsageError when the printer has no such medium."""
    if medium_type not in medium_types(settings):
        raise UsageError(say("The printer has no medium %(medium)s.", medium=medium_type), field="medium_type")
    medium = next((m for m in settings.media if m.medium_type in ("", medium_type)), Medium(film_size_id="A4"))
    return sheet_for(settings, medium, (210, 297), MediumType=medium_type)
