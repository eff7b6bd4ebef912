"""New disc: studies and series, whom it is for, what fits on which medium before anything is built, and go."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, IntegerField, RadioField, SelectField, SelectMultipleField, StringField

from appliance.errors import ApplianceError, UsageError
from appliance.media import asking, burners, copy_types, discs, profiles
from appliance.media.ordering import DiscOrder
from appliance.media.selection import Selection
from appliance.studies import search
from appliance.web import looks
from appliance.web.calls import calling_out
from appliance.web.forms import Form, at_most, between, required, say_done, strip
from appliance.web.language import translated
from appliance.web.visitor import actor, needs, store

blueprint = Blueprint("new_disc", __name__, url_prefix="/discs/new")

MOST_STUDIES = 100
ARCHIVES_SECONDS = 8.0
"""How long a page waits for what archives say: it holds one of the server's threads meanwhile."""


class AnyChoice(SelectMultipleField):
    """Values that were offered by the page, in any number; the verb looks whether they are there."""

    def pre_validate(self, form: Any) -> None:
        return None


class OrderForm(Form):
    study = AnyChoice(_("Studies"))
    series = AnyChoice(_("Series"))
    decision = AnyChoice(_("Decisions"))
    held = AnyChoice()  # decisions it would wait for, as what the archives said asks for them
    copy_type = RadioField(_("Whom it is for"), default=copy_types.DEFAULT)
    medium = SelectField(_("Medium"))
    burner = SelectField(_("Burner"))
    copies = IntegerField(_("Copies"), [required(), between(1, 99)], default=1)
    label_text = StringField(_("A line for the label"), [at_most(200)], filters=[strip])
    leave_out_refused = BooleanField(_("Leave out what can't go on it: the disc says so"))
    video_mp4 = BooleanField(_("Video as MP4 files beside the DICOM files: the disc says so"))
    incomplete_reason = StringField(_("Why it is made though images are missing"), [at_most(200)], filters=[strip])


@blueprint.get("")
@needs("discs.make")
def index() -> Any:
    """What was chosen, what it makes; nothing chosen: look for it first."""
    if not request.args.getlist("study"):
        return redirect(url_for("patients.index"), code=303)
    form = _form(request.args)
    return render_template("discs/new.html", form=form, **_chosen(form), **_planned(form))


@blueprint.get("/plan")
@needs("discs.make")
def plan() -> Any:
    """The plan alone, asked for when a choice changes."""
    form = _form(request.args)
    return render_template("discs/_plan.html", form=form, **_planned(form))


@blueprint.get("/news")
@needs("discs.make")
def news() -> Any:
    """What the studies' archives say of them now: asked for once by the page, which is there before they answer."""
    uids = tuple(dict.fromkeys(request.args.getlist("study")))[:MOST_STUDIES]
    try:
        with calling_out():
            found = asking.news_by_study(store(), Selection(studies=uids), ARCHIVES_SECONDS)
    except ApplianceError as error:
        return render_template("discs/_news.html", news={}, problem=translated(error))
    answer = make_response(render_template("discs/_news.html", news=found, problem="", identity=asking.IDENTITY))
    answer.headers["HX-Trigger"] = "news"  # what is missing stands with the studies now: plan again
    return answer


@blueprint.post("")
@needs("discs.make")
def create() -> Any:
    form = _form(request.form)
    made: list[int] = []
    if form.does(lambda: made.append(discs.create_disc(store(), _order(form), actor()))):
        say_done(_("The disc is ordered."))
        return redirect(url_for("discs.show", disc_id=made[0]), code=303)
    if not form.study.data:
        return redirect(url_for("patients.index"), code=303)
    return render_template("discs/new.html", form=form, **_chosen(form), **_planned(form)), 400


def _form(values: Any) -> OrderForm:
    form = OrderForm(formdata=values if "copies" in values else None, study=values.getlist("study"))
    if "copies" not in values:
        form.study.data = values.getlist("study")
    form.study.data = list(dict.fromkeys(form.study.data or []))[:MOST_STUDIES]
    types = copy_types.all_copy_types(store())
    form.copy_type.choices = [(name, translated(each.description) or name) for name, each in types.items()]
    usual = gettext("the usual one")
    form.medium.choices = [("", usual), *[(each.name, translated(each.title)) for each in profiles.MEDIA.values()]]
    there = burners.all_burners(store())
    form.burner.choices = [burner.name for burner in there]
    if "copies" not in values:
        form.burner.data = next((burner.name for burner in there if not burner.burns_nothing), None)
    return form


def _order(form: OrderForm) -> DiscOrder:
    """What was chosen. Series ticked narrow their study; a study without a ticked series goes whole."""
    narrowed = _series_of_studies(form)
    return DiscOrder(
        selection=Selection(
            studies=tuple(uid for uid in form.study.data if uid not in narrowed),
            series=tuple(uid for uids in narrowed.values() for uid in uids),
        ),
        copy_type=form.copy_type.data or copy_types.DEFAULT,
        medium=form.medium.data or "",
        burner=form.burner.data or form.burner.choices[0],
        copies=form.copies.data or 1,
        label_text=form.label_text.data or "",
        incomplete_reason=form.incomplete_reason.data or "",
        decisions=tuple(form.decision.data or ()),
        choices={
            **({"leave_out_refused": True} if form.leave_out_refused.data else {}),
            **({"video": "mp4"} if form.video_mp4.data else {}),
        },
    )


def _series_of_studies(form: OrderForm) -> dict[str, list[str]]:
    """Study -> its ticked series, where not all of them are."""
    ticked = set(form.series.data or ())
    if not ticked:
        return {}
    narrowed = {}
    for uid in form.study.data:
        own = [each["series_instance_uid"] for each in search.show_study(store(), uid)["series_list"]]
        chosen = [series for series in own if series in ticked]
        if chosen and len(chosen) < len(own):
            narrowed[uid] = chosen
    return narrowed


def _chosen(form: OrderForm) -> dict[str, Any]:
    studies = []
    for uid in form.study.data:
        studies.append(search.show_study(store(), uid))
        looks.note("study-viewed", "study", uid)
    return {"studies": studies}


def _planned(form: OrderForm) -> dict[str, Any]:
    """The plan in words, or why there is none."""
    if not form.burner.choices:
        return {"plan": None, "problem": gettext("There is no burner: an administrator adds one.")}
    try:
        order = _order(form)
        made, gathered = discs.plan_disc(store(), order)
    except (UsageError, ApplianceError) as error:
        return {"plan": None, "problem": translated(error)}
    return {"plan": made, "title": made.medium.title, "incomplete": gathered.incomplete, "problem": ""}
