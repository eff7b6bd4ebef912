"""About: versions, licences, and what this is not."""

from __future__ import annotations

import platform
import re
from functools import lru_cache
from importlib import metadata
from typing import Any

from flask import Blueprint, render_template

from appliance.store.migrate import head
from appliance.web.visitor import needs

blueprint = Blueprint("about", __name__, url_prefix="/about")

PAGE_PARTS = (("htmx", "2.0.11", "0BSD"), ("Pico CSS", "2.1.1", "MIT"))
"""What the page is built with besides Python packages: name, version, licence."""


@blueprint.get("")
@needs("about.see")
def index() -> Any:
    return render_template(
        "about.html",
        version=metadata.version("appliance"),
        python=platform.python_version(),
        system=platform.platform(terse=True),
        revision=revision(),
        parts=(*packages(), *PAGE_PARTS),
    )


@lru_cache(maxsize=1)
def revision() -> str:
    """The database revision this program works on; it can't change while it runs."""
    return head()


@lru_cache(maxsize=1)
def packages() -> tuple[tuple[str, str, str], ...]:
    """(name, version, licence) of every package the appliance runs on, by name."""
    found: dict[str, tuple[str, str, str]] = {}
    todo = ["appliance"]
    while todo:
        name = todo.pop()
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        key = package.metadata["Name"].lower().replace("_", "-")
        if key in found:
            continue
        found[key] = (package.metadata["Name"], package.version, _licence(package))
        todo += [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in package.requires or () if "extra ==" not in need]
    found.pop("appliance", None)
    return tuple(found[key] for key in sorted(found))


def _licence(package: metadata.Distribution) -> str:
    """The licence a package names: its SPDX expression, its classifier, or the first line of its licence field."""
    said = package.metadata.json
    if said.get("license_expression"):
        return str(said["license_expression"])
    classified = [text.rpartition(" :: ")[2] for text in said.get("classifier", ()) if text.startswith("License")]
    return ", ".join(classified) or str(said.get("license") or "?").splitlines()[0][:60]
