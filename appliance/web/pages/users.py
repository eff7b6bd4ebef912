"""Users: add, change, disable, remove."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _
from wtforms import PasswordField, RadioField, StringField

from appliance.security import sessions, users
from appliance.security.roles import VIEWER
from appliance.web.forms import Form, at_most, required, role_choices, say_done
from appliance.web.visitor import actor, needs, store

blueprint = Blueprint("users", __name__, url_prefix="/users")


class NewUserForm(Form):
    name = StringField(_("User name"), [required(), at_most(64)])
    role = RadioField(_("Role"), choices=role_choices, default=VIEWER)
    password = PasswordField(_("First password"), [required()])


class RoleForm(Form):
    role = RadioField(_("Role"), choices=role_choices)


class NewPasswordForm(Form):
    password = PasswordField(_("New password"), [required()])


@blueprint.get("")
@needs("people.change")
def index() -> Any:
    return render_template("users/index.html", users=users.all_users(store()))


@blueprint.route("/new", methods=["GET", "POST"])
@needs("people.change")
def new() -> Any:
    form = NewUserForm()
    if form.does(lambda: users.add_user(store(), form.name.data, form.role.data, form.password.data, actor())):
        say_done(_("The user is added."))
        return redirect(url_for("users.index"), code=303)
    return render_template("users/new.html", form=form)


@blueprint.get("/<name>")
@needs("people.change")
def show(name: str) -> Any:
    return _page(users.get_user(store(), name))


@blueprint.post("/<name>/role")
@needs("people.change")
def role(name: str) -> Any:
    form = RoleForm()
    if form.does(lambda: users.set_role(store(), name, form.role.data, actor())):
        return _back(name, _("The role is changed; it holds at once."))
    return _page(users.get_user(store(), name), role_form=form), 400


@blueprint.post("/<name>/password")
@needs("people.change")
def password(name: str) -> Any:
    user = users.get_user(store(), name)
    form = NewPasswordForm()
    if form.does(lambda: users.set_password(store(), user.name, form.password.data, actor())):
        return _back(user.name, _("The password is changed; the user is logged out everywhere."))
    return _page(user, password_form=form), 400


@blueprint.post("/<name>/disable")
@needs("people.change")
def disable(name: str) -> Any:
    users.set_disabled(store(), name, True, actor())
    return _back(name, _("The user is kept out from now on."))


@blueprint.post("/<name>/enable")
@needs("people.change")
def enable(name: str) -> Any:
    users.set_disabled(store(), name, False, actor())
    return _back(name, _("The user may log in again."))


@blueprint.post("/<name>/log-out-everywhere")
@needs("people.change")
def log_out_everywhere(name: str) -> Any:
    user = users.get_user(store(), name)
    sessions.log_out_everywhere(store(), user.name, actor())
    return _back(user.name, _("The user is logged out everywhere."))


@blueprint.post("/<name>/remove")
@needs("people.change")
def remove(name: str) -> Any:
    users.remove_user(store(), name, actor())
    say_done(_("The user is removed."))
    return redirect(url_for("users.index"), code=303)


def _back(name: str, message: Any) -> Any:
    say_done(message)
    return redirect(url_for("users.show", name=name), code=303)


def _page(user: users.User, *, role_form: Any = None, password_form: Any = None) -> str:
    return render_template(
        "users/show.html",
        user=user,
        role_form=role_form or RoleForm(formdata=None, role=user.role),
        password_form=password_form or NewPasswordForm(formdata=None),
        sessions=sessions.sessions_of(store(), user.name),
    )
