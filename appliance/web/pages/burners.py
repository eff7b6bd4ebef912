"""Burners: state, supplies, adding one with a check, settings, pause."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import HiddenField, StringField, TextAreaField

from appliance.errors import ApplianceError, UsageError
from appliance.media import burners, profiles
from appliance.media.burners import StoredBurner
from appliance.store.store import Store
from appliance.web.forms import Form, TickBoxes, at_most, required, say_done, strip
from appliance.web.language import translated
from appliance.web.live import live, see
from appliance.web.panels import Advice, Panel
from appliance.web.visitor import actor, needs, store, visitor
from appliance.words import say

blueprint = Blueprint("burners", __name__, url_prefix="/burners")


class BurnerForm(Form):
    name = StringField(_("Name"), [required(), at_most(64)], filters=[strip])
    burner_uri = StringField(_("Address"), [required(), at_most(500)], filters=[strip])
    media = TickBoxes(
        _("Media in it"), choices=lambda: [(each.name, translated(each.title)) for each in profiles.MEDIA.values()]
    )
    options = TextAreaField(_("More options (JSON)"), [at_most(4000)])
    node = StringField(_("Machine that drives it"), [at_most(24)], filters=[strip])
    version = HiddenField()


@blueprint.get("")
@needs("burners.see")
def index() -> Any:
    see("burner", "disc")
    return render_template("burners/index.html", **_listed(store()))


@blueprint.get("/live")
@needs("burners.see", live=True)
@live("burner", "disc")
def cards() -> Any:
    return render_template("burners/_cards.html", **_listed(store()))


def _listed(store: Store) -> dict[str, Any]:
    return {"burners": [burners.burner_view(burner) for burner in burners.all_burners(store)]}


@blueprint.route("/new", methods=["GET", "POST"])
@needs("burners.change")
def new() -> Any:
    form = BurnerForm()
    if form.does(lambda: burners.add_burner(store(), _burner(form), actor())):
        say_done(_("The burner is added."))
        return redirect(url_for("burners.check", name=form.name.data), code=303)
    return render_template("burners/edit.html", form=form, burner=None, root=store().folder.burned)


@blueprint.route("/<name>/edit", methods=["GET", "POST"])
@needs("burners.change")
def edit(name: str) -> Any:
    burner = burners.get_burner(store(), name)
    options = json.dumps(burner.settings.options) if burner.settings.options else ""
    form = BurnerForm(
        data={
            "name": name,
            "burner_uri": burner.burner_uri,
            "media": list(burner.settings.media),
            "options": options,
            "node": burner.settings.node,
            "version": str(burner.version),
        }
    )
    form.name.data = name
    if form.does(lambda: _set(form, burner)):
        say_done(_("The burner is changed."))
        return redirect(url_for("burners.index"), code=303)
    return render_template("burners/edit.html", form=form, burner=burner, root=store().folder.burned)


def _set(form: BurnerForm, before: StoredBurner) -> None:
    version = int(form.version.data) if (form.version.data or "").isdecimal() else 0
    changed = _burner(form)
    burners.set_burner(
        store(), replace(before, burner_uri=changed.burner_uri, settings=changed.settings), actor(), version=version
    )


def _burner(form: BurnerForm) -> StoredBurner:
    try:
        options = json.loads(form.options.data) if form.options.data else {}
    except json.JSONDecodeError as error:
        raise UsageError(say("This is no JSON: %(why)s.", why=str(error)), field="options") from None
    values = {"media": form.media.data or [], "options": options, "node": form.node.data or ""}
    settings = burners.burner_settings(values)
    return StoredBurner(name=form.name.data or "", burner_uri=form.burner_uri.data or "", settings=settings)


@blueprint.get("/<name>/check")
@needs("burners.change")
def check(name: str) -> Any:
    """What was tried, step by step, and what to do where it failed."""
    burner = burners.get_burner(store(), name)
    try:
        findings, problem = burners.open_stored(store(), burner).probe(), ""
    except ApplianceError as error:
        findings, problem = [], translated(error)
    return render_template("burners/check.html", burner=burner, findings=findings, problem=problem)


@blueprint.post("/<name>/<any(pause, resume):verb>")
@needs("burners.change")
def switch(name: str, verb: str) -> Any:
    (burners.pause_burner if verb == "pause" else burners.resume_burner)(store(), name, actor())
    return redirect(url_for("burners.index"), code=303)


@blueprint.post("/<name>/remove")
@needs("burners.change")
def remove(name: str) -> Any:
    burners.remove_burner(store(), name, actor())
    say_done(_("The burner is removed."))
    return redirect(url_for("burners.index"), code=303)


def advise(store: Store) -> list[Advice]:
    """Burners that stand still."""
    if not visitor().may("burners.see"):
        return []
    still = [each for each in burners.all_burners(store) if each.burns_nothing]
    return [
        Advice(
            level="warning",
            text=" ".join(
                filter(None, (gettext("Burner %(name)s burns nothing now.", name=each.name), each.burner_state_message))
            ),
            action=gettext("See to it"),
            url=url_for("burners.index"),
        )
        for each in still
    ]


PANELS = (
    Panel(title=_("Burners"), template="overview/_burners.html", gather=_listed, permission="burners.see", order=15),
)
