"""Settings of appliance.toml as they are in force, and where each comes from."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template
from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from appliance.config import ENVIRONMENT, Settings, load_settings
from appliance.errors import SettingError
from appliance.store.store import Store
from appliance.web.language import translated
from appliance.web.visitor import needs, store

blueprint = Blueprint("settings", __name__, url_prefix="/settings")

SECTIONS: dict[str, LazyString] = {
    "dicom": _("Associations: where the appliance listens, who may come in, limits"),
    "tls": _("Certificates for DICOM over TLS"),
    "web": _("This page"),
    "node": _("This machine among several that are one appliance"),
    "database": _("Where rows are kept"),
    "storage": _("Room on the disk, and how long things are kept"),
    "limits": _("How large what comes from outside may be"),
    "printing": _("Film workers"),
    "discs": _("Disc workers"),
    "smtp": _("Mail"),
    "notices": _("Notices when something waits for a person"),
    "syslog": _("Audit messages to a collector"),
    "log": _("The log"),
}

SECRET = {("notices", "webhook")}
"""Values that may hold a password or key."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A setting on the page."""

    key: str
    value: str
    origin: str  # environment, set, default
    pending: str | None  # what it will be after a restart, if that is something else


@blueprint.get("")
@needs("settings.see")
def index() -> Any:
    later, problem = _after_restart(store())
    sections = [
        (name, SECTIONS.get(name, name), [_shown(name, key, later) for key in type(section).model_fields])
        for name, section in store().settings
    ]
    file = store().settings_file or store().folder.root / "appliance.toml"
    return render_template("settings.html", sections=sections, file=file, problem=problem)


def _after_restart(store: Store) -> tuple[Settings, str]:
    """The settings a restart would find, and what is wrong with them."""
    try:
        return load_settings(store.folder.root, store.config), ""
    except SettingError as error:
        return store.settings, translated(error)


def _shown(section: str, key: str, later: Settings) -> Shown:
    value = getattr(getattr(store().settings, section), key)
    new = getattr(getattr(later, section), key)
    default = getattr(getattr(Settings(), section), key)
    if f"{ENVIRONMENT}{section}_{key}".upper() in os.environ:
        origin = "environment"
    else:
        origin = "default" if value == default else "set"
    return Shown(
        key=key,
        value=_text(section, key, value),
        origin=origin,
        pending=_text(section, key, new) if new != value else None,
    )


def _text(section: str, key: str, value: object) -> str:
    if (section, key) == ("database", "url") and value:
        return re.sub(r"//.*@", "//•••@", str(value))
    if (section, key) in SECRET and value:
        return "•••"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
