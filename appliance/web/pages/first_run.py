"""First run: whoever has the link from the log makes the first admin."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_babel import lazy_gettext as _
from wtforms import PasswordField, StringField

from appliance.security import first_admin
from appliance.web.cookies import give_session
from appliance.web.forms import Form, at_most, required, same_password
from appliance.web.visitor import PUBLIC, address, needs, store

blueprint = Blueprint("first_run", __name__)


class FirstAdminForm(Form):
    name = StringField(_("User name"), [required(), at_most(64)])
    password = PasswordField(_("Password"), [required()])
    again = PasswordField(_("Password once more"), [required(), same_password()])


@blueprint.route("/first-run/<key>", methods=["GET", "POST"])
@needs(PUBLIC)
def index(key: str) -> Any:
    if not first_admin.is_key(store(), key):
        abort(404)
    form = FirstAdminForm()
    made: list[str] = []
    if form.does(lambda: made.append(_make(key, form))):
        return give_session(redirect(url_for("overview.index"), code=303), made[0])
    return render_template("first_run.html", form=form)


def _make(key: str, form: FirstAdminForm) -> str:
    name, password = form.name.data or "", form.password.data or ""
    agent = request.user_agent.string
    return first_admin.make_first_admin(store(), key, name, password, address=address(), agent=agent)
