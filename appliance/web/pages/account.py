"""One's own account: password, language, where one is logged in."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, session, url_for
from flask_babel import lazy_gettext as _
from wtforms import PasswordField, SelectField

from appliance.security import sessions, users
from appliance.web.cookies import take_session
from appliance.web.forms import Form, required, same_password, say_done
from appliance.web.language import NAMES
from appliance.web.visitor import actor, needs, store, visitor

blueprint = Blueprint("account", __name__, url_prefix="/account")


class PasswordForm(Form):
    old = PasswordField(_("Password now"), [required()])
    password = PasswordField(_("New password"), [required()])
    again = PasswordField(_("New password once more"), [required(), same_password()])


class LanguageForm(Form):
    language = SelectField(_("Language"), choices=lambda: [("", _("As the browser asks for")), *NAMES.items()])


@blueprint.get("")
@needs("own-account")
def index() -> Any:
    return _page(PasswordForm(formdata=None))


@blueprint.post("/password")
@needs("own-account")
def password() -> Any:
    form = PasswordForm()
    if form.does(lambda: _change(form)):
        say_done(_("The password is changed. Other browsers are logged out."))
        return redirect(url_for("account.index"), code=303)
    return _page(form), 400


def _change(form: PasswordForm) -> None:
    old, new = form.old.data or "", form.password.data or ""
    users.change_own_password(store(), visitor().name, old, new, actor(), session=_own_session().id_hash)


@blueprint.post("/language")
@needs("own-account")
def language() -> Any:
    form = LanguageForm()
    _own_session()
    if form.does(lambda: users.set_language(store(), visitor().name, form.language.data, actor())):
        session.pop("language", None)
    return redirect(url_for("account.index"), code=303)


@blueprint.post("/log-out-everywhere")
@needs("own-account")
def log_out_everywhere() -> Any:
    sessions.log_out_everywhere(store(), _own_session().user, actor())
    return take_session(redirect(url_for("login.index"), code=303))


def _own_session() -> sessions.Session:
    """A token has no account."""
    own = visitor().session
    if own is None:
        abort(403)
    return own


def _page(form: PasswordForm) -> str:
    own = _own_session()
    return render_template(
        "account.html",
        form=form,
        language_form=LanguageForm(formdata=None, language=visitor().language),
        sessions=sessions.sessions_of(store(), own.user),
        own=own,
    )
