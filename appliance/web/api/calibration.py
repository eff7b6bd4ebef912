"""Calibration: densities read of the grey steps, the curve they make, and which one is in force."""

from __future__ import annotations

from typing import Any

from appliance.printing import calibration, printer_verbs, views
from appliance.web.api import film_models as models
from appliance.web.api.describe import check_version, endpoint, etag
from appliance.web.visitor import actor, store


def _shown(name: str) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    return {"items": calibration.calibration_view(printer)}, etag(printer.version)


@endpoint(
    "GET",
    "/printers/<name>/calibration",
    "Each medium's grey: its steps, the characteristic in force, its largest error, measurements kept",
    permission="calibration.see",
    gives=models.Calibration,
    versioned=True,
)
def get_calibration(name: str) -> Any:
    return _shown(name)


@endpoint(
    "POST",
    "/printers/<name>/calibration",
    "Keep densities read of the grey steps, and put them in force",
    permission="calibration.change",
    body=models.Readings,
    gives=models.Calibration,
    status=201,
)
def measure_printer(name: str, body: models.Readings) -> Any:
    calibration.measure(
        store(), name, actor(), medium_type=body.medium_type, densities=body.densities, label=body.label
    )
    return _shown(name)


@endpoint(
    "PUT",
    "/printers/<name>/calibration",
    "Go back to a measurement kept (at), or to none of a medium (kind)",
    permission="calibration.change",
    body=models.InForce,
    gives=models.Calibration,
    versioned=True,
)
def set_calibration(name: str, body: models.InForce) -> Any:
    check_version(printer_verbs.get_printer(store(), name).version)
    if body.at is not None:
        calibration.put_in_force(store(), name, body.at, actor())
    else:
        calibration.assume(store(), name, body.medium_type, actor(), p_values=body.kind == "p-values")
    return _shown(name)


@endpoint(
    "POST",
    "/printers/<name>/calibration/scale",
    "Correct the scale by what the test page's 100 mm rulers measure",
    permission="calibration.change",
    body=models.Rulers,
    gives=models.Printer,
)
def correct_printer_scale(name: str, body: models.Rulers) -> Any:
    usual = calibration.medium_types(printer_verbs.get_printer(store(), name).settings)[0]
    values = body.model_dump(exclude={"medium_type"})
    calibration.correct_scale(store(), name, actor(), medium_type=body.medium_type or usual, **values)
    printer = printer_verbs.get_printer(store(), name)
    return views.printer_view(printer), etag(printer.version)


@endpoint(
    "GET",
    "/printers/<name>/calibration/curve",
    "Densities at 256 P-values: wanted by the GSDF, reached, and reached without the measured curve",
    permission="calibration.see",
    query=models.CurveQuery,
    gives=models.Curve,
)
def get_calibration_curve(name: str, query: models.CurveQuery) -> Any:
    settings = printer_verbs.get_printer(store(), name).settings
    curves = calibration.curves(settings, query.medium_type or calibration.medium_types(settings)[0])
    return {key: getattr(curves, key).tolist() for key in models.Curve.model_fields}
