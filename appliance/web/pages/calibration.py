"""Calibration: grey steps, densities read, the curve against the GSDF; rulers and the scale."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField
from markupsafe import Markup
from wtforms import FloatField, HiddenField, SelectField, StringField, TextAreaField

from appliance.errors import UsageError
from appliance.film.catalog import load
from appliance.film.pattern import calibration_levels
from appliance.film.sheet import Characteristic
from appliance.printing import calibration, own_pages, printer_verbs
from appliance.printing.printers import Measurement, Printer, characteristic_for
from appliance.web import plot
from appliance.web.forms import Form, at_most, required, say_done
from appliance.web.visitor import actor, needs, store

blueprint = Blueprint("calibration", __name__, url_prefix="/calibration")

CSV_BYTES = 64 << 10


class StepsForm(Form):
    medium_type = HiddenField()
    densities = TextAreaField(_("Densities, step 1 first"), [at_most(4000)])
    file = FileField(_("Or a CSV file of the densitometer"))
    label = StringField(_("Name of this measurement"), [at_most(64)])


class ScaleForm(Form):
    film_size_id = SelectField(_("Film size of the test page"))
    medium_type = HiddenField()
    across_mm = FloatField(_("The ruler along the bottom measures (mm)"), [required()])
    down_mm = FloatField(_("The ruler along the left measures (mm)"), [required()])


@blueprint.get("")
@needs("calibration.see")
def index() -> Any:
    printers = [(each, _in_force(each)) for each in printer_verbs.all_printers(store())]
    return render_template("calibration/index.html", printers=printers)


def _in_force(printer: Printer) -> list[tuple[str, Characteristic, float]]:
    """(medium, characteristic in force, largest error in OD) of each medium."""
    settings = printer.settings
    return [
        (medium, characteristic_for(settings, medium), calibration.curves(settings, medium).worst)
        for medium in calibration.medium_types(settings)
    ]


@blueprint.get("/<name>")
@needs("calibration.see")
def show(name: str) -> Any:
    return _page(printer_verbs.get_printer(store(), name))


def _page(printer: Printer, *, steps: StepsForm | None = None, scale: ScaleForm | None = None) -> str:
    settings = printer.settings
    media = calibration.medium_types(settings)
    asked = request.values.get("medium_type", "")
    medium = asked if asked in media else media[0]
    kept = [each for each in settings.measurements if each.medium_type == medium]
    viewed = next((each for each in kept if each.at == request.args.get("at")), None)
    used = _characteristic(viewed) if viewed else characteristic_for(settings, medium)
    curves = calibration.curves(settings, medium, used)
    return render_template(
        "calibration/show.html",
        printer=printer,
        media=media,
        medium=medium,
        kept=kept,
        viewed=viewed,
        used=used,
        worst=curves.worst,
        worst_before=float(np.abs(curves.uncorrected - curves.target).max()),
        reach=(float(np.max(used.densities)) if used.densities else None),
        pictures=_pictures(curves, used),
        levels=calibration_levels(calibration.sheet_of_medium(settings, medium), calibration.STEPS),
        steps=steps or StepsForm(formdata=None, medium_type=medium),
        scale=_with_sizes(scale or ScaleForm(formdata=None, medium_type=medium), printer),
    )


def _with_sizes(form: ScaleForm, printer: Printer) -> ScaleForm:
    sizes = [medium.film_size_id for medium in printer.settings.media] or list(load(store().folder.layouts).film_sizes)
    form.film_size_id.choices = list(dict.fromkeys([printer.settings.default_film_size_id, *sizes]))
    return form


def _characteristic(kept: Measurement) -> Characteristic:
    return Characteristic(kind="measured", driving_levels=kept.driving_levels, densities=kept.densities, name=kept.name)


def _pictures(curves: calibration.Curves, used: Characteristic) -> list[tuple[str, Markup]]:
    """(title, SVG): the printer's own curve, then target and film, then the error."""
    top = float(max(curves.target.max(), curves.reached.max(), *used.densities, 1.0))
    steps = math.ceil(top / 0.5)
    percent = curves.p_values * 100
    error = max(0.1, curves.worst, float(np.abs(curves.uncorrected - curves.target).max()))
    error = math.ceil(error / 0.1) * 0.1
    level = plot.Axes(x_title=gettext("Driving level (%)"), y_title="OD", x=(0, 100), y=(0, steps * 0.5), y_ticks=steps)
    values = plot.Axes(x_title=gettext("P-value (%)"), y_title="OD", x=(0, 100), y=(0, steps * 0.5), y_ticks=steps)
    errors = plot.Axes(x_title=gettext("P-value (%)"), y_title="OD", x=(0, 100), y=(-error, error), y_format="+.2f")
    drawn = []
    if used.densities:
        levels = [each * 100 for each in used.driving_levels]
        lines = [plot.Line(x=levels, y=used.densities, kind=kind) for kind in ("line-1", "dots")]
        drawn.append((gettext("As measured"), plot.draw(level, lines, gettext("Density at each driving level"))))
    both = [
        plot.Line(x=percent, y=curves.target, kind="line-2"),
        plot.Line(x=percent, y=curves.reached, kind="line-1"),
    ]
    drawn.append((gettext("GSDF target and film"), plot.draw(values, both, gettext("Density wanted and reached"))))
    after = [plot.Line(x=percent, y=curves.error, kind="line-1")]
    if used.densities:
        before = curves.uncorrected - curves.target
        after.insert(0, plot.Line(x=percent, y=before, kind="line-3"))
    drawn.append((gettext("Error"), plot.draw(errors, after, gettext("Density reached less density wanted"))))
    return drawn


@blueprint.post("/<name>/steps-page")
@needs("calibration.change")
def print_steps(name: str) -> Any:
    """Print the grey steps on the medium that is to be measured."""
    printer = printer_verbs.get_printer(store(), name)
    medium = request.form.get("medium_type") or None
    job_id = own_pages.submit_test_page(store(), printer, actor(), pattern="steps", MediumType=medium)
    return redirect(url_for("jobs.show", job_id=job_id), code=303)


@blueprint.post("/<name>/measure")
@needs("calibration.change")
def measure(name: str) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    form = StepsForm()
    if form.does(lambda: _measure(name, form)):
        say_done(_("The measurement is kept and in force. Waiting films are composed anew."))
        return redirect(url_for("calibration.show", name=name, medium_type=form.medium_type.data), code=303)
    return _page(printer, steps=form), 400


def _measure(name: str, form: StepsForm) -> None:
    text = form.densities.data or ""
    if form.file.data:
        raw = form.file.data.read(CSV_BYTES + 1)
        if len(raw) > CSV_BYTES:
            raise UsageError(gettext("This file is too large for a list of densities."), field="file")
        text = raw.decode("utf-8", "replace")
    found = calibration.read_densities(text)
    medium = form.medium_type.data or ""
    calibration.measure(store(), name, actor(), medium_type=medium, densities=found, label=form.label.data or "")


@blueprint.post("/<name>/use")
@needs("calibration.change")
def use(name: str) -> Any:
    """Go back to an older measurement, or to none."""
    medium, at = request.form.get("medium_type", ""), request.form.get("at", "")
    if at:
        calibration.put_in_force(store(), name, at, actor())
    else:
        calibration.assume(store(), name, medium, actor(), p_values=request.form.get("kind") == "p-values")
    return redirect(url_for("calibration.show", name=name, medium_type=medium), code=303)


@blueprint.post("/<name>/scale")
@needs("calibration.change")
def scale(name: str) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    form = _with_sizes(ScaleForm(), printer)
    if form.does(lambda: _correct(name, form)):
        say_done(_("The scale is corrected. Print the test page again: 100 mm must measure 100 mm."))
        return redirect(url_for("calibration.show", name=name, medium_type=form.medium_type.data), code=303)
    return _page(printer, scale=form), 400


def _correct(name: str, form: ScaleForm) -> None:
    calibration.correct_scale(
        store(),
        name,
        actor(),
        film_size_id=form.film_size_id.data,
        medium_type=form.medium_type.data or "",
        across_mm=form.across_mm.data or 0,
        down_mm=form.down_mm.data or 0,
    )
