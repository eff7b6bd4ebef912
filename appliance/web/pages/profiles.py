"""Profiles: which printer a film goes to and what it gets there; whom a disc is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import HiddenField, RadioField, SelectField, StringField, TextAreaField

from appliance.errors import UsageError
from appliance.media import copy_types
from appliance.media.copy_types import CopyType
from appliance.printing import printer_verbs
from appliance.printing.profiles import FILM_KEYWORDS, PrintProfile
from appliance.web.copy_type_form import CopyTypeForm
from appliance.web.forms import Form, at_most, required, say_done, strip
from appliance.web.visitor import actor, needs, store
from appliance.words import say

blueprint = Blueprint("profiles", __name__, url_prefix="/profiles")

WITHOUT_LUT = {
    "p-values": _("P-values, as the standard says"),
    "lin-od": _("optical density, straight"),
}


class ProfileForm(Form):
    name = StringField(_("Name"), [required(), at_most(64)], filters=[strip])
    printer = SelectField(_("Printer"))
    called_ae_title = StringField(_("Called AE title"), [at_most(16)], filters=[strip])
    calling_ae_title = StringField(_("Calling AE title"), [at_most(16)], filters=[strip])
    address = StringField(_("Address it calls from"), [at_most(64)], filters=[strip])
    defaults = TextAreaField(_("Where nothing is sent"), [at_most(4000)])
    overrides = TextAreaField(_("Whatever is sent"), [at_most(4000)])
    aliases = TextAreaField(_("Words that mean others"), [at_most(4000)])
    without_lut = RadioField(_("Pixels without a Presentation LUT are"), choices=lambda: list(WITHOUT_LUT.items()))
    lin_od_zero = RadioField(
        _("In LIN OD, 0 is"),
        choices=lambda: [("max", gettext("the greatest density (black)")), ("min", gettext("the least density"))],
    )
    version = HiddenField()


@blueprint.get("")
@needs("profiles.see")
def index() -> Any:
    return render_template(
        "profiles/index.html",
        profiles=printer_verbs.all_profiles(store()),
        copy_types=copy_types.all_copy_types(store()),
        built_in=copy_types.BUILT_IN,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@needs("profiles.change")
def new() -> Any:
    form = _form(PrintProfile(name="", printer=""))
    if form.does(
        lambda: printer_verbs.add_profile(store(), _profile(form, PrintProfile(name="", printer="")), actor())
    ):
        say_done(_("The profile is added."))
        return redirect(url_for("profiles.index"), code=303)
    return render_template("profiles/edit.html", form=form, profile=None, keywords=FILM_KEYWORDS)


@blueprint.route("/print/<name>", methods=["GET", "POST"])
@needs("profiles.change")
def edit(name: str) -> Any:
    profile, version = printer_verbs.read_profile(store(), name)
    form = _form(profile, version)
    form.name.data = name
    if form.does(lambda: _set(form, profile)):
        say_done(_("The profile is changed; it holds from the next association on."))
        return redirect(url_for("profiles.index"), code=303)
    return render_template("profiles/edit.html", form=form, profile=profile, keywords=FILM_KEYWORDS)


@blueprint.post("/print/<name>/remove")
@needs("profiles.change")
def remove(name: str) -> Any:
    printer_verbs.remove_profile(store(), name, actor())
    say_done(_("The profile is removed."))
    return redirect(url_for("profiles.index"), code=303)


def _form(profile: PrintProfile, version: int = 0) -> ProfileForm:
    form = ProfileForm(
        data={
            **{
                key: getattr(profile, key)
                for key in ("name", "printer", "called_ae_title", "calling_ae_title", "address")
            },
            **{key: _lines(getattr(profile, key)) for key in ("defaults", "overrides", "aliases")},
            "without_lut": profile.grey.without_lut if profile.grey.without_lut in WITHOUT_LUT else "p-values",
            "lin_od_zero": "max" if profile.grey.lin_od_zero_is_max_density else "min",
            "version": str(version),
        }
    )
    form.printer.choices = [printer.name for printer in printer_verbs.all_printers(store())]
    return form


def _set(form: ProfileForm, before: PrintProfile) -> None:
    version = int(form.version.data) if (form.version.data or "").isdecimal() else 0
    printer_verbs.set_profile(store(), _profile(form, before), actor(), version=version)


def _profile(form: ProfileForm, before: PrintProfile) -> PrintProfile:
    plain: dict[str, Any] = {
        key: getattr(form, key).data or "" for key in ("called_ae_title", "calling_ae_title", "address")
    }
    maps: dict[str, Any] = {
        key: _pairs(getattr(form, key).data or "", key) for key in ("defaults", "overrides", "aliases")
    }
    grey = replace(
        before.grey, without_lut=form.without_lut.data, lin_od_zero_is_max_density=form.lin_od_zero.data == "max"
    )
    return replace(before, name=form.name.data or "", printer=form.printer.data, grey=grey, **plain, **maps)


def _lines(values: Any) -> str:
    return "\n".join(f"{key}={value}" for key, value in values.items())


def _pairs(text: str, field: str) -> dict[str, str]:
    lines = [line.partition("=") for line in text.splitlines() if line.strip()]
    if any(not equals for _key, equals, _value in lines):
        raise UsageError(say("One KEYWORD=VALUE on each line."), field=field)
    return {key.strip(): value.strip() for key, _, value in lines}


# whom a disc is for -------------------------------------------------------------------------------------------------


@blueprint.route("/disc/new", methods=["GET", "POST"])
@needs("profiles.change")
def new_copy_type() -> Any:
    form = CopyTypeForm.of("", CopyType())
    if form.does(
        lambda: copy_types.set_copy_type(store(), form.name.data or "", form.choices(CopyType()), actor(), version=0)
    ):
        say_done(_("The profile is added."))
        return redirect(url_for("profiles.index"), code=303)
    return render_template("profiles/copy_type.html", form=form, name="")


@blueprint.route("/disc/<name>", methods=["GET", "POST"])
@needs("profiles.change")
def edit_copy_type(name: str) -> Any:
    before, version = copy_types.read_copy_type(store(), name)
    form = CopyTypeForm.of(name, before, version)
    form.name.data = name
    seen = int(form.version.data) if (form.version.data or "").isdecimal() else 0
    if form.does(lambda: copy_types.set_copy_type(store(), name, form.choices(before), actor(), version=seen)):
        say_done(_("The profile is changed; it holds from the next disc on."))
        return redirect(url_for("profiles.index"), code=303)
    return render_template("profiles/copy_type.html", form=form, name=name)


@blueprint.post("/disc/<name>/remove")
@needs("profiles.change")
def remove_copy_type(name: str) -> Any:
    copy_types.remove_copy_type(store(), name, actor())
    say_done(_("The profile is removed."))
    return redirect(url_for("profiles.index"), code=303)
