"""The overview: what is worth acting on, then a panel of each page file that has one."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from flask import Blueprint, current_app, render_template
from flask_babel import gettext
from flask_babel import lazy_gettext as _

from appliance.store.store import Store
from appliance.web.live import live, see
from appliance.web.panels import Advice, Panel
from appliance.web.visitor import needs, store, visitor

blueprint = Blueprint("overview", __name__)

LEVELS = ("error", "warning", "note")


@blueprint.get("/")
@needs("overview.see")
def index() -> Any:
    see()
    return render_template("overview/index.html", **_gathered())


@blueprint.get("/overview/live")
@needs("overview.see", live=True)
@live()
def parts() -> Any:
    return render_template("overview/_parts.html", **_gathered())


def _gathered() -> dict[str, Any]:
    panels = [(panel, panel.gather(store())) for panel in _panels()]
    return {"advice": _advice(), "panels": panels}


def _pages() -> tuple[ModuleType, ...]:
    return current_app.extensions["pages"]  # type: ignore[no-any-return]


def _panels() -> list[Panel]:
    """The panels this visitor may see, in order."""
    every = (panel for page in _pages() for panel in getattr(page, "PANELS", ()))
    return sorted((panel for panel in every if visitor().may(panel.permission)), key=lambda panel: panel.order)


def _advice() -> list[Advice]:
    """What is worth acting on, the worst first."""
    every = [advice for page in _pages() if hasattr(page, "advise") for advice in page.advise(store())]
    return sorted(every, key=lambda advice: LEVELS.index(advice.level))


def _room(store: Store) -> dict[str, Any]:
    free, total = store.folder.room()
    return {"free": free, "total": total, "has_room": store.has_room()}


PANELS = (
    Panel(
        title=_("Room on the disk"),
        template="overview/_room.html",
        gather=_room,
        permission="overview.see",
        order=90,
    ),
)


def advise(store: Store) -> list[Advice]:
    """Tell that new work is refused for want of room."""
    if store.has_room():
        return []
    text = gettext("The disk is nearly full: new films and studies are refused.")
    return [Advice(level="error", text=text, action="", url="")]
