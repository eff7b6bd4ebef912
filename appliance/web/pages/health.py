"""Health: all an admin would ask when it does not work, with the next step."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from appliance.upkeep import health
from appliance.web.visitor import needs, store

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("")
@needs("settings.see")
def index() -> Any:
    """What is known; with ?thorough=1 the database is read through and devices are called."""
    findings = health.look(store(), thorough=bool(request.args.get("thorough")))
    return render_template("health.html", findings=findings, worst=health.worst(findings))
