"""Log in, log out, and the language of this browser."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, redirect, render_template, request, session, url_for
from flask_babel import lazy_gettext as _
from wtforms import PasswordField, StringField

from appliance.security import first_admin, sessions
from appliance.security.users import LANGUAGES
from appliance.web.cookies import give_session, take_session
from appliance.web.forms import Form, at_most, required
from appliance.web.language import translated
from appliance.web.visitor import PUBLIC, actor, address, local_path, needs, store, visitor

blueprint = Blueprint("login", __name__)


class LoginForm(Form):
    name = StringField(_("User name"), [required(), at_most(64)])
    password = PasswordField(_("Password"), [required(), at_most(1024)])


@blueprint.route("/login", methods=["GET", "POST"])
@needs(PUBLIC)
def index() -> Any:
    target = local_path(request.args.get("next", "")) or url_for("overview.index")
    if g.visitor is not None:
        return redirect(target, code=303)
    form = LoginForm()
    status = 200
    if form.validate_on_submit():
        try:
            return give_session(redirect(target, code=303), _log_in(form))
        except sessions.LoginError as error:
            form.form_errors.append(translated(error))
            status = 429 if error.seconds else 401
    page = render_template("login.html", form=form, nobody_yet=first_admin.is_needed(store()))
    return page, status


def _log_in(form: LoginForm) -> str:
    agent = request.user_agent.string
    return sessions.log_in(store(), form.name.data or "", form.password.data or "", address=address(), agent=agent)


@blueprint.post("/logout")
@needs("own-account")
def logout() -> Any:
    own = visitor().session
    if own is not None:
        sessions.log_out(store(), own.id_hash, actor())
    return take_session(redirect(url_for("login.index"), code=303))


@blueprint.post("/language")
@needs(PUBLIC)
def language() -> Any:
    """The language of this browser; who is logged in chooses for good on the account page."""
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        session["language"] = chosen
    return redirect(local_path(request.form.get("next", "")) or url_for("login.index"), code=303)
