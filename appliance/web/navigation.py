"""The pages in the order people find them, each shown to roles that may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, g, request
from flask_babel import LazyString
from flask_babel import lazy_gettext as _


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A link of the navigation."""

    endpoint: str
    title: LazyString
    icon: str  # a symbol of static/icons.svg


GROUPS: tuple[tuple[LazyString, tuple[Entry, ...]], ...] = (
    (
        _("Work"),
        (
            Entry(endpoint="overview.index", title=_("Overview"), icon="overview"),
            Entry(endpoint="jobs.index", title=_("Print jobs"), icon="film"),
            Entry(endpoint="patients.index", title=_("Patients"), icon="patient"),
            Entry(endpoint="new_disc.index", title=_("New disc"), icon="plus"),
            Entry(endpoint="discs.index", title=_("Discs"), icon="disc"),
        ),
    ),
    (
        _("Devices"),
        (
            Entry(endpoint="printers.index", title=_("Printers"), icon="printer"),
            Entry(endpoint="calibration.index", title=_("Calibration"), icon="curve"),
            Entry(endpoint="burners.index", title=_("Burners"), icon="burner"),
            Entry(endpoint="peers.index", title=_("Peers"), icon="peer"),
            Entry(endpoint="profiles.index", title=_("Profiles"), icon="profile"),
        ),
    ),
    (
        _("House"),
        (
            Entry(endpoint="users.index", title=_("Users"), icon="users"),
            Entry(endpoint="settings.index", title=_("Settings"), icon="settings"),
            Entry(endpoint="audit.index", title=_("Audit"), icon="audit"),
            Entry(endpoint="health.index", title=_("Health"), icon="done"),
            Entry(endpoint="about.index", title=_("About"), icon="about"),
        ),
    ),
)


def navigation() -> list[tuple[LazyString, list[tuple[Entry, bool]]]]:
    """Groups of (entry, whether it is where we are), without what this visitor may not see."""
    if g.get("visitor") is None:
        return []
    here = (request.endpoint or "").partition(".")[0]
    shown = [
        (title, [(e, e.endpoint.startswith(here + ".")) for e in entries if _is_shown(e)]) for title, entries in GROUPS
    ]
    return [(title, entries) for title, entries in shown if entries]


def _is_shown(entry: Entry) -> bool:
    view: Any = current_app.view_functions.get(entry.endpoint)
    return view is not None and bool(g.visitor.may(view.permission))
